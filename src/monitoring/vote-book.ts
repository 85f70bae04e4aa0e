import { participates, STALE_HOLD_MS, type Vote } from '../health/quorum.ts';
import type { AgentReport, Statement, VantageWord } from '../health/statement.ts';
import { formatSocketAddress } from '../ip/socket-address.ts';

/**
 * What everybody says now: statements by target and vantage point, the vantage points' own signs of
 * life and trust, and the reports of balancers. It only remembers; judging is health/quorum.ts.
 */
export type VoteBook = {
  /** Takes a statement; returns whether a judgement could come out differently now. */
  put(statement: Statement, nowMs: number): boolean;
  withdraw(vantage: string, key: string): boolean;
  /** A sign of life; returns the keys whose votes count differently now because of trust or group. */
  hear(word: VantageWord): readonly string[];
  /** Returns whether the agent's word on the socket is another one now. */
  report(report: AgentReport, nowMs: number): boolean;
  votes(key: string): readonly Vote[];
  statements(key: string): readonly Statement[];
  word(vantage: string): VantageWord | undefined;
  reports(): readonly AgentReport[];
  /** Why the balancers of this region say that none of them serves these sockets; undefined = they do, or nobody said. */
  agentDown(region: string, sockets: readonly string[], nowMs: number): string | undefined;
  keepOnly(keys: ReadonlySet<string>): void;
  /** Keys of which a vantage point fell silent or is back, regions an agent of which did, since the last sweep. */
  sweep(nowMs: number): { readonly keys: readonly string[]; readonly regions: readonly string[] };
};

type Held = {
  readonly statement: Statement;
  /** As of the last sweep. */
  counted: boolean;
  /** What the statement is worth, with the word of its vantage point that this was made with. */
  vote: Vote | undefined;
  word: VantageWord | undefined;
};

export function createVoteBook(): VoteBook {
  const byKey = new Map<string, Map<string, Held>>();
  const words = new Map<string, VantageWord>();
  const reports = new Map<string, AgentReport>();
  let sweptAtMs = 0;
  /** No vote lapses or counts again before this: a sweep until then need not look at any. */
  let quietUntilMs = Number.NEGATIVE_INFINITY;

  const voteOf = (held: Held): Vote => voteIn(held, words);
  const keysOf = (vantage: string): string[] =>
    [...byKey].flatMap(([key, byVantage]) => (byVantage.has(vantage) ? [key] : []));
  const sweepVotes = (nowMs: number): readonly string[] => {
    const keys: string[] = [];
    quietUntilMs = Number.POSITIVE_INFINITY;
    for (const [key, byVantage] of byKey) {
      for (const [vantage, held] of byVantage) {
        const vote = voteOf(held);
        const counts = participates(vote, nowMs);
        if (counts !== held.counted) keys.push(key);
        held.counted = counts;
        // One that does not count may do so again with the next sign of life.
        quietUntilMs = Math.min(quietUntilMs, counts ? vote.atMs + vote.leaseMs : nowMs);
        // Nobody of that name has spoken for so long that it may not exist any more.
        if (nowMs - vote.atMs > Math.max(STALE_HOLD_MS, vote.leaseMs)) byVantage.delete(vantage);
      }
    }
    return keys;
  };
  return {
    put(statement, nowMs) {
      const byVantage = byKey.get(statement.key) ?? new Map<string, Held>();
      byKey.set(statement.key, byVantage);
      const before = byVantage.get(statement.vantage);
      const held = { statement, counted: true, vote: undefined, word: undefined };
      byVantage.set(statement.vantage, held);
      quietUntilMs = Math.min(quietUntilMs, lapseOf(statement, words.get(statement.vantage)));
      if (before === undefined || !before.counted) return true;
      return saysOtherwise(before.statement, statement) || !participates(voteOf(before), nowMs);
    },
    withdraw: (vantage, key) => byKey.get(key)?.delete(vantage) ?? false,
    hear(word) {
      const before = words.get(word.vantage);
      words.set(word.vantage, word);
      const isNews = before?.trusted !== word.trusted || before.group !== word.group;
      if (isNews || word.heardAtMs < before.heardAtMs) quietUntilMs = Number.NEGATIVE_INFINITY;
      return isNews ? keysOf(word.vantage) : [];
    },
    report(report, nowMs) {
      const id = reportId(report);
      const before = reports.get(id);
      reports.set(id, report);
      const isNews = before?.ready !== report.ready || nowMs - before.heardAtMs > before.leaseMs;
      return isNews || (!report.ready && before.reason !== report.reason);
    },
    votes: (key) => [...(byKey.get(key)?.values() ?? [])].map(voteOf),
    statements: (key) => [...(byKey.get(key)?.values() ?? [])].map(({ statement }) => statement),
    word: (vantage) => words.get(vantage),
    reports: () => [...reports.values()],
    agentDown(region, sockets, nowMs) {
      const heard = [...reports.values()].filter(
        (each) =>
          each.region === region && sockets.includes(socketOf(each)) && isFresh(each, nowMs),
      );
      if (heard.length === 0 || heard.some(({ ready }) => ready)) return undefined;
      return heard[0]!.reason;
    },
    keepOnly(keys) {
      for (const key of byKey.keys()) if (!keys.has(key)) byKey.delete(key);
    },
    sweep(nowMs) {
      const keys = nowMs > quietUntilMs ? sweepVotes(nowMs) : [];
      const regions: string[] = [];
      for (const [id, report] of reports) {
        if (isFresh(report, nowMs)) continue;
        if (isFresh(report, sweptAtMs)) regions.push(report.region);
        if (nowMs - report.heardAtMs > STALE_HOLD_MS) reports.delete(id);
      }
      sweptAtMs = nowMs;
      return { keys, regions };
    },
  };
}

/** Until when the statement counts as things are. */
function lapseOf({ heardAtMs, leaseMs }: Statement, word: VantageWord | undefined): number {
  if (word?.trusted === false) return Number.NEGATIVE_INFINITY;
  return Math.max(heardAtMs, word?.heardAtMs ?? 0) + leaseMs;
}

/** Kept, as it is judged again and again between two words: a hundred vantage points are a hundred votes each time. */
function voteIn(held: Held, words: ReadonlyMap<string, VantageWord>): Vote {
  const { statement } = held;
  const word = words.get(statement.vantage);
  if (held.vote !== undefined && held.word === word) return held.vote;
  const { failing, leaseMs, reason, secondsToChange, slow, vantage, verdict } = statement;
  held.word = word;
  held.vote = {
    vantage,
    group: word?.group ?? vantage,
    verdict,
    slow,
    failing,
    reason,
    leaseMs,
    secondsToChange,
    atMs: Math.max(statement.heardAtMs, word?.heardAtMs ?? 0),
    trusted: word?.trusted ?? true,
  };
  return held.vote;
}

export const socketOf = ({ address, port }: AgentReport): string =>
  formatSocketAddress({ address, port });

const reportId = (report: AgentReport): string => `${report.node} ${socketOf(report)}`;
const isFresh = ({ heardAtMs, leaseMs }: AgentReport, nowMs: number): boolean =>
  nowMs - heardAtMs <= leaseMs;

function saysOtherwise(before: Statement, after: Statement): boolean {
  return (
    before.verdict !== after.verdict ||
    before.slow !== after.slow ||
    before.failing !== after.failing ||
    before.secondsToChange !== after.secondsToChange ||
    before.leaseMs !== after.leaseMs
  );
}
