import type { ZoneOverlay } from '../config/overlay.ts';
import { type FileKey, fileRrsets, fileSigningKeys, passedTimes } from '../dns/dnssec/key-files.ts';
import { publishedRrsets, signingKeysOf } from '../dns/dnssec/key-set.ts';
import type { ZoneSigningKeys } from '../dns/dnssec/signing-keys.ts';
import { jitterSecondsOf, type SigningTimes } from '../dns/dnssec/validity.ts';
import { apexOf, KEY_TTL_SECONDS } from './describe-keys.ts';
import type { RestingZone } from './resting-zones.ts';
import { type SerialMemory, serialIncrementOf } from './serial-memory.ts';
import type { SigningMemory } from './signing-memory.ts';
import type { ToldSerials } from './told-serials.ts';
import type { Held, KeptZone, ZoneKeysParts } from './zone-keys.ts';

/** What the signer and the zones are told of keys, and what is remembered of it. */

const WEEK_SECONDS = 7 * 86_400;

/** Before the first look: nobody knows yet that there are none. */
export const LOOKED_FOR: Held = { kind: 'none', reason: 'they are being looked for' };

/** What the signer and the zones were told last: each change is told once, the signer first. */
export function createShown(
  { setOverlay, tell }: ZoneKeysParts,
  memory: SigningMemory,
  serials: Pick<ToldSerials, 'get' | 'tell'>,
) {
  const overlays = new Map<string, string>();
  /** Answered unsigned though they are to be signed. */
  const bare = new Set<string>();
  let told = '[]';
  const note = ({ held, zone }: KeptZone, nowMs: number): void => {
    if (held.kind === 'none' && held !== LOOKED_FOR) bare.add(zone);
    const shared = serials.get(zone);
    if (held.kind === 'none' && memory.get(zone) === undefined && shared === undefined) return;
    const isAnew = held.kind !== 'none' && bare.delete(zone);
    const seen = { isSigned: true, isAnew, weeks: weeksAt(nowMs), nowMs };
    const sinceMs = held.kind === 'set' ? held.set.madeAtMs : nowMs;
    memory.note(zone, shared, { ...seen, sinceMs, changes: changesOf(held) });
  };
  const rest = ({ set, zone }: RestingZone, nowMs: number): void => {
    bare.delete(zone);
    const changes = set === undefined ? {} : changesOf({ kind: 'set', set });
    const seen = { isSigned: false, isAnew: false, weeks: weeksAt(nowMs), nowMs };
    memory.note(zone, serials.get(zone), { ...seen, sinceMs: nowMs, changes });
  };
  const setOverlays = (shown: readonly Pick<KeptZone, 'held' | 'zone'>[]): void => {
    const wanted = new Map(shown.map((each) => [each.zone, overlayOf(each, memory)]));
    for (const zone of new Set([...overlays.keys(), ...wanted.keys()])) {
      const overlay = wanted.get(zone);
      const now = overlay === undefined ? '' : JSON.stringify(overlay);
      if (now === (overlays.get(zone) ?? '')) continue;
      overlays.set(zone, now);
      setOverlay(zone, overlay);
    }
  };
  const memoriesOf = (shown: readonly { readonly zone: string }[]) =>
    new Map<string, SerialMemory>(
      shown.flatMap(({ zone }) => {
        const known = memory.get(zone);
        return known === undefined ? [] : [[zone, known] as const];
      }),
    );
  const unsigned = ({ zone }: { readonly zone: string }) =>
    ({ zone, held: { kind: 'none', reason: '' } }) as const;
  return {
    /** The serials that zones had before the start, while their keys are looked for. */
    begin(zones: readonly KeptZone[], resting: readonly RestingZone[]): void {
      setOverlays([...zones, ...resting].map(unsigned));
    },
    show(zones: readonly KeptZone[], resting: readonly RestingZone[], nowMs: number): void {
      const signing = zones.flatMap((kept) => signingOf(kept) ?? []);
      const text = JSON.stringify(signing);
      if (text !== told) {
        told = text;
        tell(signing);
      }
      for (const kept of zones) note(kept, nowMs);
      for (const each of resting) rest(each, nowMs);
      // Before anybody sees a serial that a restart would not know of.
      memory.save();
      setOverlays([...zones, ...resting.map(unsigned)]);
      serials.tell(memoriesOf([...zones, ...resting]));
    },
  };
}

const weeksAt = (nowMs: number): number => Math.max(0, Math.floor(nowMs / 1000 / WEEK_SECONDS));

function changesOf(held: Held): Readonly<Record<string, number>> {
  switch (held.kind) {
    case 'set':
      return { [`set ${held.set.madeAtMs}`]: held.set.revision };
    case 'files':
      return Object.fromEntries(
        held.keys.map((key) => [fileName(key), passedTimes([key], held.atSeconds)]),
      );
    case 'none':
      return {};
  }
}

const fileName = ({ algorithm, tag }: FileKey): string => `file ${algorithm} ${tag}`;

export function timesOf({ refreshSeconds, validitySeconds }: KeptZone['dnssec']): SigningTimes {
  const jitterSeconds = jitterSecondsOf(validitySeconds, refreshSeconds);
  return { validitySeconds, refreshSeconds, jitterSeconds };
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
 * have to come by new signatures (PowerDNS calls this INCREMENT-WEEKS). What a zone has got so it keeps when
 * it is not signed any more: with a smaller serial its secondaries would keep the signed copy.
 */
function overlayOf(
  { held, zone }: Pick<KeptZone, 'held' | 'zone'>,
  memory: SigningMemory,
): ZoneOverlay | undefined {
  const known = memory.get(zone);
  if (known === undefined) return undefined;
  const apex = apexOf(zone);
  const shown = { zone, serialIncrement: serialIncrementOf(known) };
  switch (held.kind) {
    case 'set':
      return { ...shown, isKeyed: true, rrsets: publishedRrsets(held.set, apex, KEY_TTL_SECONDS) };
    case 'files':
      return {
        ...shown,
        isKeyed: true,
        rrsets: fileRrsets(held.keys, apex, KEY_TTL_SECONDS, held.atSeconds),
      };
    case 'none':
      return { ...shown, rrsets: [] };
  }
}
