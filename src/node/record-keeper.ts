/**
 * Keeps the records that were added to zones while they are served: what all nodes have of them, when they go by
 * themselves, and what of it this node serves by now.
 */
import type { Clock } from '../control/clock.ts';
import type { Decision, Kept, ZoneRecords } from '../control/zone-records.ts';
import {
  type AddedRecord,
  changed,
  joined,
  NO_ADDITIONS,
  nextExpiryMs,
  overlayOf,
  packAdditions,
  recounted,
  reverted,
  unexpired,
  unpackAdditions,
  type ZoneAdditions,
} from '../nameserver/added-records.ts';
import type { AdditionsVault } from './additions-vault.ts';
import type { ZoneOverlays } from './zone-overlays.ts';

export type RecordKeeper = ZoneRecords & {
  /** All nodes have the same records. */
  readonly isShared: boolean;
  /** What is served here, by zone. */
  served(): ReadonlyMap<string, ZoneAdditions>;
  /** From now on `serve` serves what overlays say, and tells why it could not. */
  begin(serve: () => Promise<readonly string[]>): void;
  /** Zones may have other serials now than the configuration or a primary gave them before. */
  followSerials(): void;
  /** The clock was set to another time. */
  followClock(): void;
  /** Called when more is served here; returns the function that stops it. */
  onServed(hear: () => void): () => void;
  close(): void;
};

export type RecordKeeperParts = {
  readonly vault: AdditionsVault;
  readonly overlays: Pick<ZoneOverlays, 'set'>;
  /** What the nodes agree on. */
  readonly clock: Pick<Clock, 'nowMs' | 'setTimer'>;
  /**
   * Whether the clock is what the nodes agree on by now: a machine whose clock is wrong must not end what
   * others have been promised.
   */
  isTimeKnown(): boolean;
  /** Between 0 and 1. */
  draw(): number;
  /** Says who has made a change. Another one each time that a node starts: it may have lost what it knew. */
  readonly writer: string;
  /** The serial that the configuration, or a primary, gives a zone; undefined = there is no such zone. */
  configuredSerial(zone: string): number | undefined;
};

/** Of several nodes that see that a record is over the first one removes it. */
const EXPIRY_SPREAD_MS = 1000;
const EXPIRY_RETRY_MS = 30_000;
/** How often it is looked whether the time is known by now. */
const EXPIRY_LOOK_MS = 1000;
/** Who holds this overlay. */
const SOURCE = 'updates';

export function createRecordKeeper(parts: RecordKeeperParts): RecordKeeper {
  const { vault } = parts;
  const states = new Map<string, ZoneAdditions>();
  const queue = createZoneQueue();
  const publisher = createPublisher(parts, states);
  const adopt = (zone: string, state: ZoneAdditions): void => {
    if (states.get(zone) === state) return;
    states.set(zone, state);
    expiry.schedule();
  };
  const packing = createPacking();
  const write = createWriter(vault, packing, states, adopt);
  const expiry = createExpiry(parts, states, async (zone, next) => {
    const done = await queue.run(zone, () => write(zone, next));
    return !('reason' in done);
  });
  expiry.onDone(publisher.publish);

  const undo = async (zone: string, before: ZoneAdditions, after: ZoneAdditions) => {
    const revert = (now: ZoneAdditions): ZoneAdditions =>
      changed(now, reverted(now, before, after), serialOf(parts, zone, now), parts.writer);
    await queue.run(zone, () => write(zone, revert));
    await publisher.publish();
  };

  const hear = (zone: string, bytes: Uint8Array): void => {
    const heard = packing.unpack(zone, bytes);
    if (heard === undefined) return;
    const known = states.get(zone) ?? NO_ADDITIONS;
    const all = joined(heard, known);
    if (all === known) return;
    adopt(zone, all);
    void publisher.publish();
    // Two nodes that were apart have both added something: all are to have both.
    if (all.version > heard.version) void queue.run(zone, () => write(zone, () => undefined));
  };
  const stopWatching = vault.watch(hear);
  for (const zone of vault.zones()) {
    const state = packing.unpack(zone, vault.get(zone) ?? new Uint8Array());
    if (state !== undefined) adopt(zone, state);
  }
  publisher.prepare();
  return {
    isShared: vault.isShared,
    additions: (zone) => states.get(zone) ?? NO_ADDITIONS,
    async change(zone, decide) {
      const { before, done } = await queue.run(zone, () =>
        decideAndWrite(parts, write, zone, decide),
      );
      if (!done.ok) return done;
      const reasons = await publisher.publish();
      if (reasons.length === 0) return done;
      // Nobody was told that it is done, and it must not stand in the way of what comes next.
      if (done.isChanged) await undo(zone, before, done.state);
      return { ok: false, refusal: undefined, reason: reasons.join(' ') };
    },
    served: publisher.served,
    begin: publisher.begin,
    onServed: publisher.onServed,
    followSerials() {
      for (const [zone, state] of states) {
        const configured = parts.configuredSerial(zone);
        if (configured === undefined || recounted(state, configured) === state) continue;
        void queue
          .run(zone, () => write(zone, (each) => recounted(each, configured)))
          .then(publisher.publish);
      }
    },
    followClock: expiry.schedule,
    close() {
      stopWatching();
      expiry.close();
      publisher.close();
    },
  };
}

/** Changes what the vault has, and what is known here, as others may have changed either. */
function createWriter(
  vault: AdditionsVault,
  packing: Packing,
  states: ReadonlyMap<string, ZoneAdditions>,
  adopt: (zone: string, state: ZoneAdditions) => void,
): Write {
  const known = (zone: string): ZoneAdditions => states.get(zone) ?? NO_ADDITIONS;
  return async (zone, next) => {
    let state = NO_ADDITIONS;
    let basis: ZoneAdditions | undefined;
    let isUnreadable = false;
    const reason = await vault.change(zone, (bytes) => {
      const kept = bytes === undefined ? NO_ADDITIONS : packing.unpack(zone, bytes);
      isUnreadable = kept === undefined;
      // A later version may have written it: not to be written over.
      if (kept === undefined) return undefined;
      basis = known(zone);
      const before = joined(kept, basis);
      state = next(before) ?? before;
      return state === kept ? undefined : packing.pack(zone, state);
    });
    if (isUnreadable) return { reason: `what is kept of ${zone} cannot be read here` };
    if (reason !== undefined) return { reason };
    const isNewest = known(zone) === basis;
    if (state.version > 0) adopt(zone, isNewest ? state : joined(state, known(zone)));
    return { state };
  };
}

type Packing = ReturnType<typeof createPacking>;

/** What was packed or unpacked last is not unpacked again: a zone may have thousands of records. */
function createPacking() {
  const last = new Map<string, { readonly bytes: Uint8Array; readonly state: ZoneAdditions }>();
  return {
    pack(zone: string, state: ZoneAdditions): Uint8Array {
      const bytes = packAdditions(state);
      last.set(zone, { bytes, state });
      return bytes;
    },
    unpack(zone: string, bytes: Uint8Array): ZoneAdditions | undefined {
      const known = last.get(zone);
      if (known !== undefined && Buffer.compare(known.bytes, bytes) === 0) return known.state;
      const state = unpackAdditions(bytes);
      if (state !== undefined) last.set(zone, { bytes, state });
      return state;
    },
  };
}

/** Takes records out when their time is over, by one timer. */
function createExpiry(
  parts: RecordKeeperParts,
  states: ReadonlyMap<string, ZoneAdditions>,
  write: (
    zone: string,
    next: (state: ZoneAdditions) => ZoneAdditions | undefined,
  ) => Promise<boolean>,
) {
  const { clock, draw, writer } = parts;
  let cancelTimer = (): void => {};
  let done: () => unknown = () => {};
  const isDue = (state: ZoneAdditions): boolean => expiryOf(state) <= endsBeforeMs(parts);
  const drop = (state: ZoneAdditions): ZoneAdditions | undefined =>
    isDue(state)
      ? changed(state, unexpired(state, endsBeforeMs(parts)), state.base, writer)
      : undefined;
  const schedule = (atLeastMs = 0): void => {
    cancelTimer();
    let next = Number.POSITIVE_INFINITY;
    for (const state of states.values()) next = Math.min(next, expiryOf(state));
    if (next === Number.POSITIVE_INFINITY) return;
    const waitMs = Math.max(next - clock.nowMs(), 0) + draw() * EXPIRY_SPREAD_MS;
    cancelTimer = clock.setTimer(Math.max(waitMs, atLeastMs), () => void run());
  };
  const run = async (): Promise<void> => {
    const due = [...states].filter(([, state]) => isDue(state));
    const written = await Promise.all(due.map(([zone]) => write(zone, drop)));
    if (due.length > 0) done();
    if (!parts.isTimeKnown()) schedule(EXPIRY_LOOK_MS);
    else schedule(written.every((isWritten) => isWritten) ? 0 : EXPIRY_RETRY_MS);
  };
  return {
    schedule: () => schedule(),
    onDone(next: () => unknown): void {
      done = next;
    },
    close: () => cancelTimer(),
  };
}

type Write = (
  zone: string,
  next: (state: ZoneAdditions) => ZoneAdditions | undefined,
) => Promise<{ readonly state: ZoneAdditions } | { readonly reason: string }>;

async function decideAndWrite<Refusal extends object>(
  parts: RecordKeeperParts,
  write: Write,
  zone: string,
  decide: (records: readonly AddedRecord[], nowMs: number) => Decision<Refusal>,
): Promise<{ readonly before: ZoneAdditions; readonly done: Kept<Refusal> }> {
  let refusal: Refusal | undefined;
  let isChanged = false;
  let before = NO_ADDITIONS;
  const done = await write(zone, (state) => {
    before = state;
    const decided = decide(unexpired(state, endsBeforeMs(parts)), parts.clock.nowMs());
    refusal = 'refusal' in decided ? decided.refusal : undefined;
    if ('refusal' in decided) return undefined;
    const next = changed(state, decided.records, serialOf(parts, zone, state), parts.writer);
    isChanged = next !== state;
    return next;
  });
  if (refusal !== undefined) return { before, done: { ok: false, refusal } };
  if ('reason' in done) {
    return { before, done: { ok: false, refusal: undefined, reason: done.reason } };
  }
  return { before, done: { ok: true, state: done.state, isChanged } };
}

/** What ends before has ended; nothing has while nobody knows what time it is. */
function endsBeforeMs({ clock, isTimeKnown }: RecordKeeperParts): number {
  return isTimeKnown() ? clock.nowMs() : Number.NEGATIVE_INFINITY;
}

function serialOf(parts: RecordKeeperParts, zone: string, { serial }: ZoneAdditions): number {
  return parts.configuredSerial(zone) ?? serial;
}

const expiryOf = (state: ZoneAdditions): number => nextExpiryMs(state) ?? Number.POSITIVE_INFINITY;

/** What of the states is served; whoever asks waits until that is the case for what was there when it asked. */
function createPublisher(
  { overlays }: RecordKeeperParts,
  states: ReadonlyMap<string, ZoneAdditions>,
) {
  // Before workers run nothing needs to be told: they begin with what is there.
  let serve: (() => Promise<readonly string[]>) | undefined;
  let isOver = false;
  const shown = new Map<string, ZoneAdditions>();
  const served = new Map<string, ZoneAdditions>();
  const ears = new Set<() => void>();
  const show = (): void => {
    for (const [zone, state] of states) {
      if (shown.get(zone) === state) continue;
      shown.set(zone, state);
      overlays.set(SOURCE, zone, overlayOf(zone, state));
    }
  };
  const mark = (going: ReadonlyMap<string, ZoneAdditions>): void => {
    for (const [zone, state] of going) {
      if ((served.get(zone)?.version ?? 0) <= state.version) served.set(zone, state);
    }
    for (const hear of ears) hear();
  };
  const publish = async (): Promise<readonly string[]> => {
    if (serve === undefined || isOver) return [];
    const going = new Map(states);
    // In one breath: what overlays set off and what is waited for are one compilation.
    show();
    const reasons = await serve();
    if (reasons.length === 0) mark(going);
    return reasons;
  };
  return {
    publish,
    prepare: show,
    served: (): ReadonlyMap<string, ZoneAdditions> => served,
    begin(next: () => Promise<readonly string[]>): void {
      serve = next;
      // What came after the first compilation had begun needs another one.
      const isBehind = [...states].some(([zone, state]) => shown.get(zone) !== state);
      mark(new Map(shown));
      if (isBehind) void publish();
    },
    onServed(hear: () => void): () => void {
      ears.add(hear);
      return () => ears.delete(hear);
    },
    close(): void {
      isOver = true;
    },
  };
}

/** Changes of one zone come one after the other. */
function createZoneQueue() {
  const last = new Map<string, Promise<unknown>>();
  return {
    run<T>(zone: string, act: () => Promise<T>): Promise<T> {
      const result = (last.get(zone) ?? Promise.resolve()).then(act);
      const settled = result.catch(() => {});
      last.set(zone, settled);
      void settled.then(() => {
        if (last.get(zone) === settled) last.delete(zone);
      });
      return result;
    },
  };
}
