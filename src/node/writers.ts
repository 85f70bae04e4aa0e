/** Who writes into zones while a node runs, tied to the node's parts: updates by DNS, challenges by the API. */
import { randomBytes } from 'node:crypto';
import type { Facts } from '../cluster/facts.ts';
import { type AcmeChallenges, createAcmeChallenges } from '../control/acme-challenges.ts';
import { type Clock, systemClock, wallClockMs } from '../control/clock.ts';
import {
  createRecordWriter,
  type RecordWriter,
  type RecordWriterParts,
} from '../control/record-writer.ts';
import type { DnsWorkers } from '../workers/dns-workers.ts';
import { openAdditionsVault } from './additions-vault.ts';
import { type Parts, reachOf } from './parts.ts';
import { createRecordKeeper, type RecordKeeper } from './record-keeper.ts';
import { createRecordStamps, waitUntilVisible } from './record-stamps.ts';
import type { Served } from './served.ts';
import { createUpdateDesk } from './update-desk.ts';
import { createWrittenConfig, servedSerial, writtenSerial } from './zone-overlays.ts';

/** Of the name that this process writes under: no two ever have the same. */
const WRITER_BYTES = 9;
/** How long whoever changes records waits for the other nodes, once this one serves them. */
export const VISIBLE_WAIT_MS = 8000;

export type Writers = {
  /** What people can do, for the control plane. */
  readonly people: { readonly challenges: AcmeChallenges; readonly recordWriter: RecordWriter };
  close(): void;
};

/** The first that is heard may be wrong: the time is what others say when no more has come for so long. */
export const TIME_SETTLE_MS = 5000;
/** A node that nobody has told the time for so long believes its own clock: the others may be gone. */
export const TIME_UNKNOWN_MAX_MS = 600_000;

/** Whether it is known what time it is: agreed, and not stepped just now. */
export function createTimeJudge(
  agreed: Pick<Facts['clock'], 'isAgreed' | 'onStep'>,
  { nowMs }: Pick<Clock, 'nowMs'>,
): () => boolean {
  let steppedMs = nowMs();
  agreed.onStep(() => {
    steppedMs = nowMs();
  });
  return () => nowMs() - steppedMs >= (agreed.isAgreed() ? TIME_SETTLE_MS : TIME_UNKNOWN_MAX_MS);
}

/** Before the first compilation, which has what was added earlier. */
export function openRecordKeeper(parts: Parts): RecordKeeper {
  const { config, facts, isKeyed, log, overlays, told } = parts;
  // The configuration of the moment; that of the file until another is served.
  let current = config;
  // Nobody else has been promised anything.
  const isAlone = !isKeyed || reachOf(config) === 'alone';
  const keeper = createRecordKeeper({
    vault: openAdditionsVault(facts, isKeyed, config.node.stateDirectory, (problem) =>
      log.warn('state.unreadable', `${problem}.`),
    ),
    overlays,
    clock: facts.clock,
    isTimeKnown: isAlone ? () => true : createTimeJudge(facts.clock, systemClock),
    draw: Math.random,
    writer: randomBytes(WRITER_BYTES).toString('base64url'),
    configuredSerial: (zone) => writtenSerial(current, overlays, zone),
  });
  told.config = (next) => {
    current = next;
    keeper.followSerials();
  };
  return keeper;
}

export function startWriters(
  parts: Parts,
  keeper: RecordKeeper,
  { current, reloader }: Pick<Served, 'current' | 'reloader'>,
  dns: DnsWorkers | undefined,
): Writers {
  const { config, events, facts, isKeyed, registry, told } = parts;
  const stamps = createRecordStamps(keeper.served, isKeyed && reachOf(config) === 'store');
  told.records = stamps.text;
  const stops = [
    keeper.onServed(createRenewal(registry.renew)),
    parts.overlays.onChange(keeper.followSerials),
    facts.clock.onStep(keeper.followClock),
  ];
  told.config(current().config);
  keeper.begin(reloader.refresh);
  const serialOf = (zone: string): number => servedSerial(current().config, parts.overlays, zone);
  const written = createWrittenConfig(parts.overlays);
  const desk = createUpdateDesk({
    config: () => written(current().config),
    serialOf,
    keys: () => current().snapshot.tsigKeys,
    records: keeper,
    events,
    wallMs: wallClockMs,
  });
  dns?.onDeferred('update', desk);
  const visibility = { stamps, clock: systemClock, nodes: registry.list };
  const writing: RecordWriterParts = {
    config: () => written(current().config),
    serialOf,
    records: keeper,
    clock: facts.clock,
    events,
    shown: (zone, state) => waitUntilVisible(visibility, zone, state, VISIBLE_WAIT_MS),
  };
  return {
    people: {
      challenges: createAcmeChallenges(writing),
      recordWriter: createRecordWriter(writing),
    },
    close() {
      for (const stop of stops) stop();
      keeper.close();
    },
  };
}

/** Many changes at one moment are told together. */
const TELL_TOGETHER_MS = 10;

function createRenewal(renew: () => void): () => void {
  let isDue = false;
  return () => {
    if (isDue) return;
    isDue = true;
    systemClock.setTimer(TELL_TOGETHER_MS, () => {
      isDue = false;
      renew();
    });
  };
}
