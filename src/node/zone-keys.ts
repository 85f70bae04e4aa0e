import type { Secrets } from '../cluster/secrets.ts';
import type { Sharing } from '../cluster/share-waiters.ts';
import type { Config, DnssecConfig, ZoneConfig } from '../config/config.ts';
import type { ZoneOverlay } from '../config/overlay.ts';
import type { Clock } from '../control/clock.ts';
import type { Events } from '../control/events.ts';
import { notSigned, type ZoneDnssec, type ZoneKeys } from '../control/zone-dnssec.ts';
import type { FileKey } from '../dns/dnssec/key-files.ts';
import { type KeySet, newKeySet } from '../dns/dnssec/key-set.ts';
import type { ZoneSigningKeys } from '../dns/dnssec/signing-keys.ts';
import type { Log } from '../telemetry/log.ts';
import { type Company, createCompany, PEERS_WAIT_MS } from './company.ts';
import {
  ALGORITHM_NUMBERS,
  describeKeyFiles,
  describeKeySet,
  differences,
} from './describe-keys.ts';
import { heldFiles } from './held-files.ts';
import { filePlace, type KeyPlace, sharedPlace } from './key-places.ts';
import { createKeyRolls } from './key-rolls.ts';
import { keepRestingZones } from './resting-zones.ts';
import { followRollWaits, type RollWaits } from './roll-waits.ts';
import { createShown, LOOKED_FOR } from './shown-keys.ts';
import { openSigningMemory, type SigningMemory } from './signing-memory.ts';
import { createToldSerials } from './told-serials.ts';
import type { ZoneOverlays } from './zone-overlays.ts';

/**
 * Keeps the keys of signed zones: made once by whichever node is first and then those of all, or read from
 * where somebody else keeps them. Tells the signer, and then the zone, what they are. A zone whose keys
 * are not known is not signed, and nothing is made in their place: they may exist where nobody answers.
 */
export type ZoneKeysKeeper = ZoneKeys & {
  /** Settles when every signed zone has keys, or a reason why not. */
  readonly ready: Promise<void>;
  /** Also after a reload that changed nothing: folders are read again. */
  setConfig(config: Config): void;
  close(): void;
};

export type ZoneKeysParts = {
  readonly config: Config;
  readonly secrets: Pick<Secrets, 'get' | 'update' | 'createOnce' | 'watch' | 'watchAll'>;
  /** The cluster's: times of keys are compared across nodes. */
  readonly clock: Pick<Clock, 'nowMs' | 'setTimer'>;
  readonly events: Pick<Events, 'record'>;
  readonly log: Pick<Log, 'warn'>;
  /** What signs from now on, of all zones; before the zones show it. */
  tell(keys: readonly ZoneSigningKeys[]): void;
  setOverlay(zone: string, overlay: ZoneOverlay | undefined): void;
  /** Of all zones, whoever they come from. */
  readonly overlays: Pick<ZoneOverlays, 'current' | 'onChange'>;
  /** True while what is said here reaches no other node that should hear it. */
  isCutOff(): boolean;
  /** Whether others have the fact; see cluster/facts.ts. */
  settled(key: string, timeoutMs: number): Promise<Sharing>;
};

/** How often folders, the week and keys that were not there are looked at. */
export const KEYS_LOOK_MS = 60_000;
/** The same while some zone has no keys. */
export const KEYS_RETRY_MS = 5_000;

/** One signed zone. */
export type KeptZone = {
  readonly zone: string;
  readonly config: ZoneConfig;
  readonly dnssec: DnssecConfig;
  /** Undefined = a folder. */
  readonly place: KeyPlace | undefined;
  /** Where the keys were before the nodes had a secret to share them by. */
  readonly earlier: KeyPlace | undefined;
  held: Held;
  /** What was recorded as a problem last. */
  complaint: string;
  stopWatching(): void;
};
export type Held =
  | {
      readonly kind: 'set';
      readonly set: KeySet;
      /** Of this node alone: they become those of all when another node is there, if it has none. */
      readonly isOwn?: boolean;
    }
  /** As their times are at an instant: the last one at which they could sign. */
  | {
      readonly kind: 'files';
      readonly keys: readonly FileKey[];
      readonly atSeconds: number;
      readonly problems: readonly string[];
    }
  | { readonly kind: 'none'; readonly reason: string };

export function keepZoneKeys(parts: ZoneKeysParts): ZoneKeysKeeper {
  const { clock, events } = parts;
  const zones = new Map<string, KeptZone>();
  const memory = openMemory(parts);
  const serials = createToldSerials(parts.secrets);
  const shown = createShown(parts, memory, serials);
  const company = createCompany(clock, parts.isCutOff);
  let { config } = parts;
  const waits = openWaits(parts, () => config.zones);
  let isClosed = false;
  let cancel = (): void => {};

  const publish = (): void => {
    if (!isClosed) shown.show([...zones.values()], resting.all(), clock.nowMs());
  };
  // A store tells of many zones in one moment.
  const publishSoon = soon(publish);
  const resting = keepRestingZones(parts, memory, serials, publishSoon);
  const hold = (kept: KeptZone, held: Held): void => {
    kept.held = held;
    complain(kept, events);
  };
  const lookAtAll = async (): Promise<void> => {
    waits.look();
    const awaited = company.awaited(config);
    const looks = [...zones.values()].map((kept) =>
      lookAt(parts, kept, awaited, (held) => hold(kept, held)),
    );
    const forgotten = [...zones.keys()].filter((zone) => memory.get(zone) === undefined);
    await Promise.all([...looks, ...forgotten.map(serials.ask)]);
    publish();
  };
  const lookSoon = (): void => {
    if (isClosed) return;
    const isMissing = [...zones.values()].some(isUnsettled);
    cancel();
    cancel = clock.setTimer(isMissing ? KEYS_RETRY_MS : KEYS_LOOK_MS, () => {
      void lookAtAll().then(lookSoon);
    });
  };
  const hear = (kept: KeptZone): void => {
    if (readPlace(kept, (held) => hold(kept, held))) publishSoon();
  };
  adoptZones(parts, config, zones, hear);
  shown.begin([...zones.values()], resting.all());
  const ready = waitForPeers(parts, company, zones).then(lookAtAll);
  void ready.then(lookSoon);
  const status = (kept: KeptZone): ZoneDnssec => {
    const sinceMs = memory.get(kept.zone)?.signedSinceMs ?? clock.nowMs();
    return statusOf(kept, waits.dsFromMs(kept.zone, kept.config, sinceMs), clock.nowMs());
  };
  const rolls = createKeyRolls(
    parts,
    ({ config, zone }) => waits.facts(zone, config),
    status,
    (zone) => zones.get(zone),
    (kept, set) => {
      hold(kept, { kind: 'set', set });
      publish();
    },
  );
  return {
    ready,
    ...rolls,
    status(zone) {
      const kept = zones.get(zone);
      return kept === undefined ? notSigned(zone) : status(kept);
    },
    setConfig(next) {
      // What it had until now is in caches.
      waits.look();
      config = next;
      resting.setConfig(next);
      adoptZones(parts, config, zones, hear);
      void lookAtAll().then(lookSoon);
    },
    close() {
      isClosed = true;
      cancel();
      waits.close();
      resting.close();
      stopWatching(zones);
    },
  };
}

/** Runs once, after what is going on, however often it is asked for meanwhile. */
function soon(run: () => void): () => void {
  let isAsked = false;
  return () => {
    if (isAsked) return;
    isAsked = true;
    queueMicrotask(() => {
      isAsked = false;
      run();
    });
  };
}

function openMemory({ config, log }: ZoneKeysParts): SigningMemory {
  return openSigningMemory(
    config.node.stateDirectory,
    complainOnce(log, 'serials of signed zones may go back after a restart'),
  );
}

function openWaits(
  { clock, config, log, overlays }: ZoneKeysParts,
  zones: () => Config['zones'],
): RollWaits {
  return followRollWaits(
    clock,
    overlays,
    zones,
    config.node.stateDirectory,
    complainOnce(log, 'TTLs that were lowered before a restart are not waited for after it'),
  );
}

function complainOnce(log: ZoneKeysParts['log'], effect: string) {
  let last: string | undefined;
  return (kind: 'unreadable' | 'unwritable', problem: string): void => {
    if (problem === last) return;
    last = problem;
    // Two calls, so that both kinds can be found.
    if (kind === 'unreadable') log.warn('state.unreadable', `${problem}: ${effect}.`);
    else log.warn('state.unwritable', `${problem}: ${effect}.`);
  };
}

/** Without keys, or with some that the other nodes have not heard of. */
function isUnsettled({ held }: KeptZone): boolean {
  return held.kind === 'none' || (held.kind === 'set' && held.isOwn === true);
}

/** Without a store it is the others who may have the keys already: they are given a moment to say so. */
function waitForPeers(
  { clock, config }: ZoneKeysParts,
  company: Company,
  zones: ReadonlyMap<string, KeptZone>,
): Promise<void> {
  const isLacking = [...zones.values()].some(
    ({ place }) => place?.kind === 'shared' && place.read().state === 'absent',
  );
  if (!isLacking || company.awaited(config) === undefined) return Promise.resolve();
  return new Promise((resolve) => {
    clock.setTimer(PEERS_WAIT_MS, resolve);
  });
}

/** Those that the configuration has signed take the place of those that were. */
function adoptZones(
  parts: ZoneKeysParts,
  config: Config,
  zones: Map<string, KeptZone>,
  hear: (kept: KeptZone) => void,
): void {
  const before = new Map(zones);
  stopWatching(zones);
  zones.clear();
  for (const [zone, { dnssec }] of Object.entries(config.zones)) {
    if (dnssec === undefined) continue;
    const kept = keptZone(parts, config, zone, dnssec, before.get(zone));
    zones.set(zone, kept);
    kept.stopWatching = kept.place?.watch(() => hear(kept)) ?? kept.stopWatching;
  }
}

function stopWatching(zones: ReadonlyMap<string, KeptZone>): void {
  for (const kept of zones.values()) kept.stopWatching();
}

function keptZone(
  { secrets }: ZoneKeysParts,
  { cluster, node: { stateDirectory }, zones }: Config,
  zone: string,
  dnssec: DnssecConfig,
  before: KeptZone | undefined,
): KeptZone {
  const canShare = cluster.keys.length + cluster.keyFiles.length > 0;
  const file = stateDirectory === undefined ? undefined : filePlace(stateDirectory, zone);
  const isOwn = file !== undefined && !canShare;
  const shared = sharedPlace(secrets, zone);
  const place = isOwn ? instead(file, shared) : shared;
  const isSame = before !== undefined && before.dnssec.folder === dnssec.folder;
  return {
    zone,
    config: zones[zone]!,
    dnssec,
    place: dnssec.folder === undefined ? place : undefined,
    earlier: isOwn ? undefined : file,
    held: isSame ? before.held : LOOKED_FOR,
    complaint: before?.complaint ?? '',
    stopWatching: () => {},
  };
}

/**
 * A node that has lost its cluster key has the shared keys on its disk and cannot open them: none are made in
 * their place.
 */
function instead(own: KeyPlace, shared: KeyPlace): KeyPlace {
  return {
    ...own,
    async make(first) {
      if (own.read().state !== 'absent' || shared.read().state === 'absent') return own.make(first);
      const reason =
        'they are shared by all nodes, and this node has no cluster key (cluster.keys) to open them with; none are made in their place';
      return { ok: false, reason };
    },
  };
}

/** False when there is nothing to be read. */
function readPlace({ place }: KeptZone, hold: (held: Held) => void): boolean {
  const read = place?.read();
  if (read === undefined || read.state === 'absent') return false;
  hold(
    read.state === 'known' ? { kind: 'set', set: read.set } : { kind: 'none', reason: read.reason },
  );
  return true;
}

/**
 * Finds the keys of a zone, or makes its first.
 * @param awaited why none can be made for all nodes now
 */
async function lookAt(
  { clock, events }: ZoneKeysParts,
  kept: KeptZone,
  awaited: string | undefined,
  hold: (held: Held) => void,
): Promise<void> {
  const { dnssec, earlier, held, place, zone } = kept;
  if (place === undefined) {
    hold(heldFiles(kept, clock.nowMs() / 1000));
    return;
  }
  // What was there and is not any more is not made a second time: the parent knows the first.
  if (readPlace(kept, hold) || (held.kind === 'set' && held.isOwn !== true)) return;
  const own = earlier?.read();
  // The parent may know what this node had alone.
  const lack = (reason: string): void =>
    hold(
      own?.state === 'known'
        ? { kind: 'set', set: own.set, isOwn: true }
        : { kind: 'none', reason },
    );
  if (place.kind === 'shared' && awaited !== undefined) {
    lack(awaited);
    return;
  }
  const made = await place.make(() =>
    own?.state === 'known'
      ? own.set
      : newKeySet(dnssec.scheme, ALGORITHM_NUMBERS[dnssec.algorithm], clock.nowMs()),
  );
  if (!made.ok) {
    lack(made.reason);
    return;
  }
  hold({ kind: 'set', set: made.set });
  if (!made.isNew) return;
  const message =
    own?.state === 'known'
      ? `The keys that this node had for ${zone} are those of all nodes now.`
      : `${zone} has keys and is signed. "meridian dnssec status ${zone}" says when its parent may have the DS.`;
  events.record('dnssec.keys-made', zone, message);
}

/** What was said of a zone's keys once is not said again until it changes. */
function complain(kept: KeptZone, events: Pick<Events, 'record'>): void {
  const { complaint, dnssec, held, zone } = kept;
  let text: string;
  let say: () => void;
  switch (held.kind) {
    case 'none':
      text = `${zone} is answered unsigned, its keys are not known: ${held.reason}.`;
      say = () => events.record('dnssec.no-keys', zone, text, 'warn');
      break;
    case 'files':
      text = held.problems.map((problem) => `${problem}.`).join(' ');
      say = () => events.record('dnssec.key-files', zone, text, 'warn');
      break;
    case 'set':
      text = differences(zone, held.set, dnssec).join(' ');
      say = () => events.record('dnssec.keys-differ', zone, text, 'warn');
  }
  if (text === complaint) return;
  kept.complaint = text;
  if (text !== '') say();
  else events.record('dnssec.keys-known', zone, `All is well with the keys of ${zone} again.`);
}

function statusOf(
  { config, dnssec, held, place, zone }: KeptZone,
  dsFromMs: number,
  nowMs: number,
): ZoneDnssec {
  const kept: ZoneDnssec['kept'] = place?.kind ?? 'folder';
  switch (held.kind) {
    case 'set':
      return { kept, ...describeKeySet(zone, held.set, config, dsFromMs, nowMs) };
    case 'files': {
      const problem = held.problems.join('; ');
      const status = {
        kept,
        ...describeKeyFiles(zone, held.keys, dsFromMs, held.atSeconds * 1000),
      };
      return problem === '' ? status : { ...status, problem };
    }
    case 'none': {
      const nothing = { keys: [], ds: [], cds: [], cdnskey: [], warnings: [] };
      return { kept, zone, problem: `${dnssec.folder ?? 'keys'}: ${held.reason}`, ...nothing };
    }
  }
}
