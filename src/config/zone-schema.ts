import { z } from 'zod';
import { TTL_SECONDS_MAX } from '../dns/ttl.ts';
import { parseSocketAddress } from '../ip/socket-address.ts';
import { dnssec } from './dnssec-schema.ts';
import { update } from './update-schema.ts';
import {
  address,
  domainName as fullName,
  name,
  network,
  port,
  socketAddress,
  ttl,
} from './values.ts';

/**
 * The shape of a zone in the file. Owner names and rdata stay text here: zone-records.ts gives them
 * their meaning, since only there the zone's name is known.
 */

/** Longest text of one record's data; a TXT RRset of 64 KiB is the largest that DNS can carry. */
const RDATA_TEXT_LENGTH_MAX = 65_535;
const RECORDS_PER_SET_MAX = 1000;
const PATH_LENGTH_MAX = 4096;
const TRANSFERS_MAX = 64;
const PRIMARIES_MAX = 16;

const TTL_DEFAULT = 300;
/** The policy of a steered name that states none; there even when the file does not define it. */
export const DEFAULT_POLICY = 'closest';
/** Bounds of a steered name's TTL in seconds. */
export const TTL_MIN_DEFAULT = 5;
export const TTL_MAX_DEFAULT = 30;
const SERIAL_MAX = 0xffffffff;

const domainName = z.string().min(1).max(1024);
const seconds = z
  .int()
  .min(1)
  .max(TTL_SECONDS_MAX)
  .meta({ what: 'a number of seconds', hint: 'whole seconds, without a unit: 3600' });

export const soa = z.strictObject({
  mname: domainName.optional().describe('Primary nameserver. Default: the first of `nameservers`.'),
  rname: domainName
    .default('hostmaster')
    .describe(
      'Mailbox of who is responsible, with a dot for the @: `hostmaster` is hostmaster@ the zone.',
    ),
  serial: z.int().min(0).max(SERIAL_MAX).default(1).describe('Serial number of the zone.'),
  refresh: seconds.default(3600).describe('Seconds after which secondaries look for changes.'),
  retry: seconds.default(600).describe('Seconds after which a failed look is repeated.'),
  expire: seconds
    .default(1_209_600)
    .describe('Seconds after which a secondary without contact stops answering.'),
  minimum: ttl
    .default(60)
    .describe('Seconds for which resolvers may remember that a name does not exist.'),
});

const datum = z.string().max(RDATA_TEXT_LENGTH_MAX);
const data = z.union([
  datum.transform((one) => [one]),
  z.array(datum).min(1).max(RECORDS_PER_SET_MAX),
]);
const recordSet = z
  .union([
    datum.transform((one) => ({ ttl: undefined, data: [one] })),
    z
      .array(datum)
      .min(1)
      .max(RECORDS_PER_SET_MAX)
      .transform((list) => ({ ttl: undefined, data: list })),
    z
      .strictObject({
        ttl: ttl.optional().describe("TTL of these records. Default: the zone's."),
        data: data.describe('One value or a list, as in a zone file.'),
      })
      .transform((set) => ({ ttl: set.ttl, data: set.data })),
  ])
  .meta({
    what: 'record data',
    hint: 'text, a list of texts, or { ttl: 300, data: … }; quote numbers',
  });

/** Protocol identifiers (RFC 7301): letters of them need no escapes. */
export const alpn = z
  .array(z.string().regex(/^[!-~]{1,255}$/))
  .min(1)
  .max(16)
  .meta({ what: 'a list of protocols', hint: '[h2, h3]' });

const serviceBinding = z.strictObject({
  priority: z.int().min(1).max(65_535).default(1).describe('Lower ones are tried first.'),
  alpn: alpn.default(['h2']).describe('Protocols, unless the endpoint has its own.'),
  port: port.optional().describe('Default: that of the scheme, 443.'),
  hints: z
    .boolean()
    .default(true)
    .describe('Whether the addresses that the client would be answered are in it.'),
});

const steered = z.strictObject({
  pool: name.describe('The pool that the name is answered with.'),
  policy: name.default(DEFAULT_POLICY).describe('The policy that chooses.'),
  ttl: z
    .strictObject({
      min: ttl.default(TTL_MIN_DEFAULT).describe('Seconds, when a change may be near.'),
      max: ttl.default(TTL_MAX_DEFAULT).describe('Seconds, when nothing is about to change.'),
    })
    .prefault({})
    .describe('Bounds of the TTL, which shortens as a change of health comes near.'),
  https: serviceBinding
    .optional()
    .describe('The name has HTTPS records too, which follow the chosen endpoint. Default: none.'),
  svcb: serviceBinding.optional().describe('Likewise SVCB records. Default: none.'),
});

const keyName = fullName.transform((text) => text.toLowerCase());

const transferAllowed = z
  .union([
    network.transform((text) => ({ network: text })),
    z.strictObject({ key: keyName.describe('Name of a key in `dns.keys`.') }),
  ])
  .meta({ what: 'a network or a key', hint: '192.0.2.0/24, or { key: secondary }' });

const notified = z
  .union([
    socketAddress.transform((text) => parseSocketAddress(text)!),
    z.strictObject({
      address: address.describe('Of the secondary.'),
      port: port.default(53).describe('Port.'),
      key: keyName.optional().describe('The key in `dns.keys` that signs it. Default: none.'),
      source: address
        .optional()
        .describe("Local address that it is sent from. Default: the system's choice."),
    }),
  ])
  .meta({ what: 'an address with a port', hint: '192.0.2.1:53, or { address: …, key: … }' });

export const transfer = z.strictObject({
  allow: z
    .array(transferAllowed)
    .max(TRANSFERS_MAX)
    .default([])
    .describe('Who may copy the zone (AXFR, IXFR): networks, and who has a key.'),
  notify: z
    .array(notified)
    .max(TRANSFERS_MAX)
    .default([])
    .describe('Secondaries that are told of a new serial (NOTIFY).'),
  steered: z
    .enum(['default', 'omit'])
    .default('default')
    .describe(
      'What a copy has of steered names: what somebody of whom nothing is known is answered while all is well, or nothing.',
    ),
});

const primaryServer = z
  .union([
    socketAddress.transform((text) => parseSocketAddress(text)!),
    z.strictObject({
      address: address.describe('Of the primary.'),
      port: port.default(53).describe('Port.'),
      key: keyName
        .optional()
        .describe(
          'The key in `dns.keys` that signs questions and answers, and that a NOTIFY may be signed with. Default: none.',
        ),
      source: address
        .optional()
        .describe("Local address that it is asked from. Default: the system's choice."),
    }),
  ])
  .meta({ what: 'an address with a port', hint: '192.0.2.1:53, or { address: …, key: … }' });

const primary = z.strictObject({
  servers: z
    .array(primaryServer)
    .min(1)
    .max(PRIMARIES_MAX)
    .describe(
      'Where the zone is copied from (IXFR, AXFR); those behind the first are asked when it fails.',
    ),
  whenExpired: z
    .enum(['servfail', 'answer'])
    .default('servfail')
    .describe(
      'What is done with the copied records when no primary was reached for as long as their SOA allows (RFC 1034): none of them is answered, or the old ones are. Steered names are answered in any case.',
    ),
});

export const zone = z.strictObject({
  file: z
    .string()
    .min(1)
    .max(PATH_LENGTH_MAX)
    .optional()
    .describe(
      "A master file (RFC 1035) with the zone's SOA, nameservers and records, below the folder of this file. Other records and steered names may be added here.",
    ),
  ttl: ttl.default(TTL_DEFAULT).describe('TTL of records that have none of their own.'),
  soa: soa
    .optional()
    .describe('The start of authority. Every field has a default. Not beside `file`.'),
  nameservers: z
    .union([domainName.transform((one) => [one]), z.array(domainName).min(1).max(32)])
    .optional()
    .meta({ what: 'a name or a list of names' })
    .describe(
      'Names of the nameservers: the NS records of the zone itself. Needed unless there is a `file` or `primary`.',
    ),
  records: z
    .record(z.string(), z.record(z.string(), recordSet))
    .prefault({})
    .describe(
      'Static records: owner, then type, then data. `@` is the zone itself; quote it, and `*` too.',
    ),
  steered: z
    .record(z.string(), steered)
    .prefault({})
    .describe('Names whose A and AAAA are decided for each client.'),
  primary: primary
    .optional()
    .describe(
      'The zone is copied from another nameserver, with steered names on top. Instead of `file`, `soa`, `nameservers` and `records`, which all come from there.',
    ),
  transfer: transfer.optional().describe('Copies by other servers. Default: none.'),
  update: update
    .optional()
    .describe('Changes while it is served (RFC 2136), signed with a key. Default: none.'),
  dnssec: dnssec
    .optional()
    .describe('Whether the zone is signed, and how; `true` is all defaults. Default: it is not.'),
});

export type ZoneFile = z.output<typeof zone>;
