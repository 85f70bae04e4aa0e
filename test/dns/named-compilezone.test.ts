import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { formatName, lowerName, parseName } from '../../src/dns/name.ts';
import { formatRdata } from '../../src/dns/rdata/registry.ts';
import { typeName } from '../../src/dns/type-names.ts';
import { readZoneFile } from '../../src/dns/zone-file.ts';

/** BIND reads what we read and what we write, and has the same octets each time. */
const ZONE = 'example.com';

type Record = { owner: string; type: string; ttl: number; rdata: string };

test('named-compilezone reads the same octets out of a master file, and out of our text of it', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'meridian-zone-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const text = readFileSync(new URL('zones/types.zone', import.meta.url), 'utf8');
  const ours = readOurs(text);
  assert.equal(ours.length, 60);
  assert.deepEqual(readWithBind(folder, text), sorted(ours));
  const written = ours
    .map(({ owner, rdata, ttl, type }) => {
      const data = formatRdata(numberOf(type), Buffer.from(rdata, 'hex'));
      return `${owner} ${ttl} IN ${type} ${data}\n`;
    })
    .join('');
  assert.deepEqual(readWithBind(folder, written), sorted(ours));
});

function readOurs(text: string): Record[] {
  const file = readZoneFile(
    { name: 'types.zone', text },
    { origin: parseName(`${ZONE}.`)!, include: () => ({ message: 'no includes' }) },
  );
  assert.deepEqual(file.problems, []);
  return file.records.map(({ owner, rdata, ttlSeconds, type }) => ({
    owner: formatName(lowerName(owner)),
    type: typeName(type),
    ttl: ttlSeconds,
    rdata: Buffer.from(rdata).toString('hex'),
  }));
}

const numbers = new Map<string, number>();
function numberOf(type: string): number {
  if (numbers.size === 0)
    for (let each = 0; each < 65_536; each += 1) numbers.set(typeName(each), each);
  return numbers.get(type)!;
}

/** The zone as BIND compiles it into its raw format, which has rdata as they are in messages. */
function readWithBind(folder: string, text: string): Record[] {
  const source = join(folder, 'zone');
  const raw = join(folder, 'zone.raw');
  writeFileSync(source, text);
  // No checks of what the names mean: only the reading of the file is compared.
  const checks = ['-i', 'none', '-k', 'ignore', '-n', 'ignore', '-m', 'ignore', '-M', 'ignore'];
  const more = ['-S', 'ignore', '-T', 'ignore', '-W', 'ignore', '-r', 'ignore'];
  const args = [...checks, ...more, '-F', 'raw', '-o', raw, ZONE, source];
  const run = spawnSync('named-compilezone', args, { encoding: 'utf8' });
  assert.equal(run.status, 0, `${run.stdout}${run.stderr}`);
  return sorted(readRaw(readFileSync(raw)));
}

/** BIND's raw format, version 1: a header of 24 octets, then RRsets with their lengths. */
function readRaw(bytes: Buffer): Record[] {
  const records: Record[] = [];
  let at = 24;
  while (at < bytes.length) {
    const end = at + bytes.readUInt32BE(at);
    const type = typeName(bytes.readUInt16BE(at + 6));
    const ttl = bytes.readUInt32BE(at + 10);
    const count = bytes.readUInt32BE(at + 14);
    let position = at + 18;
    const take = (): Buffer => {
      const length = bytes.readUInt16BE(position);
      const part = bytes.subarray(position + 2, position + 2 + length);
      position += 2 + length;
      return part;
    };
    const owner = formatName(lowerName(take()));
    for (let index = 0; index < count; index += 1) {
      records.push({ owner, type, ttl, rdata: take().toString('hex') });
    }
    assert.equal(position, end);
    at = end;
  }
  return records;
}

function sorted(records: readonly Record[]): Record[] {
  const key = ({ owner, rdata, ttl, type }: Record): string => `${owner} ${type} ${ttl} ${rdata}`;
  return records.toSorted((a, b) => (key(a) < key(b) ? -1 : 1));
}
