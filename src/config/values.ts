import { z } from 'zod';
import { parseName } from '../dns/name.ts';
import { TTL_SECONDS_MAX } from '../dns/ttl.ts';
import { parseAddress } from '../ip/address.ts';
import { parsePrefix } from '../ip/prefix.ts';
import { parseSocketAddress } from '../ip/socket-address.ts';

/**
 * The small values that a configuration is made of, as zod schemas. A schema's `meta.hint` is what a
 * person is told when the value is wrong; explain-issue.ts reads it.
 */

const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};
const DURATION = /^([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)$/;
const DURATION_HINT = 'write a number with its unit: 500ms, 3s, 2m or 1h';
const NAME_LENGTH_MAX = 63;
const PATH_LENGTH_MAX = 4096;

/**
 * A check with its own words: `said` follows the value in the message ("10.0.0.256" is not …).
 * explain-issue.ts finds it in the parameters.
 */
export function saying(said: string) {
  return { params: { said } };
}

/** Milliseconds of `500ms`, `3s`, `2m`, `1h` or `14d`; undefined when it is not a duration. */
export function parseDuration(text: string): number | undefined {
  const match = DURATION.exec(text);
  return match ? Number(match[1]) * UNIT_MS[match[2]!]! : undefined;
}

/** The shortest text that `parseDuration` reads back, for messages. */
export function formatDuration(ms: number): string {
  for (const unit of ['h', 'm', 's']) {
    const size = UNIT_MS[unit]!;
    if (ms !== 0 && ms % size === 0) return `${ms / size}${unit}`;
  }
  return `${ms}ms`;
}

/** A duration within limits, in milliseconds. */
export function duration(atLeast: string, atMost: string, hint = DURATION_HINT) {
  const min = parseDuration(atLeast)!;
  const max = parseDuration(atMost)!;
  return z
    .string()
    .regex(DURATION)
    .refine(
      (text) => {
        const ms = parseDuration(text) ?? min;
        return ms >= min && ms <= max;
      },
      saying(`is not within ${atLeast} to ${atMost}`),
    )
    .meta({ what: 'a duration', hint })
    .transform((text) => parseDuration(text)!);
}

/** Names that people give to regions, pools and so on; `/` stays free for `pool/region`. */
export const name = z
  .string()
  .max(NAME_LENGTH_MAX)
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/)
  .meta({
    what: 'a name',
    hint: 'names are letters, digits, ".", "_" and "-", and begin with a letter or digit',
  });

export const address = z
  .string()
  .refine((text) => parseAddress(text) !== undefined, saying('is not an IP address'))
  .meta({ what: 'an IP address', hint: 'for instance 192.0.2.1 or 2001:db8::1, without a port' });

/** A name in full, with or without its last dot. */
export const domainName = z
  .string()
  .refine(
    (text) => text !== '' && parseName(`${text.replace(/\.$/, '')}.`) !== undefined,
    saying('is not a domain name'),
  )
  .transform((text) => `${text.replace(/\.$/, '')}.`)
  .meta({ what: 'a domain name' });

/** One address or a list of them. */
export const addresses = z.union([address.transform((one) => [one]), z.array(address)]).meta({
  what: 'an address or a list of addresses',
  hint: '192.0.2.1, or [192.0.2.1, 192.0.2.2]',
});

/** One value or a list of so many at most: people write one without brackets. */
export function oneOrMany<Item extends z.ZodType>(item: Item, most: number, what: string) {
  return z.union([item.transform((one) => [one]), z.array(item).max(most)]).meta({ what });
}

export const network = z
  .string()
  .refine((text) => parsePrefix(text) !== undefined, saying('is not a network'))
  .meta({
    what: 'a network',
    hint: 'for instance 192.0.2.0/24; bits after the prefix length must be zero',
  });

export const port = z
  .int()
  .min(1)
  .max(65535)
  .meta({ what: 'a port', hint: 'a port is a number from 1 to 65535' });

export const ttl = z
  .int()
  .min(0)
  .max(TTL_SECONDS_MAX)
  .meta({ what: 'a TTL', hint: 'TTLs are whole seconds, without a unit: 300' });

export const weight = z.number().min(0).max(1_000_000).default(1);

export const path = z.string().min(1).max(PATH_LENGTH_MAX);

/** `address:port` in one text, as an alternative to a map with both. */
export const socketAddress = z
  .string()
  .refine((text) => parseSocketAddress(text) !== undefined, saying('is not an address and port'))
  .meta({
    what: 'an address with a port',
    hint: 'for instance 192.0.2.1:53 or "[2001:db8::1]:53"',
  });

const HOST_PORT = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9_.-]+)):([0-9]{1,5})$/;

/** `node2.example.com:8054`, `192.0.2.2:8054`, `[2001:db8::2]:8054`: a name or an address, without brackets. */
export function parseHostPort(text: string): { host: string; port: number } | undefined {
  const match = HOST_PORT.exec(text);
  const number = Number(match?.[3]);
  const host = match?.[1] ?? match?.[2];
  return host !== undefined && number > 0 && number < 65_536 ? { host, port: number } : undefined;
}

export const hostPort = z
  .string()
  .refine((text) => parseHostPort(text) !== undefined, saying('is not a host with a port'))
  .meta({ what: 'a host with a port', hint: 'node2.example.com:8054 or 192.0.2.2:8054' });
