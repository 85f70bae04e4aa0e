import type { Config, PrimaryServerConfig } from '../config/config.ts';
import type { CopyStatus } from '../control/control-plane.ts';
import { equalNames, parseName } from '../dns/name.ts';
import type { TsigKey } from '../dns/tsig.ts';
import type { Snapshot } from '../nameserver/snapshot.ts';
import { hostOf } from '../nameserver/zone-standing.ts';
import { answerNotify, type CopiedZone } from '../secondary/notify-in.ts';
import { lookForced, lookNotified } from '../secondary/schedule.ts';
import type { DeferredQuery } from '../workers/dns-messages.ts';
import {
  type Copied,
  type Copying,
  type CopyParts,
  closeCopied,
  copyStatusOf,
  dropCopy,
  lookForAlterations,
  openCopied,
  takeUp,
  turn,
} from './copied-zone.ts';

/**
 * The zones that this node copies from their primaries: looks when it is time or when it is told to, keeps what came on
 * disk, and puts it under what is served. What cannot be served is refused, and the copy of before stays.
 */
export type Secondaries = {
  /** Takes up the copies on disk, before anything is served. */
  adopt(config: Config): Promise<void>;
  /** Lets go of them again, when nothing can be served with them. False when there are none. */
  disown(): boolean;
  /** Looks after these zones from now on. */
  follow(config: Config, snapshot: Pick<Snapshot, 'tsigKeys' | 'udpSizeMax'>): void;
  /** The reply to a NOTIFY; undefined = none. */
  notified(query: DeferredQuery): Uint8Array | undefined;
  /**
   * Looks now; settles when it has. False when the zone has no primary.
   * @param isAnew takes all of it, whatever its serial
   */
  refresh(zone: string, isAnew?: boolean): Promise<boolean>;
  status(zone: string): CopyStatus | undefined;
  /** Settles when all copies are on disk. */
  close(): Promise<void>;
};

/** Looks under way at once; other zones wait for their turn. */
export const LOOKS_AT_ONCE_MAX = 8;
/** Of them at one server: one that takes its time with all of its zones must not keep those of others from theirs. */
export const LOOKS_AT_SERVER_MAX = 4;

type Served = {
  readonly config: Config;
  readonly keys: readonly TsigKey[];
  readonly udpSizeMax: number;
};

export function createSecondaries(parts: CopyParts): Secondaries {
  const { clock } = parts;
  const zones = new Map<string, Copied>();
  let served: Served | undefined;
  const copying: Copying = {
    ...parts,
    run: createTurns(LOOKS_AT_ONCE_MAX, LOOKS_AT_SERVER_MAX),
    served: () => served,
    recordsBeside: (copied) => recordsBeside(zones, copied),
  };
  /** Settles when what is on disk is known. */
  const open = async (zone: string, servers: readonly PrimaryServerConfig[]): Promise<void> => {
    const opened = openCopied(copying, zone, servers);
    if (opened === undefined) return;
    zones.set(zone, opened);
    await takeUp(copying, opened);
  };
  const goOn = (copied: Copied): void => {
    void lookForAlterations(copying, copied);
    turn(copying, copied);
  };
  return {
    async adopt({ zones: all }) {
      const opened = Object.entries(all).map(([zone, { primary }]) =>
        primary === undefined ? undefined : open(zone, primary.servers),
      );
      await Promise.all(opened);
    },
    disown() {
      const kept = [...zones.values()].filter(({ content }) => content !== undefined);
      for (const copied of kept) dropCopy(copying, copied);
      return kept.length > 0;
    },
    follow(config, { tsigKeys, udpSizeMax }) {
      served = { config, keys: tsigKeys, udpSizeMax };
      for (const [zone, copied] of zones) {
        if (config.zones[zone]?.primary !== undefined) continue;
        zones.delete(zone);
        closeCopied(copying, copied, false);
      }
      for (const [zone, { primary }] of Object.entries(config.zones)) {
        if (primary === undefined) continue;
        const { servers } = primary;
        const copied = zones.get(zone);
        if (copied === undefined) {
          void open(zone, servers).then(() => {
            const opened = zones.get(zone);
            if (opened !== undefined) goOn(opened);
          });
          continue;
        }
        if (JSON.stringify(copied.servers) !== JSON.stringify(servers)) {
          copied.servers = servers;
          copied.schedule = lookForced(copied.schedule, clock.nowMs());
        }
        goOn(copied);
      }
    },
    notified(query) {
      const answer = served && answerNotified(query, zones, served, parts.wallSeconds());
      const copied = answer?.zone === undefined ? undefined : zones.get(answer.zone);
      if (copied !== undefined) {
        copied.notifiedBy = { family: query.family, bytes: query.address };
        copied.schedule = lookNotified(copied.schedule, clock.nowMs());
        turn(copying, copied);
      }
      return answer?.reply;
    },
    async refresh(zone, isAnew = false) {
      const copied = zones.get(zone);
      if (copied === undefined) return false;
      const ended = new Promise<void>((done) => copied.waiting.push(done));
      copied.isWantedAnew ||= isAnew;
      copied.schedule = lookForced(copied.schedule, clock.nowMs());
      turn(copying, copied);
      await ended;
      return true;
    },
    status(zone) {
      const copied = zones.get(zone);
      return copied && copyStatusOf(copied, clock.nowMs());
    },
    async close() {
      const open = [...zones.values()];
      zones.clear();
      for (const copied of open) closeCopied(copying, copied, true);
      await Promise.all(open.map(({ keeping }) => keeping));
    },
  };
}

function recordsBeside(zones: ReadonlyMap<string, Copied>, copied: Copied): number {
  const counts = zones.values().map((each) => (each === copied ? 0 : (each.content?.count ?? 0)));
  return counts.reduce((sum, count) => sum + count, 0);
}

function answerNotified(
  { address, family, query }: DeferredQuery,
  zones: ReadonlyMap<string, Copied>,
  { keys, udpSizeMax }: Served,
  nowSeconds: number,
) {
  const find = (name: Uint8Array): CopiedZone | undefined => {
    const found = zones.values().find(({ apex }) => equalNames(apex, name));
    return found && { ...found, servers: found.servers.flatMap(sourceOf) };
  };
  return answerNotify(query, { family, bytes: address }, find, keys, udpSizeMax, nowSeconds);
}

function sourceOf({ address, key }: PrimaryServerConfig): CopiedZone['servers'] {
  const host = hostOf(address);
  return host ? [{ address: host, key: key === undefined ? undefined : parseName(key) }] : [];
}

/** So many at once, and so many of one kind; the others in their turn. */
function createTurns(
  most: number,
  mostOfKind: number,
): (kind: string, act: () => Promise<void>) => Promise<void> {
  const kinds = new Map<string, { running: number; readonly waiting: (() => void)[] }>();
  let all = 0;
  const next = (): void => {
    for (const [kind, each] of kinds) {
      while (all < most && each.running < mostOfKind && each.waiting.length > 0) {
        all += 1;
        each.running += 1;
        each.waiting.shift()!();
      }
      if (each.running === 0 && each.waiting.length === 0) kinds.delete(kind);
    }
  };
  return async (kind, act) => {
    const own = kinds.get(kind) ?? { running: 0, waiting: [] };
    kinds.set(kind, own);
    await new Promise<void>((go) => {
      own.waiting.push(go);
      next();
    });
    try {
      await act();
    } finally {
      all -= 1;
      own.running -= 1;
      // Others first, when there is room again.
      kinds.delete(kind);
      kinds.set(kind, own);
      next();
    }
  };
}
