import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import {
  FLAG_AA,
  RCODE_NXDOMAIN,
  SECTION_ADDITIONAL,
  SECTION_ANSWER,
  SECTION_AUTHORITY,
} from '../../src/dns/constants.ts';
import { EDE_NONE, rejectQuery, writeOpt } from '../../src/dns/edns.ts';
import {
  beginReply,
  createReply,
  finishReply,
  type Reply,
  writeRecord,
} from '../../src/dns/encode.ts';
import { createQuery, PARSE_OK, parseQuery } from '../../src/dns/message.ts';
import { parseName } from '../../src/dns/name.ts';
import { parseRdata, rdataByKind } from '../../src/dns/rdata/registry.ts';
import { fromHex } from '../dns/query-builder.ts';

/** Annotated query and reply bytes; what our code writes for the query must be the reply. */
const folder = new URL('./dns/', import.meta.url);

/** What each accepted query is answered with; the others are rejected by their outcome. */
const answers: Readonly<Record<string, (reply: Reply) => number>> = {
  'steered-answer': (reply) => {
    add(reply, SECTION_ANSWER, 'www.example.com.', 30, 'A', '192.0.2.1');
    writeOpt(reply, 1232, 20, EDE_NONE);
    return finishReply(reply, 0, FLAG_AA);
  },
  nxdomain: (reply) => {
    const soa = 'ns.example.com. hostmaster.example.com. 7 3600 600 604800 60';
    add(reply, SECTION_AUTHORITY, 'example.com.', 60, 'SOA', soa);
    writeOpt(reply, 1232, 0, EDE_NONE);
    return finishReply(reply, RCODE_NXDOMAIN, FLAG_AA);
  },
  delegation: (reply) => {
    add(reply, SECTION_AUTHORITY, 'sub.example.com.', 3600, 'NS', 'ns1.sub.example.com.');
    add(reply, SECTION_AUTHORITY, 'sub.example.com.', 3600, 'NS', 'ns2.net.');
    add(reply, SECTION_ADDITIONAL, 'ns1.sub.example.com.', 3600, 'A', '192.0.2.53');
    add(reply, SECTION_ADDITIONAL, 'ns1.sub.example.com.', 3600, 'AAAA', '2001:db8::35');
    writeOpt(reply, 1232, 0, EDE_NONE);
    return finishReply(reply, 0, 0);
  },
};

function add(
  reply: Reply,
  section: number,
  owner: string,
  ttlSeconds: number,
  kind: string,
  text: string,
): void {
  const name = parseName(owner);
  const type = rdataByKind(kind);
  const parsed = parseRdata(kind, text);
  assert.ok(name !== undefined && type !== undefined && parsed.ok);
  const { rdata } = parsed;
  assert.ok(writeRecord(reply, section, name, 0, type.type, ttlSeconds, rdata, 0, rdata.length));
}

function readGolden(file: string): { readonly query: Uint8Array; readonly expected: Uint8Array } {
  const text = readFileSync(new URL(file, folder), 'utf8');
  const [query, expected] = text.split('> query\n')[1]?.split('< reply\n') ?? [];
  assert.ok(query !== undefined && expected !== undefined, file);
  return { query: fromHex(query), expected: fromHex(expected) };
}

for (const file of readdirSync(folder)) {
  test(`golden bytes: ${file}`, () => {
    const { query: bytes, expected } = readGolden(file);
    const query = createQuery();
    const reply = createReply();
    const out = new Uint8Array(1232);
    const outcome = parseQuery(query, bytes, bytes.length);
    const answer = answers[file.replace('.hex', '')];
    assert.equal(answer !== undefined, outcome === PARSE_OK);
    beginReply(reply, out, query, bytes, out.length);
    const length = answer?.(reply) ?? rejectQuery(reply, out, query, bytes, outcome, 1232);
    assert.equal(toHex(out.subarray(0, length)), toHex(expected));
  });
}

function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
