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
/**
 * Zone files that are kept with the record, all zones together in packed octets: they are written anew with every
 * change of one of them.
 */
export const FILES_KEPT_OCTETS_MAX = 512 * 1024;

export type HashedPart = { readonly hash: string; readonly text: string };

/** The part as text, and the SHA-256 of that, hexadecimal. */
export function hashSteeringPart(config: Config): HashedPart {
  const { dns, geo, policies, pools, regions } = config;
  const { udpSizeMax } = dns;
  const lacking = lackingFiles(config.zones);
  const zones = lacking ?? keptZones(config);
  const lacksFiles = lacking !== undefined;
  const part = { regions, geo, pools, policies, dns: { udpSizeMax }, lacksFiles, ...zones };
  const text = JSON.stringify({ version: VERSION, ...part });
  return { hash: hashOf(text), text };
}

/** What is kept of zones whose files are too large to be kept. */
type Lacking = {
  readonly zones: Config['zones'];
  /** Another one for other zones. */
  readonly mark: number;
};

const known = new WeakMap<Config['zones'], Lacking>();
let nextMark = 1;

/**
 * Undefined = all of them can be kept. Found out once: when the file of a single zone is replaced, the others
 * are not looked at, and those of the present are taken for it anyway.
 */
function lackingFiles(zones: Config['zones']): Lacking | undefined {
  const found = known.get(zones);
  if (found !== undefined) return found;
  const octets = Object.values(zones).reduce(
    (sum, { filed }) => sum + (filed === undefined ? 0 : filed.to - filed.from),
    0,
  );
  if (octets <= FILES_KEPT_OCTETS_MAX) return undefined;
  const written = Object.entries(zones).filter(([, { filed }]) => filed === undefined);
  const lacking = { zones: Object.fromEntries(written), mark: nextMark };
  nextMark += 1;
  known.set(zones, lacking);
  return lacking;
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
  const { mark: _, version, ...part } = JSON.parse(text);
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
