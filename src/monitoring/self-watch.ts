import { type Sight, selfTrust } from '../health/self-trust.ts';
import type { Statement, VantageWord } from '../health/statement.ts';
import { canaryOf } from './jobs.ts';
import type { InFlight, MonitoringClock } from './monitoring.ts';

/**
 * This node's vantage points watching themselves: what each sees of canaries and of other regions,
 * judged by health/self-trust.ts. Calls back for each of them, and when one begins or ends to
 * distrust itself.
 *
 *   trusted ──most things fail──> blind ──they answer──> settling ──SETTLE_MS──> trusted
 *                                  │ ^                       │                      ^
 *                                  │ └────they fail again────┘                      │
 *                                  └────────somebody else sees them fail too────────┘
 *
 * What was seen to fail with broken eyes counts for nothing. That is said (`onSight`) when things
 * answer again, and the vantage point abstains a little longer, so that nobody hears first that it
 * is to be believed and then what it does not say any more.
 */
export type SelfWatch = {
  setVantages(vantages: readonly Omit<VantageWord, 'trusted' | 'reason'>[]): void;
  /** A statement of a vantage point of this node. */
  observe(statement: Statement): void;
  /** The vantage point looks at this canary no more: what it saw last counts no longer. */
  forget(vantage: string, key: string): void;
  words(): readonly VantageWord[];
  /** Those that abstain, and from when on their eyes may have been broken. */
  blind(): ReadonlyMap<string, number>;
  close(): void;
};

export type SelfWatchDeps = {
  readonly clock: MonitoringClock;
  /** What the vantage point sees of other regions. */
  readonly regionSights: (vantage: string) => readonly Sight[];
  /** Canaries that it has asked and that have not answered yet. */
  readonly canariesAsked: (vantage: string) => readonly InFlight[];
  /** Something begins to fail for it: what its canaries say is to be known soon. */
  readonly onSuspicion: (vantage: string) => void;
  /** It sees again: the failures that it has seen since then are to be forgotten. */
  readonly onSight: (vantage: string, blindSinceMs: number) => void;
  /** `isNews` when trust has changed. */
  readonly onWord: (word: VantageWord, isNews: boolean) => void;
};

/** A failure is looked into after this: sooner than any target can fail several times. */
export const LOOK_DELAY_MS = 100;
/**
 * While other things fail, a canary that has not answered in this many times the longest that it took of
 * late, and a little more, fails too: its timeout may be longer than what takes a target down.
 */
export const LATE_FACTOR = 1.5;
export const LATE_MIN_MS = 50;
/** A vantage point that sees again abstains for so long: what it takes back has come to all nodes. */
export const SETTLE_MS = 1000;

type Eye = {
  word: VantageWord;
  readonly canaries: Map<string, Sight>;
  /** Keys of what fails. */
  readonly failing: Set<string>;
  /** What it has seen fail since it distrusts itself. */
  readonly suspects: Set<string>;
  /** The longest lease of what it says: its eyes may have been broken for so long before it knew. */
  leaseMs: number;
  /** 0 = it sees. */
  blindSinceMs: number;
  /** When it saw again; undefined = it does not yet. */
  settlingSinceMs: number | undefined;
  /** When it is looked into; NEVER = nothing is to be looked into. */
  lookAtMs: number;
  cancelLook: () => void;
};
const NEVER = Number.POSITIVE_INFINITY;

export function createSelfWatch(deps: SelfWatchDeps): SelfWatch {
  const { clock, onSuspicion, onWord } = deps;
  const eyes = new Map<string, Eye>();
  const look = createLook(deps);

  const lookSoon = (eye: Eye, afterMs: number): void => {
    const atMs = clock.nowMs() + afterMs;
    if (atMs >= eye.lookAtMs) return;
    eye.cancelLook();
    eye.lookAtMs = atMs;
    eye.cancelLook = clock.setTimer(afterMs, () => {
      eye.lookAtMs = NEVER;
      const againMs = look(eye);
      if (againMs !== undefined) lookSoon(eye, againMs);
    });
  };
  return {
    setVantages(vantages) {
      const staying = new Set(vantages.map(({ vantage }) => vantage));
      for (const [name, eye] of eyes) {
        if (staying.has(name)) continue;
        eye.cancelLook();
        eyes.delete(name);
      }
      for (const vantage of vantages) {
        const eye = eyes.get(vantage.vantage) ?? openEye(vantage);
        const { reason, trusted } = eye.word;
        eye.word = { ...vantage, trusted, reason };
        eyes.set(vantage.vantage, eye);
        onWord(eye.word, false);
      }
    },
    observe(statement) {
      const { vantage } = statement;
      const eye = eyes.get(vantage);
      if (eye === undefined) return;
      const isFailing = statement.failing || statement.verdict === 'down';
      const isNew = note(eye, statement, isFailing);
      // All is well, and was: nothing to look into.
      if (!isFailing && eye.word.trusted) return;
      if (isNew && eye.word.trusted && eye.lookAtMs === NEVER) onSuspicion(vantage);
      lookSoon(eye, LOOK_DELAY_MS);
    },
    forget(vantage, key) {
      eyes.get(vantage)?.canaries.delete(key);
      eyes.get(vantage)?.failing.delete(key);
    },
    words: () => [...eyes.values()].map(({ word }) => word),
    blind() {
      const blind = [...eyes.values()].filter(({ word }) => !word.trusted);
      return new Map(blind.map(({ blindSinceMs, word }) => [word.vantage, blindSinceMs]));
    },
    close() {
      for (const eye of eyes.values()) eye.cancelLook();
      eyes.clear();
    },
  };
}

function openEye(vantage: Omit<VantageWord, 'trusted' | 'reason'>): Eye {
  return {
    word: { ...vantage, trusted: true, reason: '' },
    canaries: new Map(),
    failing: new Set(),
    suspects: new Set(),
    leaseMs: 0,
    blindSinceMs: 0,
    settlingSinceMs: undefined,
    lookAtMs: NEVER,
    cancelLook: () => {},
  };
}

/** Remembers what was seen; returns whether it begins to fail. */
function note(eye: Eye, { key, leaseMs }: Statement, failing: boolean): boolean {
  eye.leaseMs = Math.max(eye.leaseMs, leaseMs);
  const canary = canaryOf(key);
  if (canary !== undefined) {
    const thing = `canary ${canary}`;
    eye.canaries.set(key, { thing, isCanary: true, failing, confirmed: false });
  }
  const isNew = failing && !eye.failing.has(key);
  if (failing) eye.failing.add(key);
  else eye.failing.delete(key);
  return isNew;
}

/**
 * All that it saw fail fails for somebody else too: its eyes were not broken, and nothing is to be taken
 * back. What came back by itself, a canary above all, had not failed.
 */
function wasRight({ suspects }: Eye, sights: readonly Sight[]): boolean {
  const explained = new Set(
    sights.flatMap(({ confirmed, failing, thing }) => (failing && confirmed ? [thing] : [])),
  );
  return [...suspects].every((thing) => explained.has(thing));
}

const isLate = ({ sinceMs, usualMs }: InFlight, nowMs: number): boolean =>
  usualMs !== undefined && nowMs - sinceMs > usualMs * LATE_FACTOR + LATE_MIN_MS;

/** Judges an eye by what it sees now; returns after how many milliseconds to look again, if at all. */
function createLook({ canariesAsked, clock, onSight, onWord, regionSights }: SelfWatchDeps) {
  const say = (eye: Eye, trusted: boolean, reason: string): void => {
    eye.word = { ...eye.word, trusted, reason };
    onWord(eye.word, true);
  };
  return (eye: Eye): number | undefined => {
    const nowMs = clock.nowMs();
    const { vantage } = eye.word;
    const asked = canariesAsked(vantage);
    const late = new Set(asked.flatMap((each) => (isLate(each, nowMs) ? [each.key] : [])));
    const canaries = [...eye.canaries].map(([key, sight]) =>
      late.has(key) ? { ...sight, failing: true } : sight,
    );
    const sights = [...canaries, ...regionSights(vantage)];
    const seen = selfTrust(sights);
    if (!seen.trusted) {
      if (eye.word.trusted) eye.suspects.clear();
      for (const { failing, thing } of sights) if (failing) eye.suspects.add(thing);
      eye.settlingSinceMs = undefined;
      if (!eye.word.trusted) return undefined;
      eye.blindSinceMs = nowMs - eye.leaseMs;
      say(eye, false, seen.reason);
      return undefined;
    }
    if (eye.word.trusted) {
      const isOpen = eye.failing.size > 0 && asked.length > 0;
      return isOpen ? LOOK_DELAY_MS : undefined;
    }
    if (wasRight(eye, sights)) {
      eye.settlingSinceMs = undefined;
      say(eye, true, '');
      return undefined;
    }
    if (eye.settlingSinceMs === undefined) {
      eye.settlingSinceMs = nowMs;
      onSight(vantage, eye.blindSinceMs);
    }
    const leftMs = eye.settlingSinceMs + SETTLE_MS - nowMs;
    if (leftMs > 0) return leftMs;
    eye.settlingSinceMs = undefined;
    say(eye, true, '');
    return undefined;
  };
}
