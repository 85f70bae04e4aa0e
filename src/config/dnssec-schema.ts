import { z } from 'zod';
import { duration, path } from './values.ts';

/** How a zone is signed, as it stands in the file. */

/** RFC 8624 3.1: algorithms that a signer may use and that validators know. */
export const SIGNING_ALGORITHMS = ['ecdsap256', 'ed25519'] as const;
/** One key for all, or one that the parent knows beside one that signs records (RFC 6781 3.1). */
export const KEY_SCHEMES = ['csk', 'ksk-zsk'] as const;
/** How names that do not exist are denied. */
export const DENIALS = ['compact', 'nsec'] as const;

const VALIDITY_DEFAULT = '14d';
const REFRESH_DEFAULT = '7d';
const DAYS_HINT = 'write a number with its unit: 12h or 14d';

const signed = z.strictObject({
  keys: z
    .enum(KEY_SCHEMES)
    .default('csk')
    .describe(
      'One key (`csk`), or one that the parent knows beside one for the records (`ksk-zsk`).',
    ),
  algorithm: z
    .enum(SIGNING_ALGORITHMS)
    .default('ecdsap256')
    .describe('ECDSA P-256 (13), which every resolver knows, or Ed25519 (15).'),
  denial: z
    .enum(DENIALS)
    .default('compact')
    .describe(
      'How names that do not exist are denied: `compact` makes one record for the name that was asked for (RFC 9824), `nsec` shows the names around it.',
    ),
  validity: duration('1h', '90d', DAYS_HINT)
    .prefault(VALIDITY_DEFAULT)
    .describe('How long signatures are good.'),
  refresh: duration('10m', '89d', DAYS_HINT)
    .prefault(REFRESH_DEFAULT)
    .describe('A signature is made anew when less than this is left of it.'),
  folder: path
    .optional()
    .describe(
      'A folder with key files as `dnssec-keygen` makes them, which are then the keys of the zone; relative to the folder of this file. Default: keys are made here, and shared by all nodes.',
    ),
});

export const dnssec = z
  .union([z.boolean().transform((isSigned) => (isSigned ? signed.parse({}) : undefined)), signed])
  .meta({ what: 'true, false or a map', hint: 'dnssec: true, or { keys: ksk-zsk }' });

export type DnssecFile = z.output<typeof signed>;
