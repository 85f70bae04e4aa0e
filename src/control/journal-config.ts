import { createHash } from 'node:crypto';
import type { Config } from '../config/config.ts';

/**
 * The part of a configuration that answers follow from, kept with the record so that an instant under
 * another configuration can be replayed. It has no secrets: those are in other parts.
 */
export type SteeringPart = Pick<Config, 'regions' | 'geo' | 'pools' | 'policies' | 'zones'> & {
  readonly dns: Pick<Config['dns'], 'udpSizeMax'>;
};

/** Part of the text, so that another version's does not pass for ours. */
const VERSION = 1;

export type HashedPart = { readonly hash: string; readonly text: string };

/** The part as text, and the SHA-256 of that, hexadecimal. */
export function hashSteeringPart(config: Config): HashedPart {
  const { dns, geo, policies, pools, regions, zones } = config;
  const { udpSizeMax } = dns;
  const part: SteeringPart = { regions, geo, pools, policies, zones, dns: { udpSizeMax } };
  const text = JSON.stringify({ version: VERSION, ...part });
  return { hash: hashOf(text), text };
}

/** The part that was hashed so; undefined when the text is another, or another version's. */
export function parseSteeringPart(text: string, hash: string): SteeringPart | undefined {
  if (hashOf(text) !== hash) return undefined;
  // Whose hash is right is what was written: a valid configuration.
  const { version, ...part } = JSON.parse(text);
  return version === VERSION ? part : undefined;
}

/** A configuration that compiles to the answers of then; all else is as now. */
export function withSteeringPart(config: Config, part: SteeringPart): Config {
  return { ...config, ...part, dns: { ...config.dns, ...part.dns } };
}

const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex');
