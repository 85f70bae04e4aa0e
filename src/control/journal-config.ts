import { createHash } from 'node:crypto';
import type { Config, ZoneConfig } from '../config/config.ts';
import type { PackedRrsets } from '../zone/packed-rrsets.ts';

/**
 * The part of a configuration that answers follow from, kept with the record so that an instant under
 * another configuration can be replayed. It has no secrets: those are in other parts.
 */
export type SteeringPart = Pick<Config, 'regions' | 'geo' | 'pools' | 'policies' | 'zones'> & {
  readonly dns: Pick<Config['dns'], 'udpSizeMax'>;
  /** Zones of large files are not among the zones: those of the present take their place. */
  readonly lacksFiles: boolean;
};

/** Part of the text, so that another version's does not pass for ours. */
const VERSION = 2;
/** Zone files that are kept with the record, all zones together in packed octets. */
export const FILES_KEPT_OCTETS_MAX = 4 * 1024 * 1024;

export type HashedPart = { readonly hash: string; readonly text: string };

/** The part as text, and the SHA-256 of that, hexadecimal. */
export function hashSteeringPart(config: Config): HashedPart {
  const { dns, geo, policies, pools, regions } = config;
  const { udpSizeMax } = dns;
  const lacksFiles = filedOctets(config) > FILES_KEPT_OCTETS_MAX;
  const zones = lacksFiles
    ? { zones: writtenZones(config), files: markOf(config) }
    : keptZones(config);
  const part = { regions, geo, pools, policies, dns: { udpSizeMax }, lacksFiles, ...zones };
  const text = JSON.stringify({ version: VERSION, ...part });
  return { hash: hashOf(text), text };
}

function filedOctets({ zones }: Config): number {
  let octets = 0;
  for (const name in zones) {
    const { filed } = zones[name]!;
    if (filed !== undefined) octets += filed.to - filed.from;
  }
  return octets;
}

function writtenZones({ zones }: Config): Config['zones'] {
  return Object.fromEntries(Object.entries(zones).filter(([, { filed }]) => filed === undefined));
}

/** Files are packed anew when they are read again, and only then. */
const marks = new WeakMap<PackedRrsets, number>();
let nextMark = 1;

/** Another one when other files are served. */
function markOf({ zones }: Config): number {
  let mark = 0;
  for (const name in zones) {
    const { filed } = zones[name]!;
    if (filed === undefined) continue;
    const known = marks.get(filed) ?? nextMark;
    if (known === nextMark) nextMark += 1;
    marks.set(filed, known);
    mark += known;
  }
  return mark;
}

type KeptZone = Omit<ZoneConfig, 'filed'> & {
  readonly filed?: Omit<PackedRrsets, 'bytes'> & { readonly base64: string };
};

function keptZones({ zones }: Config): { readonly zones: Readonly<Record<string, KeptZone>> } {
  const kept = Object.entries(zones).map(([name, zone]): [string, KeptZone] => {
    const { filed, ...rest } = zone;
    if (filed === undefined) return [name, rest];
    const { bytes, from, to, ...about } = filed;
    const base64 = Buffer.from(bytes.subarray(from, to)).toString('base64');
    return [name, { ...rest, filed: { ...about, from: 0, to: to - from, base64 } }];
  });
  return { zones: Object.fromEntries(kept) };
}

/** The part that was hashed so; undefined when the text is another, or another version's. */
export function parseSteeringPart(text: string, hash: string): SteeringPart | undefined {
  if (hashOf(text) !== hash) return undefined;
  // Whose hash is right is what was written: a valid configuration.
  const { files: _, version, ...part } = JSON.parse(text);
  if (version !== VERSION) return undefined;
  const zones = Object.entries(part.zones as Record<string, KeptZone>).map(
    ([name, { filed, ...zone }]): [string, ZoneConfig] => {
      if (filed === undefined) return [name, zone];
      const { base64, ...about } = filed;
      return [name, { ...zone, filed: { ...about, bytes: Buffer.from(base64, 'base64') } }];
    },
  );
  return { ...part, zones: Object.fromEntries(zones) };
}

/** A configuration that compiles to the answers of then; all else is as now. */
export function withSteeringPart(config: Config, part: SteeringPart): Config {
  const { lacksFiles, ...then } = part;
  const now = Object.entries(lacksFiles ? config.zones : {}).filter(([, { filed }]) => filed);
  const zones = lacksFiles ? { ...Object.fromEntries(now), ...then.zones } : then.zones;
  return { ...config, ...then, zones, dns: { ...config.dns, ...then.dns } };
}

const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex');
