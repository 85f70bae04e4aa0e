import type { DnssecConfig, ZoneConfig } from '../config/config.ts';
import type { KeyRollStatus, ZoneDnssec, ZoneKeyStatus } from '../control/zone-dnssec.ts';
import { dsText } from '../dns/dnssec/key-digest.ts';
import { type FileKey, fileKeyAt, fileRrsets } from '../dns/dnssec/key-files.ts';
import { needsDs, waitsUntil } from '../dns/dnssec/key-roll.ts';
import {
  type KeyRoll,
  type KeySet,
  type PublishedRrset,
  publishedRrsets,
  schemeOf,
  tagOf,
} from '../dns/dnssec/key-set.ts';
import { ECDSA_P256, ED25519, FLAGS_ZSK } from '../dns/dnssec/keys.ts';
import { parseName } from '../dns/name.ts';

/** Keys of zones in words and numbers for people; what is secret stays here. */

/** TTL of DNSKEY, CDS and CDNSKEY: short enough that a change of keys takes hours, not days. */
export const KEY_TTL_SECONDS = 3600;
/** Until all nodes have a change, with the store away for a moment. */
const NODES_PROPAGATION_SECONDS = 300;

const ALGORITHM_NAMES = { [ECDSA_P256]: 'ecdsap256', [ED25519]: 'ed25519' } as const;
export const ALGORITHM_NUMBERS = { ecdsap256: ECDSA_P256, ed25519: ED25519 } as const;

export const apexOf = (zone: string): string => (zone === '.' ? zone : `${zone}.`);

/** Until a change is with all nodes and secondaries of the zone. */
export function propagationSecondsOf({ soa, transfer }: ZoneConfig): number {
  return NODES_PROPAGATION_SECONDS + (transfer ? soa.refresh + soa.retry : 0);
}

/** Keys that are made and kept by the nodes. */
export function describeKeySet(
  zone: string,
  set: KeySet,
  config: Pick<ZoneConfig, 'dnssec'>,
  /** Before it, caches may hold unsigned answers. */
  dsFromMs: number,
  nowMs: number,
): Omit<ZoneDnssec, 'kept'> {
  const algorithm = ALGORITHM_NAMES[set.algorithm];
  const keys = set.keys.map((key): ZoneKeyStatus => {
    const { role, sinceMs, stage } = key;
    return { tag: tagOf(key), role, algorithm, stage, sinceMs };
  });
  return {
    zone,
    keys,
    ...wishes(publishedRrsets(set, apexOf(zone), KEY_TTL_SECONDS)),
    ...(nowMs < dsFromMs ? { dsFromMs } : {}),
    ...(set.roll === undefined ? {} : { roll: describeRoll(zone, set, set.roll, nowMs) }),
    warnings: config.dnssec === undefined ? [] : differences(zone, set, config.dnssec),
  };
}

function wishes(rrsets: readonly PublishedRrset[]) {
  const data = (wanted: PublishedRrset['type']): readonly string[] =>
    rrsets.find(({ type }) => type === wanted)?.data ?? [];
  return { ds: data('CDS'), cds: data('CDS'), cdnskey: data('CDNSKEY') };
}

/** What the configuration asks for and these keys are not: they stay, for the parent knows them. */
export function differences(
  zone: string,
  set: KeySet,
  { algorithm, scheme }: DnssecConfig,
): readonly string[] {
  const warnings: string[] = [];
  if (schemeOf(set) !== scheme && set.roll?.replaces !== 'csk') {
    const [has, wants] = scheme === 'csk' ? ['a KSK and a ZSK', 'one CSK'] : ['one CSK', 'both'];
    warnings.push(
      `The zone has ${has}, and the configuration asks for ${wants}: meridian dnssec roll start ${zone} --key csk changes it.`,
    );
  }
  if (ALGORITHM_NUMBERS[algorithm] !== set.algorithm) {
    warnings.push(
      `The zone's keys are ${ALGORITHM_NAMES[set.algorithm]}, and the configuration asks for ${algorithm}: algorithms cannot be rolled, so the keys stay.`,
    );
  }
  return warnings;
}

function describeRoll(zone: string, set: KeySet, roll: KeyRoll, nowMs: number): KeyRollStatus {
  const { replaces: key, sinceMs, step } = roll;
  const untilMs = waitsUntil(roll);
  const waitsFor = needsDs(roll) ? 'parent' : nowMs < untilMs ? 'time' : 'nothing';
  return {
    ...{ key, step, sinceMs, waitsFor },
    ...(waitsFor === 'time' ? { untilMs } : {}),
    detail: `${said(set, roll)} ${toDo(zone, roll, waitsFor)}`,
  };
}

function said(set: KeySet, { replaces, step }: KeyRoll): string {
  const tags = (...stages: readonly string[]): string =>
    set.keys.flatMap((key) => (stages.includes(key.stage) ? tagOf(key) : [])).join(', ');
  const coming = tags('announced', 'published');
  const going = tags('retired', 'leaving');
  switch (step) {
    case 'introduced':
      return replaces === 'ksk'
        ? `The parent is to know the new key ${coming}, which is not in the zone yet.`
        : `The new key ${coming} is in the zone and does not sign its records yet.`;
    case 'switched':
      return replaces === 'ksk'
        ? `The new key signs; ${going} is out of the zone, and its DS is still needed.`
        : `The new key signs; ${going} is still needed for what caches have.`;
    case 'withdrawn':
      return 'The old key is out of the zone, and its DS is of no use any more.';
  }
}

function toDo(zone: string, { step }: KeyRoll, waitsFor: KeyRollStatus['waitsFor']): string {
  const next = `meridian dnssec roll next ${zone}`;
  if (waitsFor === 'nothing') return `Go on: ${next}.`;
  if (waitsFor === 'time') return 'Wait until caches have forgotten what was before.';
  return step === 'introduced'
    ? `Have the parent (or registrar) add the DS of the new key beside the old one, unless it reads CDS; then: ${next}.`
    : `Have the parent (or registrar) take out the DS of the old key, unless it reads CDS; then: ${next}.`;
}

/** Keys that somebody keeps in a folder. */
export function describeKeyFiles(
  zone: string,
  keys: readonly FileKey[],
  /** Before it, caches may hold unsigned answers. */
  dsFromMs: number,
  nowMs: number,
): Omit<ZoneDnssec, 'kept'> {
  const nowSeconds = nowMs / 1000;
  const apex = parseName(apexOf(zone))!;
  const isSplit = new Set(keys.map(({ flags }) => flags)).size > 1;
  const said = wishes(fileRrsets(keys, apexOf(zone), KEY_TTL_SECONDS, nowSeconds));
  const entries = keys.filter((key) => {
    return fileKeyAt(key, nowSeconds).isActive && !(isSplit && key.flags === FLAGS_ZSK);
  });
  return {
    zone,
    keys: keys.map((key): ZoneKeyStatus => {
      const passed = Object.values(key.times).filter((at) => at <= nowSeconds);
      return {
        tag: key.tag,
        role: isSplit ? (key.flags === FLAGS_ZSK ? 'zsk' : 'ksk') : 'csk',
        algorithm: ALGORITHM_NAMES[key.algorithm],
        stage: stageOf(key, nowSeconds),
        sinceMs: Math.max(0, ...passed) * 1000,
      };
    }),
    ...said,
    // Whoever made the files may not have said when the parent is to know them.
    ds: said.ds.length > 0 ? said.ds : entries.map(({ dnskey }) => dsText(apex, dnskey)),
    ...(nowMs < dsFromMs ? { dsFromMs } : {}),
    warnings: [],
  };
}

function stageOf(key: FileKey, nowSeconds: number): ZoneKeyStatus['stage'] {
  const { isActive, isPublished, isSynced } = fileKeyAt(key, nowSeconds);
  const { Delete: end = Infinity, Inactive: rest = Infinity } = key.times;
  if (isActive) return 'active';
  if (isPublished) return rest <= nowSeconds ? 'retired' : 'published';
  if (end <= nowSeconds) return isSynced ? 'leaving' : 'gone';
  return 'announced';
}
