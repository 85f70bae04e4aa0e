import type { AgentReport, Statement, VantageWord } from '../health/statement.ts';
import type { HealthEars } from '../monitoring/health-desk.ts';
import type { HeldJudgement } from '../monitoring/health-table.ts';
import type { Log } from '../telemetry/log.ts';
import { type Announcer, createAnnouncer, HEARTBEAT_MS } from './announcer.ts';
import { createFactTalk, digestRecord, type FactExchange, type FactTalk } from './fact-talk.ts';
import { createLedger, type Ledger } from './ledger.ts';
import { createPeers, type PeerStatus, type Peers } from './peers.ts';
import { createReplyBudget } from './reply-budget.ts';
import { createSeedResolver } from './seed-resolver.ts';
import type { SessionKey } from './session.ts';
import type { Transport } from './transport.ts';
import type { FactRecord, WireRecord } from './wire.ts';

/**
 * What a node says of health to the others, and hears from them: directly, and through whatever else
 * carries records (the store). Detection hangs on neither: what is not heard is silence, and
 * silence is an abstention.
 */
export type Exchange = {
  /** A vantage point of this node has seen something. */
  put(statement: Statement): void;
  withdraw(vantage: string, key: string): void;
  setVantage(word: VantageWord): void;
  /** Vantage points that this node has now; what others know of those that left lapses. */
  setVantages(names: readonly string[]): void;
  setSilent(vantage: string, silent: boolean): void;
  /** This node's balancers, as of now; told at once when readiness changed. */
  setReports(reports: readonly AgentReport[]): void;
  /** What others should believe of them from now on; here it changes nothing. */
  tellReports(reports: readonly AgentReport[]): void;
  /** Tells this node's ears again what others have said: they know of other targets now. */
  retell(): void;
  /** Records that came another way than directly. */
  hear(records: readonly WireRecord[], from: string): void;
  /** What this node's vantage points say, for those who cannot hear it directly. */
  statements(): readonly WireRecord[];
  /** Their signs of life, and what balancers report. */
  life(): readonly WireRecord[];
  /** Calls back when there is something new to say. */
  onNews(listener: (records: readonly WireRecord[]) => void): void;
  tellFacts(records: readonly FactRecord[]): void;
  /** Addresses (`host:port`) of other nodes; names are looked up now and then. */
  setSeeds(addresses: readonly string[]): void;
  /** Tells the others now what this node says of itself, which they hear now and then anyway. */
  introduce(): void;
  peers(): readonly PeerStatus[];
  close(): void;
};

export type ExchangeDeps = {
  readonly clock: { nowMs(): number; setTimer(ms: number, run: () => void): () => void };
  /** The machine's wall clock, for those who compare theirs. Default: it is not told. */
  readonly wallMs?: () => number;
  readonly name: string;
  /** Larger than that of any earlier life of this node. */
  readonly incarnation: number;
  /** undefined = nothing is said or heard directly. */
  readonly direct:
    | {
        readonly transport: Pick<Transport, 'send' | 'onDatagram' | 'resolve'>;
        readonly keys: readonly SessionKey[];
        readonly randomBytes?: (size: number) => Buffer;
      }
    | undefined;
  readonly log: Pick<Log, 'info' | 'warn'>;
  readonly ears: HealthEars;
  readonly heldJudgements: () => readonly HeldJudgement[];
  /** What this node says of itself, as JSON. */
  readonly describe: () => string;
  readonly onNode: (name: string, text: string) => void;
  /** A node's wall clock less this one's, the way there taken off. */
  readonly onClock?: (name: string, offsetMs: number) => void;
  readonly facts?: FactExchange;
};

/** News wait this long for each other, */
export const FLUSH_MS = 3;
/** and are told again after this, and after this again: a lost datagram costs no more. */
export const REPEAT_MS = 80;
/** Of so many signs of life one also tells what changes seldom. */
const SELDOM = 4;
/** Nodes that are told the digest of facts at a time: all of them would answer. */
export const DIGEST_PEERS = 3;
/** Held judgements that are told at once. */
const HELD_MAX = 200;

export function createExchange(deps: ExchangeDeps): Exchange {
  const { clock } = deps;
  const announcer = createAnnouncer(deps.incarnation);
  const { factTalk, hear, ledger, peers } = createOutside(deps, announcer);
  const reports = createReports(deps.incarnation);
  const seeds = createSeeds(deps, peers);
  let own = new Set<string>();
  let tellNews: (records: readonly WireRecord[]) => void = () => {};
  const say = (records: readonly WireRecord[]): void => {
    if (records.length === 0) return;
    peers?.broadcast(records);
    tellNews(records);
  };
  const repeatSoon = createDelay(clock, REPEAT_MS, () => {
    peers?.broadcast(announcer.repeatNews(clock.nowMs()));
    if (announcer.hasRepeats()) repeatSoon.begin();
  });
  const flushSoon = createDelay(clock, FLUSH_MS, () => {
    say(announcer.takeNews(clock.nowMs()));
    repeatSoon.begin();
  });
  const seldom = createSeldom(deps);
  const introduce = createIntroduction(deps, peers);
  let beatMs = clock.nowMs();
  let awakeMs = beatMs;
  const cancelBeat = repeat(clock, HEARTBEAT_MS, () => {
    const nowMs = clock.nowMs();
    ledger.sweep(nowMs);
    // What could not look because it stood still is given the time anew.
    if (nowMs - beatMs > 2 * HEARTBEAT_MS) awakeMs = nowMs;
    beatMs = nowMs;
    if (announcer.lapse(nowMs, awakeMs)) flushSoon.begin();
    if (peers === undefined) return;
    peers.tick();
    const life = [...announcer.signs(), ...reports.records()];
    peers.broadcast([...life, ...announcer.refresh(nowMs), ...seldom(peers, nowMs)]);
  });
  return {
    put(statement) {
      if (announcer.put(statement, clock.nowMs())) flushSoon.begin();
    },
    withdraw(vantage, key) {
      announcer.withdraw(vantage, key, clock.nowMs());
      flushSoon.begin();
    },
    setVantage(word) {
      announcer.setVantage(word);
      say(announcer.signs());
    },
    setVantages(names) {
      for (const name of own) if (!names.includes(name)) announcer.dropVantage(name);
      own = new Set(names);
      ledger.setOwn(own);
    },
    setSilent: announcer.setSilent,
    setReports(next) {
      for (const report of next) deps.ears.report(report);
      say(reports.set(next));
    },
    tellReports: (next) => say(reports.set(next)),
    retell: ledger.retell,
    hear,
    statements() {
      const nowMs = clock.nowMs();
      return announcer.vantages().flatMap((name) => announcer.all(name, nowMs));
    },
    life: () => [...announcer.signs(), ...reports.records()],
    onNews(listener) {
      tellNews = listener;
    },
    tellFacts: factTalk.tell,
    setSeeds: seeds.set,
    introduce: introduce.now,
    peers: () => peers?.status() ?? [],
    close() {
      cancelBeat();
      flushSoon.cancel();
      repeatSoon.cancel();
      introduce.cancel();
      factTalk.close();
      seeds.close();
    },
  };
}

/** Calls `act` now and then every so often; returns the function that stops it. */
function repeat(clock: ExchangeDeps['clock'], everyMs: number, act: () => void): () => void {
  let cancel = (): void => {};
  const again = (): void => {
    cancel = clock.setTimer(everyMs, again);
    act();
  };
  cancel = clock.setTimer(0, again);
  return () => cancel();
}

/** Acts some time after the first `begin`, once for all that come until then. */
function createDelay(clock: ExchangeDeps['clock'], delayMs: number, act: () => void) {
  let cancel: (() => void) | undefined;
  return {
    begin(): void {
      cancel ??= clock.setTimer(delayMs, () => {
        cancel = undefined;
        act();
      });
    },
    cancel: () => cancel?.(),
  };
}

/** Where other nodes are looked for; a transport that knows names needs no addresses. */
function createSeeds({ clock, direct, log }: ExchangeDeps, peers: Peers | undefined) {
  const resolve = direct?.transport.resolve;
  if (peers === undefined || resolve === undefined) {
    return { set: (seeds: readonly string[]) => peers?.setSeeds(seeds), close() {} };
  }
  const resolver = createSeedResolver({ clock, resolve, onAddresses: peers.setSeeds, log });
  return { set: resolver.setSeeds, close: resolver.close };
}

/** Once more after a while: a datagram may be lost. */
function createIntroduction({ clock, describe }: ExchangeDeps, peers: Peers | undefined) {
  const tell = (): void => peers?.broadcast([{ kind: 'node', text: describe() }]);
  const again = createDelay(clock, REPEAT_MS, tell);
  return {
    now(): void {
      tell();
      again.begin();
    },
    cancel: again.cancel,
  };
}

/** What changes seldom is told at one of so many beats; digests of facts go to a few nodes in turn. */
function createSeldom({ describe, facts, heldJudgements }: ExchangeDeps) {
  let beats = 0;
  let turn = 0;
  let heldFrom = 0;
  return (peers: Peers, nowMs: number): readonly WireRecord[] => {
    beats += 1;
    if (beats % SELDOM !== 1) return [];
    const names = facts === undefined ? [] : peers.connected();
    for (let count = 0; count < Math.min(DIGEST_PEERS, names.length); count += 1) {
      peers.send(names[turn % names.length]!, [digestRecord(facts!)]);
      turn += 1;
    }
    const all = heldJudgements();
    heldFrom = heldFrom + HELD_MAX < all.length ? heldFrom + HELD_MAX : 0;
    const held = all
      .slice(heldFrom, heldFrom + HELD_MAX)
      .map(({ decidedAtMs, health, id }): WireRecord => {
        return { kind: 'held', id, health, ageMs: Math.max(0, nowMs - decidedAtMs) };
      });
    return [{ kind: 'node', text: describe() }, ...held];
  };
}

/** This node's balancers; it is news when one is ready or no more. */
function createReports(incarnation: number) {
  let current: readonly AgentReport[] = [];
  let beat = 0;
  const readiness = (reports: readonly AgentReport[]): string =>
    JSON.stringify(
      reports.map(({ address, port, ready, reason }) => [address, port, ready, reason]),
    );
  const records = (): readonly WireRecord[] => {
    beat += 1;
    return current.map(({ heardAtMs: _heardAtMs, ...report }) => ({
      kind: 'report',
      ...report,
      incarnation,
      beat,
    }));
  };
  return {
    records,
    /** What is news of it. */
    set(next: readonly AgentReport[]): readonly WireRecord[] {
      const isNews = readiness(current) !== readiness(next);
      current = next;
      return isNews ? records() : [];
    },
  };
}

/** What comes from other nodes, and whom it is for. */
function createOutside(deps: ExchangeDeps, announcer: Announcer) {
  const { clock, direct, facts } = deps;
  const ledger = openLedger(deps);
  const budget = createReplyBudget();
  const factTalk = createFactTalk(clock, facts, () => peers);
  const handlers = createHandlers(deps, announcer, ledger, factTalk);
  const hear = (records: readonly WireRecord[], from: string): void => {
    const replies: WireRecord[] = [];
    for (const record of records) {
      const nowMs = clock.nowMs();
      if (ASKING.has(record.kind) && !budget.isLeft(from, nowMs)) continue;
      const handle = handlers[record.kind] as (record: WireRecord, from: string) => Reply;
      const reply = handle(record, from) ?? [];
      if (ASKING.has(record.kind)) budget.spend(from, reply.length);
      replies.push(...reply);
    }
    if (replies.length > 0) peers?.send(from, replies);
  };
  const peers =
    direct === undefined
      ? undefined
      : createPeers({
          ...deps,
          ...direct,
          nowMs: clock.nowMs,
          onRecords: hear,
          onConnected(name) {
            const isOneOfFew = (peers?.connected().length ?? 0) <= DIGEST_PEERS;
            const digest = facts !== undefined && isOneOfFew ? [digestRecord(facts)] : [];
            peers?.send(name, [...announcer.signs(), ...digest]);
          },
        });
  return { factTalk, hear, ledger, peers };
}

/** Kinds of records that are answered with much more than they are. */
const ASKING: ReadonlySet<WireRecord['kind']> = new Set(['need', 'digest', 'outlive']);

function openLedger({ ears, log }: ExchangeDeps): Ledger {
  const conflicts = new Set<string>();
  const reportConflict = (vantage: string, nodes: string): void => {
    if (conflicts.has(vantage)) return;
    conflicts.add(vantage);
    const text = `${nodes} a vantage point "${vantage}": names must be unique.`;
    log.warn('vantage.conflict', text);
  };
  return createLedger({
    onStatement: ears.observe,
    onWithdrawn: ears.withdraw,
    onVantage: ears.hear,
    onReport: ears.report,
    onOwnHeard: (vantage, node) => reportConflict(vantage, `Node ${node} also has`),
    onConflict: (vantage, [a, b]) => reportConflict(vantage, `Nodes ${a} and ${b} both have`),
  });
}

/** What a record is answered with. */
type Reply = readonly WireRecord[] | undefined;
type Handlers = {
  readonly [Kind in WireRecord['kind']]: (
    record: Extract<WireRecord, { kind: Kind }>,
    from: string,
  ) => Reply;
};

function createHandlers(
  deps: ExchangeDeps,
  announcer: Announcer,
  ledger: Ledger,
  factTalk: FactTalk,
): Handlers {
  const { clock, ears, facts } = deps;
  return {
    vantage(record, from) {
      const answer = ledger.hearVantage(record, from, clock.nowMs());
      return answer === undefined ? [] : [answer];
    },
    statement(record, from) {
      ledger.hearStatement(record, from, clock.nowMs());
      return [];
    },
    bucket(record, from) {
      ledger.hearBucket(record, from, clock.nowMs());
      return [];
    },
    need: (need) => announcer.answer(need, clock.nowMs()),
    report(record, from) {
      ledger.hearReport(record, from, clock.nowMs());
      return [];
    },
    held({ ageMs, health, id }) {
      ears.hearJudgement({ id, health, decidedAtMs: clock.nowMs() - ageMs });
      return [];
    },
    node({ text }, from) {
      deps.onNode(from, text);
      return [];
    },
    fact(record, from) {
      factTalk.take(record, from);
      return [];
    },
    digest: ({ text }, from) => facts?.missing(text, from),
    outlive({ incarnation, vantage }) {
      announcer.outlive(vantage, incarnation);
      return announcer.signs();
    },
    // Their business is the session's (peers.ts).
    ping: () => [],
    pong: () => [],
  };
}
