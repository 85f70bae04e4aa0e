import type { Config } from '../config/config.ts';
import type { CopyStatus } from '../control/control-plane.ts';
import { parseName } from '../dns/name.ts';
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
  openCopied,
  tellAlterations,
  turn,
} from './copied-zone.ts';

/**
 * The zones that this node copies from their primaries: looks when it is time or when it is told to, keeps what came on
 * disk, and puts it under what is served. What cannot be served is refused, and the copy of before stays.
 */
export type Secondaries = {
  /** Takes up the copies on disk, before anything is served. */
  adopt(config: Config): void;
  /** Lets go of them again, when nothing can be served with them. False when there are none. */
  disown(): boolean;
  /** Looks after these zones from now on. */
  follow(config: Config, snapshot: Pick<Snapshot, 'tsigKeys' | 'udpSizeMax'>): void;
  /** The reply to a NOTIFY; undefined = none. */
  notified(query: DeferredQuery): Uint8Array | undefined;
  /** Looks now; settles when it has. False when the zone has no primary. */
  refresh(zone: string): Promise<boolean>;
  status(zone: string): CopyStatus | undefined;
  /** Settles when all copies are on disk. */
  close(): Promise<void>;
};

/** Looks under way at once; other zones wait for their turn. */
export const LOOKS_AT_ONCE_MAX = 8;

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
    run: createTurns(LOOKS_AT_ONCE_MAX),
    served: () => served,
  };
  const open = (zone: string, { primary }: Config['zones'][string]): Copied | undefined => {
    const known = zones.get(zone);
    if (known !== undefined || primary === undefined) return known;
    const opened = openCopied(copying, zone, primary.servers);
    if (opened !== undefined) zones.set(zone, opened);
    return opened;
  };
  return {
    adopt(config) {
      for (const [zone, each] of Object.entries(config.zones)) open(zone, each);
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
      for (const [zone, each] of Object.entries(config.zones)) {
        const copied = open(zone, each);
        if (copied === undefined || each.primary === undefined) continue;
        const { servers } = each.primary;
        if (JSON.stringify(copied.servers) !== JSON.stringify(servers)) {
          copied.servers = servers;
          copied.schedule = lookForced(copied.schedule, clock.nowMs());
        }
        tellAlterations(copying, copied);
        turn(copying, copied);
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
    async refresh(zone) {
      const copied = zones.get(zone);
      if (copied === undefined) return false;
      const ended = new Promise<void>((done) => copied.waiting.push(done));
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

function answerNotified(
  { address, family, query }: DeferredQuery,
  zones: ReadonlyMap<string, Copied>,
  { keys, udpSizeMax }: Served,
  nowSeconds: number,
) {
  const copies = [...zones.values()].map(
    ({ apex, servers, zone }): CopiedZone => ({
      zone,
      apex,
      servers: servers.flatMap(({ address, key }) => {
        const host = hostOf(address);
        return host ? { address: host, key: key === undefined ? undefined : parseName(key) } : [];
      }),
    }),
  );
  return answerNotify(query, { family, bytes: address }, copies, keys, udpSizeMax, nowSeconds);
}

/** So many at once, the others in their turn. */
function createTurns(most: number): (act: () => Promise<void>) => Promise<void> {
  let running = 0;
  const waiting: (() => void)[] = [];
  return async (act) => {
    if (running >= most) await new Promise<void>((go) => waiting.push(go));
    else running += 1;
    try {
      await act();
    } finally {
      // Handed on, or given back.
      const next = waiting.shift();
      if (next === undefined) running -= 1;
      else next();
    }
  };
}
