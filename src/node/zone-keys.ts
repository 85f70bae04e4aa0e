import type { Secrets } from '../cluster/secrets.ts';
import type { Sharing } from '../cluster/share-waiters.ts';
import type { Config, DnssecConfig, ZoneConfig } from '../config/config.ts';
import type { ZoneOverlay } from '../config/overlay.ts';
import type { Clock } from '../control/clock.ts';
import type { Events } from '../control/events.ts';
import { notSigned, type ZoneDnssec, type ZoneKeys } from '../control/zone-dnssec.ts';
import { type FileKey, fileRrsets, fileSigningKeys, passedTimes } from '../dns/dnssec/key-files.ts';
import { type KeySet, newKeySet, publishedRrsets, signingKeysOf } from '../dns/dnssec/key-set.ts';
import type { ZoneSigningKeys } from '../dns/dnssec/signing-keys.ts';
import { jitterSecondsOf, type SigningTimes } from '../dns/dnssec/validity.ts';
import {
  ALGORITHM_NUMBERS,
  apexOf,
  describeKeyFiles,
  describeKeySet,
  differences,
  KEY_TTL_SECONDS,
} from './describe-keys.ts';
import { filePlace, type KeyPlace, readKeyFolder, sharedPlace } from './key-places.ts';
import { createKeyRolls } from './key-rolls.ts';

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
  readonly secrets: Pick<Secrets, 'get' | 'put' | 'createOnce' | 'watch'>;
  /** The cluster's: times of keys are compared across nodes. */
  readonly clock: Pick<Clock, 'nowMs' | 'setTimer'>;
  readonly events: Pick<Events, 'record'>;
  /** What signs from now on, of all zones; before the zones show it. */
  tell(keys: readonly ZoneSigningKeys[]): void;
  setOverlay(zone: string, overlay: ZoneOverlay | undefined): void;
  /** True while what is said here reaches no other node that should hear it. */
  isCutOff(): boolean;
  /** Whether others have the fact; see cluster/facts.ts. */
  settled(key: string, timeoutMs: number): Promise<Sharing>;
};

/** How often folders, the week and keys that were not there are looked at. */
export const KEYS_LOOK_MS = 60_000;
/** The same while some zone has no keys. */
export const KEYS_RETRY_MS = 5_000;
/**
 * Nodes without a store make keys each for itself, and then the earliest count: one that has just come waits
 * for the others to tell it theirs.
 */
export const PEERS_WAIT_MS = 5_000;
const WEEK_SECONDS = 7 * 86_400;

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
  | { readonly kind: 'set'; readonly set: KeySet }
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
  const shown = createShown(parts);
  let isClosed = false;
  let cancel = (): void => {};

  const publish = (): void => {
    if (!isClosed) shown.show([...zones.values()], clock.nowMs() / 1000);
  };
  const hold = (kept: KeptZone, held: Held): void => {
    kept.held = held;
    complain(kept, events);
  };
  const lookAtAll = async (): Promise<void> => {
    const looks = [...zones.values()].map((kept) =>
      lookAt(parts, kept, (held) => hold(kept, held)),
    );
    await Promise.all(looks);
    publish();
  };
  const lookSoon = (): void => {
    if (isClosed) return;
    const isMissing = [...zones.values()].some(({ held }) => held.kind === 'none');
    cancel();
    cancel = clock.setTimer(isMissing ? KEYS_RETRY_MS : KEYS_LOOK_MS, () => {
      void lookAtAll().then(lookSoon);
    });
  };
  const stopWatching = (): void => {
    for (const kept of zones.values()) kept.stopWatching();
  };
  const adopt = (config: Config): void => {
    stopWatching();
    const before = new Map(zones);
    zones.clear();
    for (const [zone, { dnssec }] of Object.entries(config.zones)) {
      if (dnssec === undefined) continue;
      const kept = keptZone(parts, config, zone, dnssec, before.get(zone));
      zones.set(zone, kept);
      const hear = (): void => {
        if (readPlace(kept, (held) => hold(kept, held))) publish();
      };
      kept.stopWatching = kept.place?.watch(hear) ?? kept.stopWatching;
    }
  };
  adopt(parts.config);
  const ready = waitForPeers(parts, zones).then(lookAtAll);
  void ready.then(lookSoon);
  const rolls = createKeyRolls(
    parts,
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
      return kept === undefined ? notSigned(zone) : statusOf(kept, clock.nowMs());
    },
    setConfig(config) {
      adopt(config);
      void lookAtAll().then(lookSoon);
    },
    close() {
      isClosed = true;
      cancel();
      stopWatching();
    },
  };
}

/** Without a store it is the others who may have the keys already: they are given a moment to say so. */
function waitForPeers(
  { clock, config: { cluster, store } }: ZoneKeysParts,
  zones: ReadonlyMap<string, KeptZone>,
): Promise<void> {
  const isLacking = [...zones.values()].some(
    ({ place }) => place?.kind === 'shared' && place.read().state === 'absent',
  );
  if (!isLacking || store.kind !== 'memory' || cluster.listen.length === 0) {
    return Promise.resolve();
  }
  return new Promise((resolve) => {
    clock.setTimer(PEERS_WAIT_MS, resolve);
  });
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
  const place = isOwn ? file : sharedPlace(secrets, zone);
  const isSame = before !== undefined && before.dnssec.folder === dnssec.folder;
  return {
    zone,
    config: zones[zone]!,
    dnssec,
    place: dnssec.folder === undefined ? place : undefined,
    earlier: isOwn ? undefined : file,
    held: isSame ? before.held : { kind: 'none', reason: 'they are being looked for' },
    complaint: before?.complaint ?? '',
    stopWatching: () => {},
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

/** Finds the keys of a zone, or makes its first. */
async function lookAt(
  { clock, events }: ZoneKeysParts,
  kept: KeptZone,
  hold: (held: Held) => void,
): Promise<void> {
  const { dnssec, earlier, held, place, zone } = kept;
  if (place === undefined) {
    hold(readFiles(kept, clock.nowMs() / 1000));
    return;
  }
  // What was there and is not any more is not made a second time: the parent knows the first.
  if (readPlace(kept, hold) || held.kind === 'set') return;
  let isMoved = false;
  const made = await place.make(() => {
    const own = earlier?.read();
    isMoved = own?.state === 'known';
    if (own?.state === 'known') return own.set;
    return newKeySet(dnssec.scheme, ALGORITHM_NUMBERS[dnssec.algorithm], clock.nowMs());
  });
  if (!made.ok) {
    hold({ kind: 'none', reason: made.reason });
    return;
  }
  hold({ kind: 'set', set: made.set });
  if (!made.isNew) return;
  const message = isMoved
    ? `The keys that this node had for ${zone} are those of all nodes now.`
    : `${zone} has keys and is signed. "meridian dnssec status ${zone}" says when its parent may have the DS.`;
  events.record('dnssec.keys-made', zone, message);
}

/** A folder that is away, was emptied, or whose keys have all gone to rest, takes no signature away. */
function readFiles({ dnssec, held, zone }: KeptZone, nowSeconds: number): Held {
  const { keys, problems } = readKeyFolder(dnssec.folder!, zone);
  if (fileSigningKeys(keys, zone, timesOf(dnssec), nowSeconds) !== undefined) {
    return { kind: 'files', keys, atSeconds: nowSeconds, problems };
  }
  const why = problems.length > 0 ? problems : [`no key in ${dnssec.folder} is active`];
  return held.kind === 'files'
    ? { ...held, problems: [...why, 'the keys that were there last are used'] }
    : { kind: 'none', reason: why.join('; ') };
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

function timesOf({ refreshSeconds, validitySeconds }: DnssecConfig): SigningTimes {
  const jitterSeconds = jitterSecondsOf(validitySeconds, refreshSeconds);
  return { validitySeconds, refreshSeconds, jitterSeconds };
}

function statusOf({ config, dnssec, held, place, zone }: KeptZone, nowMs: number): ZoneDnssec {
  const kept: ZoneDnssec['kept'] = place?.kind ?? 'folder';
  switch (held.kind) {
    case 'set':
      return { kept, ...describeKeySet(zone, held.set, config, nowMs) };
    case 'files': {
      const problem = held.problems.join('; ');
      const status = { kept, ...describeKeyFiles(zone, held.keys, held.atSeconds * 1000) };
      return problem === '' ? status : { ...status, problem };
    }
    case 'none': {
      const nothing = { keys: [], ds: [], cds: [], cdnskey: [], warnings: [] };
      return { kept, zone, problem: `${dnssec.folder ?? 'keys'}: ${held.reason}`, ...nothing };
    }
  }
}

/** What the signer and the zones were told last: each change is told once, the signer first. */
function createShown({ setOverlay, tell }: ZoneKeysParts) {
  const overlays = new Map<string, string>();
  let told = '[]';
  return {
    show(zones: readonly KeptZone[], nowSeconds: number): void {
      const signing = zones.flatMap((kept) => signingOf(kept) ?? []);
      const text = JSON.stringify(signing);
      if (text !== told) {
        told = text;
        tell(signing);
      }
      const wanted = new Map(zones.map((kept) => [kept.zone, overlayOf(kept, nowSeconds)]));
      for (const zone of new Set([...overlays.keys(), ...wanted.keys()])) {
        const overlay = wanted.get(zone);
        const now = overlay === undefined ? '' : JSON.stringify(overlay);
        if (now === (overlays.get(zone) ?? '')) continue;
        overlays.set(zone, now);
        setOverlay(zone, overlay);
      }
    },
  };
}

function signingOf({ dnssec, held, zone }: KeptZone): ZoneSigningKeys | undefined {
  const times = timesOf(dnssec);
  if (held.kind === 'set') return signingKeysOf(held.set, zone, times);
  return held.kind === 'files'
    ? fileSigningKeys(held.keys, zone, times, held.atSeconds)
    : undefined;
}

/**
 * Secondaries copy a zone when its serial grows: with each change of its keys, and every week, for they
 * have to come by new signatures (PowerDNS calls this INCREMENT-WEEKS).
 */
function overlayOf({ held, zone }: KeptZone, nowSeconds: number): ZoneOverlay | undefined {
  const weeks = Math.floor(nowSeconds / WEEK_SECONDS);
  const apex = apexOf(zone);
  switch (held.kind) {
    case 'set':
      return {
        zone,
        serialIncrement: weeks + held.set.revision,
        isKeyed: true,
        rrsets: publishedRrsets(held.set, apex, KEY_TTL_SECONDS),
      };
    case 'files':
      return {
        zone,
        serialIncrement: weeks + passedTimes(held.keys, held.atSeconds),
        isKeyed: true,
        rrsets: fileRrsets(held.keys, apex, KEY_TTL_SECONDS, held.atSeconds),
      };
    case 'none':
      return undefined;
  }
}
