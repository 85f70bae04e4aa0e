/**
 * What a node says of the added records that it serves, in few octets, so that another knows whether a change has
 * arrived there: a digest of all, and the zones that changed last, each with its version and a digest.
 */
import { createHash } from 'node:crypto';
import type { ClusterNodeStatus } from '../control/control-plane.ts';
import type { Visibility } from '../control/zone-records.ts';
import { digestOf, type ZoneAdditions } from '../nameserver/added-records.ts';

/** Zones that are named one by one; of the others the digest of all speaks. */
export const STAMPED_ZONES_MAX = 8;

export type RecordStamps = {
  /** What this node says. */
  text(): string;
  /** Whether a node that says so serves at least this state of the zone. */
  isServed(said: string, zone: string, state: ZoneAdditions): boolean;
};

/**
 * @param served what this node serves, by zone
 * @param isOrdered of two states of a zone the one with the higher version was made from the other, as where
 *   a store decides
 */
export function createRecordStamps(
  served: () => ReadonlyMap<string, ZoneAdditions>,
  isOrdered: boolean,
): RecordStamps {
  const stamps = new Map<string, { readonly state: ZoneAdditions; readonly text: string }>();
  const stampOf = (zone: string, state: ZoneAdditions): string => {
    const known = stamps.get(zone);
    if (known?.state === state) return known.text;
    const text = `${hashOf(zone)}:${state.version.toString(36)}:${digestOf(state.records).slice(0, 6)}`;
    // The last that changed is the last in the map.
    stamps.delete(zone);
    stamps.set(zone, { state, text });
    return text;
  };
  const text = (): string => {
    for (const [zone, state] of served()) stampOf(zone, state);
    const all = [...stamps.values()].map((each) => each.text);
    if (all.length === 0) return '';
    const last = all.slice(-STAMPED_ZONES_MAX).toReversed();
    return [hashOf(all.toSorted().join()), ...last].join(' ');
  };
  return {
    text,
    isServed(said, zone, state) {
      if (said !== '' && said === text()) return true;
      const [digest, ...zones] = said.split(' ');
      const [ownDigest] = text().split(' ');
      if (digest !== '' && digest === ownDigest) return true;
      const own = `${hashOf(zone)}:`;
      const found = zones.find((each) => each.startsWith(own));
      if (found === undefined) return false;
      const known = served().get(zone);
      if (known !== undefined && found === stampOf(zone, known)) return true;
      const version = Number.parseInt(found.slice(own.length), 36);
      return isOrdered && version >= state.version;
    },
  };
}

const hashOf = (text: string): string =>
  createHash('sha256').update(text).digest('hex').slice(0, 8);

export type VisibilityParts = {
  readonly stamps: RecordStamps;
  readonly clock: { nowMs(): number; setTimer(ms: number, run: () => void): () => void };
  nodes(): readonly (Pick<ClusterNodeStatus, 'name' | 'isSelf' | 'state' | 'roles'> & {
    readonly records: string;
  })[];
};

/** How often it is looked who has said so. */
const LOOK_MS = 20;

/**
 * Waits until every living nameserver says that it serves this state of the zone, but not longer than `waitMs`;
 * who has said so by then.
 */
export function waitUntilVisible(
  parts: VisibilityParts,
  zone: string,
  state: ZoneAdditions,
  waitMs: number,
): Promise<Visibility> {
  const untilMs = parts.clock.nowMs() + waitMs;
  return new Promise((resolve) => {
    const look = (): void => {
      const now = visibilityOf(parts, zone, state);
      if (now.visible || parts.clock.nowMs() >= untilMs) resolve(now);
      else parts.clock.setTimer(LOOK_MS, look);
    };
    look();
  });
}

function visibilityOf(
  { nodes, stamps }: VisibilityParts,
  zone: string,
  state: ZoneAdditions,
): Visibility {
  const others = nodes().filter(({ isSelf, roles }) => !isSelf && roles.includes('nameserver'));
  const names = (list: typeof others): string[] => list.map(({ name }) => name);
  const here = others.filter((node) => node.state === 'here');
  const confirmed = here.filter(({ records }) => stamps.isServed(records, zone, state));
  const pending = here.filter((node) => !confirmed.includes(node));
  const self = nodes().filter(({ isSelf, roles }) => isSelf && roles.includes('nameserver'));
  return {
    visible: pending.length === 0,
    confirmed: names([...self, ...confirmed]),
    pending: names(pending),
    silent: names(others.filter((node) => node.state === 'silent')),
  };
}
