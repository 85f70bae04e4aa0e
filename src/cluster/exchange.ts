import type { AgentReport, Statement, VantageWord } from '../health/statement.ts';
import type { HealthEars } from '../monitoring/health-desk.ts';
import type { HeldJudgement } from '../monitoring/health-table.ts';
import type { Log } from '../telemetry/log.ts';
import { type Announcer, createAnnouncer, HEARTBEAT_MS } from './announcer.ts';
import { createLedger, type Ledger } from './ledger.ts';
import { createPeers, type PeerStatus } from './peers.ts';
import type { SessionKey } from './session.ts';
import type { Transport } from './transport.ts';
import type { DigestRecord, FactRecord, WireRecord } from './wire.ts';

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
  /** Records that came another way than directly. */
  hear(records: readonly WireRecord[], from: string): void;
  /** All that this node would say, for those who cannot hear it directly. */
  everything(): readonly WireRecord[];
  /** Calls back when there is something new to say. */
  onNews(listener: (records: readonly WireRecord[]) => void): void;
  tellFacts(records: readonly FactRecord[]): void;
  setSeeds(addresses: readonly string[]): void;
  peers(): readonly PeerStatus[];
  close(): void;
};

export type ExchangeDeps = {
  readonly clock: { nowMs(): number; setTimer(ms: number, run: () => void): () => void };
  readonly name: string;
  /** Larger than that of any earlier life of this node. */
  readonly incarnation: number;
  /** undefined = nothing is said or heard directly. */
  readonly direct:
    | {
        readonly transport: Pick<Transport, 'send' | 'onDatagram'>;
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
  readonly facts?: FactExchange;
};

/** Durable facts (replica.ts), as far as they travel between nodes directly. */
export type FactExchange = {
  digest(): string;
  /** What the other lacks, judging by its digest. */
  missing(digest: string, from: string): readonly FactRecord[];
  hear(record: FactRecord): void;
};

/** News wait this long for each other. */
export const FLUSH_MS = 3;
/** Of so many signs of life one also tells what changes seldom. */
const SELDOM = 4;
/** Held judgements that are told at once. */
const HELD_MAX = 200;

export function createExchange(deps: ExchangeDeps): Exchange {
  const { clock } = deps;
  const announcer = createAnnouncer(deps.incarnation);
  const { hear, ledger, peers } = createOutside(deps, announcer);
  const reports = createReports();
  let own = new Set<string>();
  let tellNews: (records: readonly WireRecord[]) => void = () => {};
  const say = (records: readonly WireRecord[]): void => {
    if (records.length === 0) return;
    peers?.broadcast(records);
    tellNews(records);
  };
  let cancelFlush: (() => void) | undefined;
  const flushSoon = (): void => {
    cancelFlush ??= clock.setTimer(FLUSH_MS, () => {
      cancelFlush = undefined;
      say(announcer.takeNews(clock.nowMs()));
    });
  };
  const beat = createBeat(deps, () => {
    const nowMs = clock.nowMs();
    const life = [...announcer.heartbeat(nowMs), ...reports.records()];
    ledger.sweep(nowMs);
    peers?.tick(nowMs);
    flushSoon();
    return life;
  });
  const cancelBeat = repeat(clock, HEARTBEAT_MS, () => peers?.broadcast(beat()));
  return {
    put(statement) {
      if (announcer.put(statement, clock.nowMs())) flushSoon();
    },
    withdraw(vantage, key) {
      announcer.withdraw(vantage, key, clock.nowMs());
      flushSoon();
    },
    setVantage(word) {
      announcer.setVantage(word);
      say(announcer.heartbeat(clock.nowMs()));
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
    hear,
    everything() {
      const nowMs = clock.nowMs();
      const statements = announcer.vantages().flatMap((name) => announcer.all(name, nowMs));
      return [...statements, ...announcer.heartbeat(nowMs), ...reports.records()];
    },
    onNews(listener) {
      tellNews = listener;
    },
    tellFacts: (records) => peers?.broadcast(records),
    setSeeds: (addresses) => peers?.setSeeds(addresses),
    peers: () => peers?.status(clock.nowMs()) ?? [],
    close() {
      cancelBeat();
      cancelFlush?.();
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

/** Signs of life, and of every SELDOM-th also what changes seldom. */
function createBeat(
  { clock, describe, facts, heldJudgements }: ExchangeDeps,
  life: () => readonly WireRecord[],
): () => readonly WireRecord[] {
  let beats = 0;
  return () => {
    const records = life();
    beats += 1;
    if (beats % SELDOM !== 1) return records;
    const nowMs = clock.nowMs();
    const held = heldJudgements().slice(0, HELD_MAX);
    return [
      ...records,
      { kind: 'node', text: describe() },
      ...held.map(
        ({ decidedAtMs, health, id }): WireRecord => ({
          kind: 'held',
          id,
          health,
          ageMs: Math.max(0, nowMs - decidedAtMs),
        }),
      ),
      ...(facts === undefined ? [] : [digestRecord(facts)]),
    ];
  };
}

/** This node's balancers; it is news when one is ready or no more. */
function createReports() {
  let current: readonly AgentReport[] = [];
  const readiness = (reports: readonly AgentReport[]): string =>
    JSON.stringify(
      reports.map(({ address, port, ready, reason }) => [address, port, ready, reason]),
    );
  return {
    records: (): readonly WireRecord[] => current.map(reportRecord),
    /** What is news of it. */
    set(next: readonly AgentReport[]): readonly WireRecord[] {
      const isNews = readiness(current) !== readiness(next);
      current = next;
      return isNews ? current.map(reportRecord) : [];
    },
  };
}

/** What comes from other nodes, and whom it is for. */
function createOutside(deps: ExchangeDeps, announcer: Announcer) {
  const { clock, direct, facts } = deps;
  const ledger = openLedger(deps);
  const reply = (from: string, records: readonly WireRecord[]): void => {
    if (records.length > 0) peers?.send(from, records);
  };
  const handlers = createHandlers(deps, announcer, ledger);
  const hear = (records: readonly WireRecord[], from: string): void => {
    for (const record of records) {
      const handle = handlers[record.kind] as (record: WireRecord, from: string) => Reply;
      reply(from, handle(record, from) ?? []);
    }
  };
  const peers =
    direct === undefined
      ? undefined
      : createPeers({
          ...direct,
          nowMs: clock.nowMs,
          name: deps.name,
          log: deps.log,
          onRecord: (record, from) => hear([record], from),
          onConnected(name) {
            const life = announcer.heartbeat(clock.nowMs());
            reply(name, facts === undefined ? life : [...life, digestRecord(facts)]);
          },
        });
  return { hear, ledger, peers };
}

function openLedger({ ears, log }: ExchangeDeps): Ledger {
  const conflicts = new Set<string>();
  return createLedger({
    onStatement: ears.observe,
    onWithdrawn: ears.withdraw,
    onVantage: ears.hear,
    onOwnHeard(vantage, node) {
      if (conflicts.has(vantage)) return;
      conflicts.add(vantage);
      const text = `Node ${node} also has a vantage point "${vantage}": names must be unique.`;
      log.warn('vantage.conflict', text);
    },
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

function createHandlers(deps: ExchangeDeps, announcer: Announcer, ledger: Ledger): Handlers {
  const { clock, ears, facts } = deps;
  return {
    vantage(record, from) {
      const need = ledger.hearVantage(record, from, clock.nowMs());
      return need === undefined ? [] : [need];
    },
    statement(record) {
      ledger.hearStatement(record, clock.nowMs());
      return [];
    },
    through(record) {
      ledger.hearThrough(record);
      return [];
    },
    need: ({ since, vantage }) => announcer.answer(vantage, since, clock.nowMs()),
    report({ kind: _kind, ...report }) {
      // Nobody speaks for the balancers of this node but itself.
      if (report.node !== deps.name) ears.report({ ...report, heardAtMs: clock.nowMs() });
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
    fact(record) {
      facts?.hear(record);
      return [];
    },
    digest: ({ text }, from) => facts?.missing(text, from),
    outlive({ incarnation, vantage }) {
      announcer.outlive(vantage, incarnation);
      return announcer.heartbeat(clock.nowMs());
    },
  };
}

const digestRecord = (facts: FactExchange): DigestRecord => ({
  kind: 'digest',
  text: facts.digest(),
});

function reportRecord({ heardAtMs: _heardAtMs, ...report }: AgentReport): WireRecord {
  return { kind: 'report', ...report };
}
