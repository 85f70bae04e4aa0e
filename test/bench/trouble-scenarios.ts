/** What happens to proxies in the trouble bench. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Scratch } from './scratch.ts';
import {
  type ClientFigures,
  clientFigures,
  leftOutAfter,
  type Stretch,
  serverRequests,
  settledAfter,
  shareOf,
} from './trouble-figures.ts';
import type { HolderReport } from './trouble-holders.ts';
import type { TroubledProxy, TroubledProxyKind } from './trouble-proxies.ts';
import { type Servers, startClients, startHolders, startServers } from './trouble-run.ts';
import type { Behaviour } from './trouble-servers.ts';

export type Trouble = {
  readonly scenario: string;
  readonly proxy: string;
  readonly during: ClientFigures;
  readonly p99Before: number;
  /** Part of the requests that went to servers in trouble; undefined where that says nothing. */
  readonly badShare: number | undefined;
  /** Seconds until they were left out; undefined where that says nothing. */
  readonly leftOut: number | 'never' | undefined;
  /** Requests that servers got for each of a client. */
  readonly amplification: number;
  /** Resident, before the trouble and in its end. */
  readonly bytes: readonly [number, number];
  readonly repeated: number;
  /** For so long the clients themselves did nothing once. */
  readonly longestPauseMs: number;
  /** Seconds until p99 was settled after a return. */
  readonly settled?: number | 'never';
  /** By what they do. */
  readonly held: Readonly<Record<string, HolderReport>>;
  readonly remarks: readonly string[];
};

export type Scenario = {
  readonly name: string;
  readonly summary: string;
  run(proxy: TroubledProxyKind, place: ScenarioPlace): Promise<Trouble>;
};

export type ScenarioPlace = {
  readonly scratch: Scratch;
  readonly core: number;
  readonly clientCore: number;
  /** Of the trouble. */
  readonly seconds: number;
  /** Requests a second. */
  readonly rate: number;
};

const SERVERS = 4;
const POOL = 500;
const SLOW_MS = 500;
const FLAP_MS = 2000;
/** All is well for so long at first: probes find servers up, hot code is compiled. */
const WELL_SECONDS_MAX = 4;
/** Of these, what p99 before the trouble is taken from. */
const BEFORE_SECONDS = 2;
/** For all connections of holders to be opened. */
const OPENING_SECONDS_MAX = 5;
const ANSWER_SECONDS = 2;
/** Uploads and slow readers take their time. */
const PATIENT_ANSWER_SECONDS = 60;
const DOWN_SECONDS = 30;
const DOWN_FACTOR = 3;
/** One request after the other, 4 ms each: four servers take a thousand a second, and get fewer. */
const SERVICE = { kind: 'well', serviceMs: 4 } as const;
const SERVICE_RATE = 400;
const COLD_FACTOR = 5;
const HEADS = 2000;
const READERS = 500;
const WEBSOCKETS = 1000;
const UPLOADS = 20;
const RELOADS = 3;

const one = [0] as const;
const half = [0, 1] as const;

export const HALF_FAILS = 'half-fails';
export const RECOVERY = 'recovery';
export const RELOAD = 'reload';
export const SLOWLORIS = 'slowloris';
export const SLOW_READERS = 'slow-readers';

export const SCENARIOS: readonly Scenario[] = [
  ill('slow', `one of four servers takes ${SLOW_MS} ms`, one, { kind: 'slow', delayMs: SLOW_MS }),
  ill('fails', 'one of four answers 503, to probes too', one, { kind: 'fail', isSeen: true }),
  ill('fails-unseen', 'one of four answers 503, but not to probes', one, {
    kind: 'fail',
    isSeen: false,
  }),
  ill('refuses', 'one of four is gone: its port is closed', one, { kind: 'refuse' }),
  ill('hangs', 'one of four accepts and never answers', one, { kind: 'hang' }),
  {
    name: 'flaps',
    summary: `one of four goes and comes back every ${FLAP_MS / 1000} s`,
    run: (kind, place) => underTrouble('flaps', kind, place, { bad: one, during: flap }),
  },
  ill(HALF_FAILS, 'two of four answer 503, but not to probes', half, {
    kind: 'fail',
    isSeen: false,
  }),
  { name: RECOVERY, summary: 'one of four, busy ones, comes back cold', run: recover },
  {
    name: SLOWLORIS,
    summary: `${HEADS} connections send a head octet by octet`,
    run: (kind, place) =>
      underTrouble(SLOWLORIS, kind, place, {
        held: [{ kind: 'heads', count: HEADS }],
        answerSeconds: PATIENT_ANSWER_SECONDS,
      }),
  },
  {
    name: SLOW_READERS,
    summary: `${READERS} clients read a megabyte at 10 KiB/s`,
    run: (kind, place) =>
      underTrouble(SLOW_READERS, kind, place, {
        held: [{ kind: 'readers', count: READERS }],
        answerSeconds: PATIENT_ANSWER_SECONDS,
      }),
  },
  {
    name: RELOAD,
    summary: `${RELOADS} reloads with ${WEBSOCKETS} WebSockets and ${UPLOADS} uploads`,
    run: (kind, place) =>
      underTrouble(RELOAD, kind, place, {
        held: [
          { kind: 'websockets', count: WEBSOCKETS },
          { kind: 'uploads', count: UPLOADS },
        ],
        answerSeconds: PATIENT_ANSWER_SECONDS,
        during: reloads,
      }),
  },
  {
    name: 'pool',
    summary: `${POOL} servers, all well`,
    run: (kind, place) => underTrouble('pool', kind, place, { servers: POOL }),
  },
];

/** Servers that behave badly from one moment on. */
function ill(
  name: string,
  summary: string,
  bad: readonly number[],
  behaviour: Behaviour,
): Scenario {
  const during = ({ servers }: Course): Promise<void> => servers.behave(bad, behaviour);
  // Who refuses sees nobody.
  const isCounted = behaviour.kind !== 'refuse';
  return {
    name,
    summary,
    run: (kind, place) => underTrouble(name, kind, place, { bad, during, isCounted }),
  };
}

type Course = {
  readonly servers: Servers;
  readonly proxy: TroubledProxy;
  /** When the trouble is over, by `Date.now()`. */
  readonly untilMs: number;
};

type Plan = {
  readonly servers?: number;
  readonly bad?: readonly number[];
  /** Whether what the bad servers count says when they are left out. */
  readonly isCounted?: boolean;
  readonly answerSeconds?: number;
  readonly held?: readonly {
    readonly kind: 'heads' | 'readers' | 'websockets' | 'uploads';
    readonly count: number;
  }[];
  during?(course: Course): Promise<void>;
};

async function flap({ servers, untilMs }: Course): Promise<void> {
  for (let isUp = true; Date.now() < untilMs; isUp = !isUp) {
    await servers.behave(one, isUp ? { kind: 'refuse' } : { kind: 'well' });
    await delay(Math.min(FLAP_MS, Math.max(0, untilMs - Date.now())));
  }
}

async function reloads({ proxy, untilMs }: Course): Promise<void> {
  const stepMs = (untilMs - Date.now()) / (RELOADS + 1);
  for (let count = 0; count < RELOADS; count += 1) {
    await delay(stepMs);
    await proxy.reload();
  }
}

/** All is well, then comes the trouble, and normal clients ask all the time. */
async function underTrouble(
  scenario: string,
  kind: TroubledProxyKind,
  place: ScenarioPlace,
  plan: Plan,
): Promise<Trouble> {
  const { clientCore, rate, scratch, seconds } = place;
  const { answerSeconds = ANSWER_SECONDS, bad = [], held = [], isCounted = false } = plan;
  const { proxy, servers } = await start(kind, place, plan.servers ?? SERVERS, answerSeconds);
  const well = wellSeconds(seconds);
  const openingSeconds = held.length === 0 ? 0 : Math.min(OPENING_SECONDS_MAX, 2 + seconds);
  const all = well + openingSeconds + seconds;
  const clients = startClients(scratch, clientCore, proxy, { rate, seconds: all });
  await delay(well * 1000);
  const before = proxy.residentBytes();
  await servers.reset();
  const fromMs = Date.now();
  const holders = await Promise.all(
    held.map((each) => startHolders(scratch, clientCore, proxy, { ...each, seconds })),
  );
  const stretch = { fromMs, toMs: Date.now() + seconds * 1000 };
  await plan.during?.({ servers, proxy, untilMs: stretch.toMs });
  await delay(Math.max(0, stretch.toMs - Date.now()));
  const after = proxy.residentBytes();
  const counts = await servers.counts();
  const reports = await Promise.all(holders.map((each) => each.report()));
  const report = await clients.report();
  await stop(proxy, servers);
  const got = serverRequests(counts, stretch);
  const during = clientFigures(report, stretch);
  const [least, most] = [Math.min(...got), Math.max(...got)];
  return {
    scenario,
    proxy: proxy.name,
    during,
    p99Before: clientFigures(report, beforeOf(fromMs)).p99,
    badShare:
      bad.length === 0 || !(isCounted || plan.during === flap) ? undefined : shareOf(got, bad),
    leftOut: isCounted ? (leftOutAfter(counts, stretch, bad) ?? 'never') : undefined,
    amplification: amplificationOf(got, during, held),
    bytes: [before, after],
    repeated: report.repeated,
    longestPauseMs: report.longestPauseMs,
    held: Object.fromEntries(held.map((each, at) => [each.kind, reports[at]!])),
    remarks: got.length === POOL ? [`${least} to ${most} requests a server`] : [],
  };
}

/** Servers that take one request at a time; one goes, and comes back with everything slow at first. */
async function recover(kind: TroubledProxyKind, place: ScenarioPlace): Promise<Trouble> {
  const { clientCore, scratch, seconds } = place;
  const { proxy, servers } = await start(kind, place, SERVERS, ANSWER_SECONDS);
  await servers.behave([...servers.ports.keys()], SERVICE);
  const downSeconds = Math.min(DOWN_SECONDS, DOWN_FACTOR * seconds);
  const well = wellSeconds(seconds);
  const all = well + downSeconds + seconds;
  const load = { rate: SERVICE_RATE, seconds: all };
  const clients = startClients(scratch, clientCore, proxy, load);
  await delay(well * 1000);
  const before = proxy.residentBytes();
  const goneMs = Date.now();
  await servers.behave(one, { kind: 'refuse' });
  await delay(downSeconds * 1000);
  await servers.reset();
  const fromMs = Date.now();
  const coldMs = (seconds * 1000) / 2;
  await servers.behave(one, { ...SERVICE, coldFactor: COLD_FACTOR, coldMs });
  const stretch = { fromMs, toMs: fromMs + seconds * 1000 };
  await delay(seconds * 1000);
  const after = proxy.residentBytes();
  const got = serverRequests(await servers.counts(), stretch);
  const report = await clients.report();
  await stop(proxy, servers);
  const during = clientFigures(report, stretch);
  const p99Before = clientFigures(report, beforeOf(goneMs)).p99;
  const gone = clientFigures(report, { fromMs: goneMs, toMs: fromMs });
  return {
    scenario: RECOVERY,
    proxy: proxy.name,
    during,
    p99Before,
    badShare: shareOf(got, one),
    leftOut: undefined,
    amplification: amplificationOf(got, during, []),
    bytes: [before, after],
    repeated: report.repeated,
    longestPauseMs: report.longestPauseMs,
    settled: settledAfter(report, stretch, p99Before) ?? 'never',
    held: {},
    remarks: [`${gone.failed} of ${gone.requests} failed in the ${downSeconds} s before`],
  };
}

async function start(
  kind: TroubledProxyKind,
  { clientCore, core, scratch, seconds }: ScenarioPlace,
  count: number,
  answerSeconds: number,
): Promise<{ readonly proxy: TroubledProxy; readonly servers: Servers }> {
  const servers = await startServers(scratch, clientCore, count);
  const place = { core, servers: servers.ports, slowStartSeconds: seconds, answerSeconds };
  return { servers, proxy: await kind.start(scratch, place) };
}

async function stop(proxy: TroubledProxy, servers: Servers): Promise<void> {
  await proxy.stop();
  await servers.stop();
}

/** Short troubles, of tests, begin sooner. */
const wellSeconds = (seconds: number): number => Math.min(WELL_SECONDS_MAX, 1 + seconds);

function beforeOf(fromMs: number): Stretch {
  return { fromMs: fromMs - BEFORE_SECONDS * 1000, toMs: fromMs };
}

/** Without what the holders have asked themselves; of heads that do not end servers hear nothing. */
function amplificationOf(
  got: readonly number[],
  { requests }: ClientFigures,
  held: NonNullable<Plan['held']>,
): number {
  const others = held.reduce((sum, { count, kind }) => sum + (kind === 'heads' ? 0 : count), 0);
  const all = got.reduce((sum, each) => sum + each, 0);
  return requests === 0 ? 0 : (all - others) / requests;
}
