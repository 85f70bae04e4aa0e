import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  createLearnedRecords,
  LEARNED_DENIAL,
  LEARNED_LENGTH_MAX,
  LEARNED_RRSET,
  type Learned,
} from '../../src/nameserver/learned.ts';

const SEED = 42;
const NOTHING = new Uint8Array();
const denial = (owner: string, records = Buffer.from(`of ${owner}`)): Learned => ({
  kind: LEARNED_DENIAL,
  first: 1,
  second: 2,
  content: NOTHING,
  owner: Buffer.from(owner),
  records,
});
const recall = (known: ReturnType<typeof createLearnedRecords>, owner: string) => {
  const bytes = Buffer.from(`${owner} and what was there before`);
  return known.recall(LEARNED_DENIAL, 1, 2, NOTHING, bytes, owner.length);
};

test('records are found by all that they are of', () => {
  const known = createLearnedRecords(SEED);
  const one = { ...denial('name'), content: Uint8Array.of(7) };
  known.learn(one);
  const { content, first, kind, owner, records, second } = one;
  const find = (change: Partial<Learned>) => {
    const asked = { content, first, kind, owner, second, ...change };
    const { length } = asked.owner;
    return known.recall(asked.kind, asked.first, asked.second, asked.content, asked.owner, length);
  };
  assert.equal(find({}), records);
  for (const change of [
    { kind: LEARNED_RRSET },
    { first: 2 },
    { second: 1 },
    { content: Uint8Array.of(8) },
    { content: NOTHING },
    { owner: Buffer.from('nama') },
    { owner: Buffer.from('names') },
    { owner: Buffer.from('nam') },
  ] as const)
    assert.equal(find(change), undefined, JSON.stringify(change));
  const later = Buffer.from('later');
  known.learn({ ...one, records: later });
  assert.equal(find({}), later);
  known.clear();
  assert.equal(find({}), undefined);
});

test('what is asked for again stays through a flood of what is asked for once', () => {
  const known = createLearnedRecords(SEED, 64);
  known.learn(denial('popular'));
  for (let n = 0; n < 10_000; n += 1) {
    assert.ok(recall(known, 'popular'), `${n}`);
    known.learn(denial(`flood-${n}`));
  }
});

test('what is asked for once gives way, and so does in the end what was asked for before', () => {
  const known = createLearnedRecords(SEED, 64);
  for (let n = 0; n < 1000; n += 1) known.learn(denial(`${n}`));
  const left = Array.from({ length: 1000 }, (_, n) => recall(known, `${n}`)).filter(Boolean);
  assert.ok(left.length > 32 && left.length <= 64, `${left.length}`);
  for (let n = 1000; n < 2000; n += 1) known.learn(denial(`${n}`));
  const old = Array.from({ length: 1000 }, (_, n) => recall(known, `${n}`)).filter(Boolean);
  assert.ok(old.length < left.length, `${old.length}`);
});

test('records that are too long are not kept', () => {
  const known = createLearnedRecords(SEED);
  known.learn(denial('fits', Buffer.alloc(LEARNED_LENGTH_MAX - 4)));
  known.learn(denial('long', Buffer.alloc(LEARNED_LENGTH_MAX - 3)));
  assert.ok(recall(known, 'fits'));
  assert.equal(recall(known, 'long'), undefined);
});
