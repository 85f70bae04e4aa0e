import { z } from 'zod';
import { parseSocketAddress } from '../ip/socket-address.ts';
import {
  address,
  hostPort,
  oneOrMany,
  parseHostPort,
  path,
  port,
  saying,
  socketAddress,
} from './values.ts';

/** How this node finds and trusts the other nodes of the same service. */

/** A shorter key can be guessed: 32 characters of `openssl rand -hex 32` are half of one. */
export const CLUSTER_KEY_LENGTH_MIN = 32;
const PEERS_MAX = 1000;

const key = z
  .string()
  .refine((text) => text.length >= CLUSTER_KEY_LENGTH_MIN, saying('is not a cluster key'))
  .meta({
    what: 'a cluster key',
    hint: `at least ${CLUSTER_KEY_LENGTH_MIN} characters, for instance of: openssl rand -hex 32`,
    secret: true,
  });

const listener = z
  .union([
    socketAddress.transform((text) => parseSocketAddress(text)!),
    z.strictObject({
      address: address.describe('Local address.'),
      port: port.default(8054).describe('Port, UDP.'),
    }),
  ])
  .meta({
    what: 'an address with a port',
    hint: '192.0.2.1:8054, or { address: 192.0.2.1, port: 8054 }',
  });

export const cluster = z.strictObject({
  keys: z
    .array(key)
    .max(8)
    .default([])
    .describe(
      'Secrets that all nodes share: what they tell each other is authenticated and what they store is sealed with them. The first seals, all open. To change it, add the new one at the end everywhere, then put it in front everywhere, then drop the old one; keys are read at start.',
    ),
  keyFiles: oneOrMany(path, 8, 'a path or a list of them')
    .default([])
    .describe('Files with one such secret each; they come before `keys`.'),
  listen: oneOrMany(listener, 8, 'an address with a port or a list of them')
    .default([])
    .describe(
      'Where other nodes tell this one what they see, over UDP. Needs a key. Default: nowhere; then only the store tells.',
    ),
  advertise: z
    .string()
    .refine((text) => parseHostPort(text) !== undefined, saying('is not a host with a port'))
    .meta({ what: 'a host with a port', hint: 'what other nodes reach: 192.0.2.1:8054' })
    .optional()
    .describe('Where others reach `listen`. Default: the first listener, unless it is a wildcard.'),
  peers: oneOrMany(hostPort, PEERS_MAX, 'a host with a port or a list of them')
    .default([])
    .describe('Other nodes, as `host:port`. Those that share the store find each other without.'),
  sharedConfig: z
    .boolean()
    .default(false)
    .describe(
      'Take everything but this node’s own sections (node, dns.listeners, store, cluster, admin, log) from the revision that `meridian config push` has published last. Until there is one, and whenever none is known, this file counts.',
    ),
});
