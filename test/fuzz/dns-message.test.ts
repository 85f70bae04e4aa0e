import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  FLAG_AA,
  SECTION_ANSWER,
  SECTION_AUTHORITY,
  TYPE_A,
  TYPE_SOA,
} from '../../src/dns/constants.ts';
import { decodeMessage } from '../../src/dns/decode.ts';
import { EDE_NONE, rejectQuery, writeOpt } from '../../src/dns/edns.ts';
import {
  beginReply,
  createReply,
  finishReply,
  truncate,
  writeRecord,
} from '../../src/dns/encode.ts';
import { formatMessage } from '../../src/dns/format.ts';
import {
  createQuery,
  PARSE_BADVERS,
  PARSE_DROP,
  PARSE_FORMERR,
  PARSE_NOTIMP,
  PARSE_OK,
  parseQuery,
} from '../../src/dns/message.ts';
import { nameLength, parseName } from '../../src/dns/name.ts';
import { parseRdata } from '../../src/dns/rdata/registry.ts';
import { shorten } from '../../src/dns/shorten.ts';
import { ascii, buildQuery, ecs, opt, option, record } from '../dns/query-builder.ts';
import { fuzzRuns, fuzzSeed } from './effort.ts';

/**
 * Mutated packets through the whole codec: no exception, no read outside of the packet, only known
 * outcomes, and every reply that we then write is itself a message that decodes.
 */

const SEED = fuzzSeed(20260801);
const ITERATIONS = fuzzRuns(12_000);
const OUTCOMES = [PARSE_OK, PARSE_DROP, PARSE_FORMERR, PARSE_NOTIMP, PARSE_BADVERS];
/** Stands around the packet: reading it would show up as a difference between two runs. */
const MARGIN = 64;

const seeds: readonly Uint8Array[] = [
  buildQuery(),
  buildQuery({ records: [opt(ecs(1, 24, 0, [192, 0, 2]))] }),
  buildQuery({
    records: [opt([...ecs(2, 56, 0, [32, 1, 13, 184, 1, 2, 3]), ...option(10, ascii('12345678'))])],
  }),
  buildQuery({
    records: [
      record([0xc0, 12], 1, [1, 2, 3, 4]),
      opt([], 4096, [0, 1, 128, 0]),
      record([0], 250, [0]),
    ],
  }),
  buildQuery({
    flags: 0x8580,
    counts: [1, 2, 1, 1],
    records: [
      record([0xc0, 12], 5, [1, 97, 0xc0, 16]),
      record([0xc0, 45], 15, [0, 1, 0xc0, 45]),
      record([0xc0, 16], 6, [0xc0, 12, 0xc0, 16, ...new Array<number>(20).fill(9)]),
      opt([...ecs(1, 24, 16, [192, 0, 2]), ...option(15, [0, 18, 0x6e, 0xff])]),
    ],
  }),
];

/** Mulberry32: small, seeded, good enough to choose bytes. */
function generator(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** Values that sit at the borders of length octets, pointers and counts. */
const INTERESTING = [0, 1, 2, 12, 41, 63, 64, 127, 128, 191, 192, 193, 250, 255];

function mutate(next: (below: number) => number): Uint8Array {
  const bytes = [...seeds[next(seeds.length)]!];
  for (let count = next(6); count >= 0; count -= 1) {
    const at = next(bytes.length + 1);
    switch (next(6)) {
      case 0:
        bytes[Math.min(at, bytes.length - 1)] = next(256);
        break;
      case 1:
        bytes[Math.min(at, bytes.length - 1)] = INTERESTING[next(INTERESTING.length)]!;
        break;
      case 2:
        bytes.splice(at, 0, ...Array.from({ length: 1 + next(9) }, () => next(256)));
        break;
      case 3:
        bytes.splice(at, 1 + next(9));
        break;
      case 4:
        bytes.splice(at, 0, ...bytes.slice(at, at + next(40)));
        break;
      default:
        bytes.length = Math.min(at, bytes.length);
    }
    if (bytes.length === 0) return new Uint8Array(0);
  }
  return Uint8Array.from(bytes.slice(0, 4096));
}

const query = createQuery();
const twin = createQuery();
const reply = createReply();
const out = new Uint8Array(1232);
const address = Uint8Array.of(192, 0, 2, 1);
const soaOwner = parseName('example.com.');
const soaRdata = parseRdata('SOA', 'ns.example.com. host.example.net. 1 2 3 4 5');

function checkPacket(bytes: Uint8Array): void {
  const outcome = parseQuery(query, bytes, bytes.length);
  assert.ok(OUTCOMES.includes(outcome), `outcome ${outcome}`);
  checkMargin(bytes, outcome);
  if (outcome === PARSE_OK) {
    assert.equal(nameLength(query.qname, 0, query.qnameLength), query.qnameLength);
    assert.ok(
      query.questionEnd === 12 + query.qnameLength + 4 && query.questionEnd <= bytes.length,
    );
    checkReply(bytes);
  } else {
    const length = rejectQuery(reply, out, query, bytes, outcome, 1232);
    assert.equal(length === 0, outcome === PARSE_DROP);
    if (length > 0) checkDecodes(out.subarray(0, length));
  }
  const decoded = decodeMessage(bytes);
  if (decoded.ok)
    assert.ok(/^[^\p{Cc}]*$/u.test(formatMessage(decoded.message).replaceAll('\n', '')));
}

/** The same packet between other bytes must parse the same: nothing beyond `length` is read. */
function checkMargin(bytes: Uint8Array, outcome: number): void {
  const wide = new Uint8Array(bytes.length + MARGIN).fill(0xc0);
  wide.set(bytes);
  twin.ecsAddress.set(query.ecsAddress);
  twin.qname.set(query.qname);
  twin.labelOffsets.set(query.labelOffsets);
  assert.equal(parseQuery(twin, wide, bytes.length), outcome);
  if (outcome === PARSE_OK) assert.deepEqual(twin, query);
}

function checkReply(bytes: Uint8Array): void {
  for (const limit of [512, 320, 1232]) {
    beginReply(reply, out, query, bytes, limit);
    assert.ok(soaOwner !== undefined && soaRdata.ok);
    const { rdata } = soaRdata;
    const fits =
      writeRecord(reply, SECTION_ANSWER, query.qname, 0, TYPE_A, 30, address, 0, 4) &&
      writeRecord(reply, SECTION_AUTHORITY, soaOwner, 0, TYPE_SOA, 30, rdata, 0, rdata.length);
    if (!fits) truncate(reply);
    assert.ok(writeOpt(reply, 1232, 24, EDE_NONE));
    const length = finishReply(reply, 0, FLAG_AA);
    assert.ok(length <= limit);
    checkDecodes(out.subarray(0, length));
    const shorter = shorten(out, length);
    assert.ok(shorter > 0 && shorter <= length);
    checkDecodes(out.subarray(0, shorter));
  }
}

function checkDecodes(bytes: Uint8Array): void {
  const result = decodeMessage(bytes);
  assert.ok(result.ok, result.ok ? '' : `our reply: ${result.reason}`);
  assert.equal(result.message.response, true);
}

test('mutated packets never throw, read past their end or lead to a broken reply', () => {
  const next = generator(SEED);
  for (let iteration = 0; iteration < ITERATIONS; iteration += 1) {
    const bytes = mutate(next);
    try {
      checkPacket(bytes);
    } catch (error) {
      const hex = Buffer.from(bytes).toString('hex');
      throw new Error(`FUZZ_SEED=${SEED} iteration ${iteration}: ${hex}`, { cause: error });
    }
  }
});

test('random bytes with a plausible header never throw', () => {
  const next = generator(SEED + 1);
  for (let iteration = 0; iteration < ITERATIONS / 4; iteration += 1) {
    const tail = Array.from({ length: next(80) }, () => next(256));
    const bytes = Uint8Array.from([
      1,
      2,
      next(2),
      0,
      0,
      1,
      0,
      next(2),
      0,
      next(2),
      0,
      next(4),
      ...tail,
    ]);
    try {
      checkPacket(bytes);
    } catch (error) {
      const hex = Buffer.from(bytes).toString('hex');
      throw new Error(`FUZZ_SEED=${SEED} iteration ${iteration}: ${hex}`, { cause: error });
    }
  }
});
