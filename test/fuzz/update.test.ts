import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { withOverlays } from '../../src/config/overlay.ts';
import {
  RCODE_FORMERR,
  RCODE_NOERROR,
  RCODE_NOTAUTH,
  RCODE_NOTZONE,
  RCODE_NXDOMAIN,
  RCODE_NXRRSET,
  RCODE_REFUSED,
  RCODE_YXDOMAIN,
  RCODE_YXRRSET,
} from '../../src/dns/constants.ts';
import { decodeMessage } from '../../src/dns/decode.ts';
import { isSubdomain, lowerName, parseName } from '../../src/dns/name.ts';
import { parseRdata } from '../../src/dns/rdata/registry.ts';
import { signTsig } from '../../src/dns/tsig.ts';
import {
  ADDED_PER_NAME_MAX,
  type AddedRecord,
  changed,
  NO_ADDITIONS,
  overlayOf,
  packAdditions,
  unpackAdditions,
} from '../../src/nameserver/added-records.ts';
import { compileSnapshot } from '../../src/nameserver/compile.ts';
import { DEFER_UPDATE } from '../../src/nameserver/outcomes.ts';
import { respond } from '../../src/nameserver/respond.ts';
import { readUpdate } from '../../src/nameserver/signed-update.ts';
import { zoneOf } from '../../src/nameserver/update.ts';
import { zoneKey, zoneUpdate } from '../../src/nameserver/update-view.ts';
import { clientAt, compiled, geo, NOW_MS, startWorker } from '../nameserver/fixture.ts';
import {
  ALL,
  config,
  KEY,
  NOW_SECONDS,
  record,
  textOf,
  updateMessage,
  ZONE,
} from '../nameserver/update-rig.ts';
import { fuzzHits, fuzzRuns, fuzzSeed } from './effort.ts';

/**
 * Updates that are damaged before they are signed, so that nothing but their own parser stands in their way: no
 * exception, only known RCODEs, and whatever comes of them can be served.
 */
const SEED = fuzzSeed(20_260_804);
const RCODES = new Set<number>([
  RCODE_NOERROR,
  RCODE_FORMERR,
  RCODE_REFUSED,
  RCODE_NOTAUTH,
  RCODE_NOTZONE,
  RCODE_NXDOMAIN,
  RCODE_NXRRSET,
  RCODE_YXDOMAIN,
  RCODE_YXRRSET,
]);
const folder = new URL('./corpus/updates/', import.meta.url);
const corpus = readdirSync(folder)
  .filter((name) => name.endsWith('.hex'))
  .map((name) => {
    const text = readFileSync(new URL(name, folder), 'utf8').replaceAll(/#.*|\s/g, '');
    return { name, bytes: new Uint8Array(Buffer.from(text, 'hex')) };
  });

const ADDED: readonly AddedRecord[] = [
  record('new.gslb.example.', 60, 'A', '192.0.2.100'),
  record('new.gslb.example.', 60, 'TXT', '"added"'),
  record('other.gslb.example.', 60, 'CNAME', 'new.gslb.example.'),
];
const name = fc.constantFrom(
  ...['', 'new.', 'other.', 'www.', 'mail.', 'alias.', 'pages.', 'x.below.', '*.wild.', 'sub.'].map(
    (each) => `${each}gslb.example.`,
  ),
  'elsewhere.example.',
);
const data = fc.constantFrom(
  ...['A 192.0.2.1', 'AAAA 2001:db8::1', 'TXT "one" two', 'CNAME new.gslb.example.'],
  ...['MX 1 mail.gslb.example.', 'NS ns.other.example.', 'DNAME a.example.', 'CAA 0 issue "x"'],
  ...['SRV 1 2 3 mail.gslb.example.', 'DS 1 13 200 00', 'TYPE65280 \\# 2 0102', 'HTTPS 1 .'],
);
const line = fc.oneof(
  fc.tuple(name, fc.nat(5), data).map(([owner, ttl, text]) => `add ${owner} ${ttl} ${text}`),
  fc.tuple(name, data).map(([owner, text]) => `delete ${owner} ${text}`),
  fc.tuple(name, data).map(([owner, text]) => `delete ${owner} ${text.split(' ')[0]}`),
  name.map((owner) => `delete ${owner}`),
);
const condition = fc
  .tuple(fc.constantFrom('nxdomain', 'yxdomain', 'nxrrset', 'yxrrset'), name, data)
  .map(([verb, owner, text]) =>
    verb.endsWith('domain') ? `${verb} ${owner}` : `${verb} ${owner} ${text.split(' ')[0]}`,
  );
const whole = fc
  .tuple(fc.array(condition, { maxLength: 1 }), fc.array(line, { maxLength: 6 }))
  .map(([before, lines]) => updateMessage([...before, ...lines]));
const edits = fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { maxLength: 4 });
const damaged = fc
  .tuple(fc.oneof(whole, fc.constantFrom(...corpus.map(({ bytes }) => bytes))), edits)
  .map(([bytes, all]) => {
    const copy = bytes.slice();
    for (const [at, value] of all) if (at >= 4 && at < copy.length) copy[at] = value;
    // Whatever else: it is an UPDATE, and somebody with the key signed it.
    copy[2] = 0x28;
    return copy;
  });

/** The records after the update, or its RCODE. */
function perform(
  bytes: Uint8Array,
  added: readonly AddedRecord[],
): readonly AddedRecord[] | number {
  const { message } = signTsig(bytes, KEY, NOW_SECONDS);
  const opened = readUpdate(new Uint8Array(message), [KEY], NOW_SECONDS * 1000);
  if (opened === undefined) return RCODE_FORMERR;
  if (!opened.ok) {
    assert.ok(decodeMessage(opened.reply).ok);
    return opened.reply[3]! & 0xf;
  }
  const reply = opened.reply(RCODE_NOERROR, NOW_SECONDS * 1000);
  assert.ok(decodeMessage(reply).ok && reply.length < 512);
  const apex = zoneOf(opened.message);
  if ('rcode' in apex) return apex.rcode;
  if (zoneKey(apex) !== ZONE) return RCODE_NOTAUTH;
  const done = zoneUpdate(config, ZONE, opened.message, ALL)(added);
  return 'records' in done ? done.records : done.refusal.rcode;
}

function examine(records: readonly AddedRecord[]): void {
  const apex = parseName(`${ZONE}.`)!;
  const seen = new Set<string>();
  const ttls = new Map<string, number>();
  for (const { data: text, owner, ttl, type } of records) {
    const wire = parseName(owner);
    assert.ok(wire !== undefined && isSubdomain(wire, apex), owner);
    assert.deepEqual(wire, lowerName(wire));
    assert.ok(parseRdata(type, text).ok, `${type} ${text}`);
    assert.ok(!seen.has(`${owner} ${type} ${text}`), 'once each');
    seen.add(`${owner} ${type} ${text}`);
    assert.equal(ttls.get(`${owner} ${type}`) ?? ttl, ttl, 'one TTL');
    ttls.set(`${owner} ${type}`, ttl);
  }
  const owners = Map.groupBy(records, ({ owner }) => owner);
  for (const [owner, all] of owners) {
    assert.ok(all.length <= ADDED_PER_NAME_MAX);
    if (all.some(({ type }) => type === 'CNAME')) assert.equal(all.length, 1, owner);
    assert.ok(!all.some(({ type }) => owner === 'www.gslb.example.' && type === 'A'));
  }
}

test('every message of the corpus is answered, and what comes of it can be served', () => {
  assert.ok(corpus.length > 5);
  for (const { bytes } of corpus) {
    assert.doesNotThrow(() => readUpdate(bytes, [KEY], NOW_SECONDS * 1000));
    const done = perform(bytes, ADDED);
    if (typeof done === 'number') assert.ok(RCODES.has(done));
    else examine(done);
  }
});

test('damaged updates have a known RCODE, and what comes of others can be served', () => {
  let done = 0;
  let compiled = 0;
  fc.assert(
    fc.property(damaged, (bytes) => {
      const after = perform(bytes, ADDED);
      if (typeof after === 'number') {
        assert.ok(RCODES.has(after), `RCODE ${after}`);
        return;
      }
      examine(after);
      done += 1;
      if (done % 40 !== 0) return;
      compiled += 1;
      const overlay = overlayOf(ZONE, changed(NO_ADDITIONS, after, 7, 'w'));
      const result = compileSnapshot(withOverlays(config, [overlay]), geo, 1, 1);
      assert.ok(result.ok, JSON.stringify(result));
    }),
    { seed: SEED, numRuns: fuzzRuns(5000) },
  );
  assert.ok(done > fuzzHits(400, 5000) && compiled > fuzzHits(5, 5000), `${done} ${compiled}`);
});

test('whatever several updates make of a zone can be served', () => {
  const owner = fc.constantFrom(
    ...[
      '',
      'a.',
      'b.a.',
      'c.b.a.',
      '*.a.',
      '*.',
      'www.',
      'x.www.',
      'below.',
      'ns.below.',
      'alias.',
    ],
    ...['mail.', 'x.mail.', '_acme-challenge.a.', 'x.sub.', 'deep.below.', 'x.docs.', 'docs.'],
  );
  const structure = fc.constantFrom(
    ...[
      'A 192.0.2.1',
      'TXT "x"',
      'CNAME a.gslb.example.',
      'NS ns.other.example.',
      'DS 1 13 200 00',
    ],
    ...['DNAME a.example.', 'DNAME b.example.', 'NS ns.below.gslb.example.', 'HTTPS 0 .'],
  );
  const change = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.tuple(owner, structure).map(([at, text]) => `add ${at}${ZONE}. 5 ${text}`),
    },
    { weight: 1, arbitrary: owner.map((at) => `delete ${at}${ZONE}.`) },
  );
  const updates = fc.array(fc.array(change, { minLength: 1, maxLength: 3 }), { maxLength: 5 });
  let changes = 0;
  const first = { snapshot: compiled(config), geo };
  fc.assert(
    fc.property(updates, (all) => {
      let records: readonly AddedRecord[] = [];
      for (const lines of all) {
        const after = perform(updateMessage(lines), records);
        if (typeof after === 'number') continue;
        changes += Number(after !== records);
        records = after;
      }
      const overlay = overlayOf(ZONE, changed(NO_ADDITIONS, records, 7, 'w'));
      const served = withOverlays(config, [overlay]);
      const result = compileSnapshot(served, geo, 1, 1, first);
      assert.ok(result.ok, JSON.stringify(result));
      const kept = new Set(
        served.zones[ZONE]!.rrsets.flatMap((set) =>
          set.data.map((text) => `${set.owner} ${set.type} ${text}`),
        ),
      );
      for (const each of records)
        assert.ok(kept.has(`${each.owner} ${each.type} ${each.data}`), textOf(each));
    }),
    { seed: SEED, numRuns: fuzzRuns(120) },
  );
  assert.ok(changes > fuzzHits(80, 120), `${changes}`);
});

test('octets of anybody are no update without the key', () => {
  const tail = fc.uint8Array({ maxLength: 300 });
  fc.assert(
    fc.property(damaged, tail, fc.boolean(), (bytes, more, isSigned) => {
      const first = isSigned
        ? signTsig(bytes, { ...KEY, secret: more }, NOW_SECONDS).message
        : bytes;
      const opened = readUpdate(Uint8Array.from([...first, ...more]), [KEY], NOW_SECONDS * 1000);
      assert.ok(opened === undefined || !opened.ok);
      if (opened?.ok === false) assert.ok(decodeMessage(opened.reply).ok);
    }),
    { seed: SEED, numRuns: fuzzRuns(4000) },
  );
});

/** The name of the key, and TYPE TSIG. */
const TSIG_HEAD = Buffer.from([...KEY.name, 0, 250]);

test('respond() hands over an update only when the key has signed it', () => {
  const worker = startWorker(compiled(config));
  const reply = new Uint8Array(65_535);
  const edit = fc.option(fc.tuple(fc.nat(300), fc.integer({ min: 1, max: 255 })), { freq: 3 });
  let taken = 0;
  fc.assert(
    fc.property(damaged, edit, fc.boolean(), (bytes, change, tcp) => {
      const signed = new Uint8Array(signTsig(bytes, KEY, NOW_SECONDS).message);
      // From the third octet on: the ID is that of the hop, and not signed.
      const at = change === null ? undefined : 2 + (change[0] % (signed.length - 2));
      if (at !== undefined) signed[at]! ^= change![1];
      const client = clientAt('192.0.2.7', tcp);
      const length = respond(worker, client, signed, signed.length, NOW_MS, reply);
      if (length === DEFER_UPDATE) {
        taken += 1;
        // Names are signed in lower case, so their case may change on the way.
        const isCase = at !== undefined && change![1] === 0x20 && at >= bytes.length;
        // A message that was signed before is good again when the count leaves out what stands behind it.
        const isInner = at === 11 && Buffer.from(bytes).includes(TSIG_HEAD);
        assert.ok(at === undefined || isCase || isInner, `octet ${at} of ${signed.length}`);
        return;
      }
      assert.ok(length >= 0 && length <= 1232, String(length));
      if (length > 0) assert.ok(decodeMessage(reply.subarray(0, length)).ok);
    }),
    { seed: SEED, numRuns: fuzzRuns(3000) },
  );
  assert.ok(taken > fuzzHits(300, 3000), String(taken));
});

test('kept records that are damaged are none, and take no more memory than they may', () => {
  const packed = packAdditions(changed(NO_ADDITIONS, ADDED, 7, 'w'));
  fc.assert(
    fc.property(edits, fc.option(fc.nat(60), { freq: 4 }), (all, cut) => {
      const bytes = packed.slice(0, packed.length - (cut ?? 0));
      for (const [at, value] of all) if (at < bytes.length) bytes[at] = value;
      const state = unpackAdditions(bytes);
      if (state !== undefined) assert.ok(state.version >= 0 && state.records.length < 100);
    }),
    { seed: SEED, numRuns: fuzzRuns(4000) },
  );
});
