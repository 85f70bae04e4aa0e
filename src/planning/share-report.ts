import type { ToldShares } from '../capacity/demand-report.ts';
import { wordOf } from '../health/health-words.ts';
import { candidateOf, decideState } from '../nameserver/answer.ts';
import { mapAt } from '../nameserver/map-table.ts';
import type { ServedHealth } from '../nameserver/served-health.ts';
import type { Snapshot } from '../nameserver/snapshot.ts';
import { classEntry } from '../steering/class-list.ts';
import { decide } from '../steering/decide.ts';
import { classPreference } from '../steering/map.ts';
import { compilePolicy } from '../steering/policy.ts';
import { SLOTS } from '../steering/slots.ts';
import type { ShareCounts } from '../workers/counter-ledger.ts';

/**
 * What the policies of a pool would give its endpoints, of those who asked this nameserver: by the functions that answer
 * queries, but with weights as they are written. And how often the slots of clients asked.
 */
export function shareReport(
  before: ShareCounts,
  now: ShareCounts,
  snapshot: Snapshot,
  { exceptions, slots, words }: ServedHealth,
  { nowMs, seconds }: { readonly nowMs: number; readonly seconds: number },
): readonly ToldShares[] {
  // What was counted belongs to a snapshot that is not served any more: the next window will tell.
  if (now.snapshot !== snapshot || seconds <= 0) return [];
  const health: ServedHealth = { words, exceptions, ...(slots && { slots }) };
  const pools = new Map<string, { targets: Map<string, number>; slots: number[]; asked: number }>();
  for (const [index, { classes, group, slots: counts }] of now.groups.entries()) {
    const old = before.snapshot === now.snapshot ? before.groups[index] : undefined;
    const pool = pools.get(group.pool) ?? {
      ...{ targets: new Map(), slots: new Array<number>(SLOTS).fill(0), asked: 0 },
    };
    pools.set(group.pool, pool);
    for (let slot = 0; slot < SLOTS; slot += 1) {
      pool.slots[slot]! += (counts[slot]! - (old?.slots[slot] ?? 0)) / seconds;
    }
    const asked = classes.map((count, classId) => count - (old?.classes[classId] ?? 0));
    pool.asked += addTargets(pool.targets, snapshot, group.map, asked, health, nowMs);
  }
  return [...pools].flatMap(([pool, { asked, slots: counts, targets }]) => {
    if (asked === 0) return [];
    const shares = [...targets].map(([name, share]) => [name, share / asked] as const);
    return [{ pool, targets: new Map(shares), slots: counts }];
  });
}

/** Adds what each endpoint would have of `asked` queries by class; returns how many they are. */
function addTargets(
  into: Map<string, number>,
  snapshot: Snapshot,
  index: number,
  asked: Float64Array,
  health: ServedHealth,
  nowMs: number,
): number {
  const map = mapAt(snapshot.maps, index);
  const policy = compilePolicy(map.chain);
  const candidates = map.candidates.map((endpoint) => candidateOf(snapshot, endpoint));
  const word = wordOf(health);
  // An endpoint that nobody is sent to is one all the same.
  for (const { name } of candidates) into.set(name, into.get(name) ?? 0);
  let sum = 0;
  for (const [classId, count] of asked.entries()) {
    if (count <= 0) continue;
    sum += count;
    const entry = classEntry(map.classes.classes, classId);
    const preference = classPreference(map.classes, entry, candidates);
    const state = decideState(map, entry, word, health, nowMs);
    for (const { candidates: answered, share } of decide(policy, preference, state).outcomes) {
      const part = (count * share) / answered.length;
      for (const { name } of answered) into.set(name, into.get(name)! + part);
    }
  }
  return sum;
}
