import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TYPE_AXFR, TYPE_IXFR, TYPE_SOA } from '../../src/dns/constants.ts';
import { readWord } from '../../src/dns/message.ts';
import { findTsig, readTsig, signTsig } from '../../src/dns/tsig.ts';
import { type LookAnswer, lookAt, type Primary } from '../../src/node/primary-look.ts';
import type { StreamLink } from '../../src/node/stream-link.ts';
import type { Asked } from '../../src/secondary/reply-message.ts';
import { copyOf } from '../../src/secondary/zone-copy.ts';
import type { ContentRecord, ZoneContent } from '../../src/zone/zone-content.ts';
import { APEX, a, KEY, message, NOW, NS, soa } from '../secondary/primary-stream.ts';

/** What a primary says to a question: a message, or how the connection ends. */
type Say = (asked: Asked & { readonly hasEdns: boolean }) => Uint8Array | string;
type Answers = { readonly soa?: Say; readonly ixfr?: Say; readonly axfr?: Say };

const PLAIN: Primary = { address: '192.0.2.1', port: 53, key: undefined };
const SIGNED: Primary = { ...PLAIN, key: KEY };
const says =
  (...records: readonly ContentRecord[]): Say =>
  (asked) =>
    message(asked, records);
const refuses =
  (rcode: number): Say =>
  (asked) =>
    message(asked, [], { flags: 0x8400 | rcode });

/** What was asked, a `|` where a connection began; and what came of it. */
async function look(
  answers: Answers,
  copy?: ZoneContent,
  primary = PLAIN,
  isSigned = primary.key !== undefined,
  see: (answer: LookAnswer) => void = () => {},
): Promise<string> {
  const asked: string[] = [];
  const open = (): StreamLink => {
    asked.push('|');
    let waiting: Uint8Array | string = 'nothing was asked';
    return {
      send(query) {
        const type = readWord(query, 12 + APEX.length);
        const kinds = { [TYPE_SOA]: 'soa', [TYPE_IXFR]: 'ixfr', [TYPE_AXFR]: 'axfr' } as const;
        const kind = kinds[type as keyof typeof kinds];
        asked.push(kind);
        const say = answers[kind] ?? (() => 'it closed the connection');
        const hasEdns = readWord(query, 10) > (isSigned ? 1 : 0);
        waiting = say({ id: readWord(query, 0), apex: APEX, type, hasEdns });
        if (!isSigned || typeof waiting === 'string') return;
        const { mac } = readTsig(query, findTsig(query)!)!;
        waiting = signTsig(waiting, KEY, NOW, { mac, between: [], isLater: false }).message;
      },
      async receive() {
        const next = waiting;
        waiting = 'nothing came for 15 s';
        return next;
      },
      close: () => {},
    };
  };
  let id = 100;
  const drawId = (): number => {
    id += 1;
    return id;
  };
  const answer = await lookAt({ open, drawId, wallSeconds: () => NOW }, primary, APEX, copy);
  see(answer);
  const came = (): string => {
    if (answer.kind === 'failed') return answer.reason;
    return answer.kind === 'copied' ? `${answer.way} ${answer.content.serial}` : 'current';
  };
  return `${asked.join(' ').slice(2)} > ${came()}`;
}

const copied = copyOf(APEX, soa(7), [NS, a('x', 1)]);
assert.ok(copied.ok);
const copy = copied.content;
/** What knows no EDNS, but answers without. */
const old =
  (say: Say, rcode: number): Say =>
  (asked) =>
    asked.hasEdns ? message(asked, [], { flags: 0x8400 | rcode }) : say(asked);
const axfr = (serial: number): Say => says(soa(serial), NS, a('x', 2), soa(serial));
const ixfr = says(soa(9), soa(7), a('x', 1), soa(9), a('x', 2), soa(9));
const unfit = says(soa(9), soa(7), a('other', 1), soa(9), soa(9));

test('a look asks for the SOA, for changes, and for all where they cannot be had', async () => {
  const newer = { soa: says(soa(9)) };
  const rows: readonly (readonly [string, Answers])[] = [
    ['soa > current', { soa: says(soa(7)) }],
    ['soa ixfr > IXFR 9', { ...newer, ixfr }],
    ['soa ixfr > AXFR 9', { ...newer, ixfr: axfr(9) }],
    ['soa ixfr | axfr > AXFR 9', { ...newer, ixfr: refuses(1), axfr: axfr(9) }],
    ['soa ixfr | axfr > AXFR 9', { ...newer, ixfr: refuses(4), axfr: axfr(9) }],
    ['soa ixfr | axfr > AXFR 9', { ...newer, ixfr: unfit, axfr: axfr(9) }],
    ['soa > it has the serial 6, older than 7', { soa: says(soa(6)) }],
    [
      'soa ixfr | axfr > it has the serial 6, older than 7',
      { ...newer, ixfr: refuses(4), axfr: axfr(6) },
    ],
    ['soa ixfr | axfr > AXFR 9', { ...newer, ixfr: refuses(5), axfr: axfr(9) }],
    ['soa ixfr | axfr > AXFR 9', { ...newer, axfr: axfr(9) }],
    ['soa ixfr | axfr > it closed the connection', newer],
    [
      'soa ixfr > it says that there is something new, and gives nothing',
      { ...newer, ixfr: says(soa(7)) },
    ],
    ['soa > it has no SOA for the zone', { soa: says(NS) }],
    ['soa soa > it answers SERVFAIL', { soa: refuses(2) }],
    ['soa > it answers REFUSED', { soa: refuses(5) }],
    [
      'soa > it is not authoritative',
      { soa: (asked) => message(asked, [soa(9)], { flags: 0x8000 }) },
    ],
    ['soa > it closed the connection', {}],
  ];
  for (const [wanted, answers] of rows) assert.equal(await look(answers, copy), wanted);
});

test('without a copy all of it is asked for at once, whatever its serial', async () => {
  assert.equal(await look({ axfr: axfr(3) }), 'axfr > AXFR 3');
  assert.equal(await look({ axfr: says(soa(3), soa(3)) }), 'axfr > the zone has no nameservers');
  assert.equal(await look({ axfr: refuses(5) }), 'axfr > it answers REFUSED');
  assert.equal(await look({ axfr: says(soa(3), NS) }), 'axfr > nothing came for 15 s');
});

test('with a key every answer has to be signed', async () => {
  const answers = { soa: says(soa(9)), ixfr, axfr: axfr(9) };
  assert.equal(await look(answers, copy, SIGNED), 'soa ixfr > IXFR 9');
  assert.equal(await look(answers, undefined, SIGNED), 'axfr > AXFR 9');
  assert.equal(await look(answers, copy, SIGNED, false), 'soa > its answer is not signed');
  assert.equal(await look(answers, undefined, SIGNED, false), 'axfr > its answer is not signed');
});

test('a primary that knows no EDNS is asked without', async () => {
  for (const rcode of [1, 4]) {
    const answers = {
      soa: old(says(soa(9)), rcode),
      ixfr: old(ixfr, rcode),
      axfr: old(axfr(9), rcode),
    };
    assert.equal(await look(answers, copy), 'soa soa ixfr > IXFR 9');
    assert.equal(await look(answers), 'axfr | axfr > AXFR 9');
  }
});

test('what a primary says of how long its own copy is good is heard', async () => {
  const tells =
    (say: Say, seconds: number): Say =>
    (asked) => {
      const plain = say(asked) as Uint8Array;
      const opt = [0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 8, 0, 9, 0, 4, 0, 0, 0, seconds];
      const told = new Uint8Array([...plain, ...opt]);
      told[11] = 1;
      return told;
    };
  const told = async (answers: Answers, before?: ZoneContent): Promise<unknown> => {
    let seconds: unknown;
    await look(answers, before, PLAIN, false, (answer) => {
      seconds = answer.kind === 'failed' ? answer.reason : answer.expireSeconds;
    });
    return seconds;
  };
  assert.equal(await told({ soa: tells(says(soa(7)), 77) }, copy), 77);
  assert.equal(await told({ soa: tells(says(soa(9)), 77), ixfr }, copy), 77);
  assert.equal(await told({ axfr: tells(axfr(9), 78) }), 78);
  assert.equal(await told({ axfr: axfr(9) }), undefined);
});
