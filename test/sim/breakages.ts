import { type Breakage, loadBroken } from './broken-core.ts';
import type { Size } from './plan.ts';

/** Places of the core that are broken on purpose, the invariant that must tell, and a world where it does. */
export type Caught = Breakage & {
  readonly invariant: string;
  readonly size: Size;
  readonly seed: number;
  /** Takes too long for `npm test`; `npm run sim -- --broken` tries all. */
  readonly isSlow?: boolean;
};

export const BREAKAGES: readonly Caught[] = [
  {
    name: 'a quarter is a majority',
    file: 'src/health/quorum.ts',
    from: 'Math.ceil((count + 1) / 2)',
    to: 'Math.ceil(count / 4)',
    invariant: 'no false withdrawal',
    size: 'alone',
    seed: 2,
    isSlow: true,
  },
  {
    name: 'one failure is enough',
    file: 'src/health/verdict.ts',
    from: 'if (failures >= rules.fall)',
    to: 'if (failures >= 1)',
    invariant: 'no false withdrawal',
    size: 'alone',
    seed: 2,
  },
  {
    name: 'eyes always believe themselves',
    file: 'src/health/self-trust.ts',
    from: 'if (!isBroken) return',
    to: 'if (sights) return',
    invariant: 'the living return',
    size: 'alone',
    seed: 22,
    isSlow: true,
  },
  {
    name: 'what broken eyes saw is not taken back',
    file: 'src/monitoring/self-watch.ts',
    from: 'onSight(vantage, eye.blindSinceMs);',
    to: '',
    invariant: 'no false withdrawal',
    size: 'alone',
    seed: 17,
    isSlow: true,
  },
  {
    name: 'any number may leave at once',
    file: 'src/health/withdrawal.ts',
    from: 'if (!fits) {',
    to: 'if (!fits && nowMs < 0) {',
    invariant: 'withdrawal limit',
    size: 'alone',
    seed: 213,
    isSlow: true,
  },
  {
    name: 'nothing is answered when all is down',
    file: 'src/steering/ladder.ts',
    from: "if (rung === 'disabled' && state.hasSorry) break;",
    to: "if (rung === 'all-down') break;",
    invariant: 'never empty',
    size: 'alone',
    seed: 4,
    isSlow: true,
  },
  {
    name: 'health is not looked at',
    file: 'src/steering/ladder.ts',
    from: "if (isDown(word)) return 'down';\n  return",
    to: 'return',
    invariant: 'answers follow health',
    size: 'alone',
    seed: 2,
    isSlow: true,
  },
  {
    name: 'TTLs are as long as they may be',
    file: 'src/steering/decide.ts',
    from: '(least, word) => Math.min(least, wordTtlSeconds(word))',
    to: '(least, word) => (word < 0 ? wordTtlSeconds(word) : least)',
    invariant: 'no flip before the TTL',
    size: 'alone',
    seed: 4,
    isSlow: true,
  },
  {
    name: 'overrides never end',
    file: 'src/health/override.ts',
    from: 'return override.expiresAtMs === undefined || override.expiresAtMs > nowMs;',
    to: 'return override.setAtMs <= nowMs + 1e12;',
    invariant: 'words of people',
    size: 'alone',
    seed: 1,
    isSlow: true,
  },
  {
    name: 'the earlier word wins',
    file: 'src/cluster/replica.ts',
    from: "if (before && compareFacts(before, fact) >= 0) return 'known';",
    to: "if (before && compareFacts(before, fact) <= 0) return 'known';",
    invariant: 'words of people',
    size: 'cluster',
    seed: 3,
  },
  {
    name: 'nobody listens to others',
    file: 'src/cluster/exchange.ts',
    from: 'ledger.hearStatement(record, from, clock.nowMs());',
    to: '',
    invariant: 'nodes agree',
    size: 'cluster',
    seed: 6,
  },
  {
    name: 'clients of a whole continent share an answer',
    file: 'src/nameserver/answer-question.ts',
    from: 'FLAG_AA, place.scope, udpSizeMax',
    to: 'FLAG_AA, Math.min(8, place.scope), udpSizeMax',
    invariant: 'scope',
    size: 'alone',
    seed: 33,
  },
];

const HOUR_MS = 3_600_000;
/** The worlds that are named show it in the first; a change of the core that draws otherwise moves that. */
const TRIES = 4;

/** What the simulation finds with this breakage: the invariants that did not hold, in order. */
export async function tryBroken(breakage: Caught): Promise<readonly string[]> {
  const { invariant, seed, size } = breakage;
  const { simulate } = await loadBroken(breakage);
  const durationMaxMs = size === 'alone' ? 4 * HOUR_MS : HOUR_MS / 9;
  const found: string[] = [];
  while (!found.includes(invariant) && found.length < TRIES) {
    const { violation } = await simulate(seed + found.length, size, { durationMaxMs });
    found.push(violation?.invariant ?? 'nothing');
  }
  return found;
}
