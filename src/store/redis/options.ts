import { isIP } from 'node:net';
import { z } from 'zod';

/** What a person writes about Redis, and what it means. */

const REDIS_PORT = 6379;
const SENTINEL_PORT = 26_379;
const SERVERS_MAX = 32;
const TEXT_LENGTH_MAX = 1024;
const HOST_PORT = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9_.-]+))(?::([0-9]{1,5}))?$/;

export type Address = { readonly host: string; readonly port: number };

/** A host with or without a port; undefined when it is neither. */
export function parseServer(text: string, usualPort: number): Address | undefined {
  const match = HOST_PORT.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = match?.[3] === undefined ? usualPort : Number(match[3]);
  if (host === undefined || port < 1 || port > 65_535) return undefined;
  return match?.[1] !== undefined && isIP(host) !== 6 ? undefined : { host, port };
}

type RedisUrl = {
  readonly address: Address;
  readonly username?: string;
  readonly password?: string;
  readonly db?: number;
  readonly isTls: boolean;
};

/** `redis://[user][:password]@host[:port][/db]`, `rediss://` for TLS; undefined for anything else. */
export function parseRedisUrl(text: string): RedisUrl | undefined {
  const url = URL.parse(text);
  // A second "@" would be part of the password, and whoever hides passwords might show it.
  if (text.indexOf('@') !== text.lastIndexOf('@')) return undefined;
  if (url === null || (url.protocol !== 'redis:' && url.protocol !== 'rediss:')) return undefined;
  const address = parseServer(url.host, REDIS_PORT);
  const path = /^\/?([0-9]{0,5})$/.exec(url.pathname);
  const username = decoded(url.username);
  const password = decoded(url.password);
  if (!address || !path || url.search !== '' || url.hash !== '') return undefined;
  if (username === undefined || password === undefined) return undefined;
  return {
    address,
    isTls: url.protocol === 'rediss:',
    ...(username === '' ? {} : { username }),
    ...(password === '' ? {} : { password }),
    ...(path[1] ? { db: Number(path[1]) } : {}),
  };
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

const file = z.string().min(1).max(4096);
const word = z.string().min(1).max(TEXT_LENGTH_MAX);
const secret = word.meta({ what: 'a password', secret: true });

const server = z
  .string()
  .refine((text) => parseServer(text, REDIS_PORT) !== undefined, {
    params: { said: 'is not a host with a port' },
  })
  .meta({ what: 'a host with a port', hint: 'redis1.example.com:6379, or "[2001:db8::1]:6379"' });

const tls = z.strictObject({
  ca: file.optional().describe('File with the certificates to trust, PEM. Default: those of Node.'),
  cert: file.optional().describe('File with the certificate to show, PEM.'),
  key: file.optional().describe('File with its key, PEM.'),
  serverName: word
    .optional()
    .describe(
      "Name that the server's certificate must have. Default: the host. Needed when Sentinel or Cluster tell addresses.",
    ),
  verify: z
    .boolean()
    .default(true)
    .describe("Check the server's certificate. Without, anybody on the way can read and write."),
});

export const redisOptions = z
  .strictObject({
    url: word
      .refine((text) => parseRedisUrl(text) !== undefined, {
        params: { said: 'is not the URL of a Redis' },
      })
      .meta({
        what: 'a URL',
        hint: 'redis://user:password@host:6379/0, or rediss:// for TLS',
        secret: true,
      })
      .optional()
      .describe(
        'The server, instead of `servers`: `redis://user:password@host:6379/0`, `rediss://` for TLS.',
      ),
    servers: z
      .array(server)
      .max(SERVERS_MAX)
      .default([])
      .describe(
        'Hosts with ports. One server, or several of which the first that takes writes is used; in mode `sentinel` the Sentinels, in mode `cluster` some of the nodes.',
      ),
    mode: z
      .enum(['single', 'sentinel', 'cluster'])
      .default('single')
      .describe('How the server that takes writes is found.'),
    sentinelName: word
      .default('mymaster')
      .describe('The name under which the Sentinels watch the server.'),
    username: word.optional().describe('ACL user. Default: the default user.'),
    password: secret
      .optional()
      .describe(
        'Its password. Better not in this file: `passwordFile`, or a variable of the environment.',
      ),
    passwordFile: file
      .optional()
      .describe(
        'File with the password, read again at each connection, so that it can be changed.',
      ),
    sentinelUsername: word.optional().describe('ACL user at the Sentinels.'),
    sentinelPassword: secret.optional().describe('Its password.'),
    sentinelPasswordFile: file.optional().describe('File with it.'),
    db: z
      .int()
      .min(0)
      .max(65_535)
      .default(0)
      .describe('Number of the database; a Cluster has only 0.'),
    tls: z
      .union([z.boolean(), tls])
      .meta({ what: 'true, false or a map' })
      .default(false)
      .describe('Speak TLS, to Sentinels too: true, or a map.'),
    prefix: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$/)
      .meta({ what: 'a prefix', hint: 'letters, digits, ".", "_", ":" and "-", 64 at most' })
      .default('meridian')
      .describe(
        'All keys begin with it in braces: `{meridian}:`. Services that share a Redis need different ones.',
      ),
  })
  .refine(({ url, servers }) => (url === undefined) !== (servers.length === 0), {
    path: ['servers'],
    error: 'write one of `url` and `servers`, to say where Redis is',
  })
  .refine(({ url, mode }) => url === undefined || mode === 'single', {
    path: ['mode'],
    error: 'this mode needs `servers`, not `url`',
  })
  .refine(({ password, passwordFile }) => password === undefined || passwordFile === undefined, {
    path: ['passwordFile'],
    error: 'write one of `password` and `passwordFile`',
  })
  .refine(({ mode, db }) => mode !== 'cluster' || db === 0, {
    path: ['db'],
    error: 'a Cluster has only database 0',
  });
export type RedisOptions = z.infer<typeof redisOptions>;

/** What the options come to: whom to ask, and with which words to come in. */
export type Target = {
  readonly mode: RedisOptions['mode'];
  readonly servers: readonly Address[];
  readonly sentinelName: string;
  readonly login: Login;
  readonly sentinelLogin: Login;
  readonly prefix: string;
};

export type Login = {
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly passwordFile: string | undefined;
  readonly db: number;
  readonly tls: TlsFiles | undefined;
};
export type TlsFiles = Partial<z.infer<typeof tls>>;

export function targetOf(options: RedisOptions): Target {
  const url = options.url === undefined ? undefined : parseRedisUrl(options.url);
  const usualPort = options.mode === 'sentinel' ? SENTINEL_PORT : REDIS_PORT;
  const servers = url
    ? [url.address]
    : options.servers.map((text) => parseServer(text, usualPort)!);
  const tlsMap = typeof options.tls === 'object' ? options.tls : {};
  const usesTls = options.tls !== false || url?.isTls === true;
  return {
    mode: options.mode,
    servers,
    sentinelName: options.sentinelName,
    prefix: options.prefix,
    login: {
      username: options.username ?? url?.username,
      password: options.password ?? (options.passwordFile ? undefined : url?.password),
      passwordFile: options.passwordFile,
      db: url?.db ?? options.db,
      tls: usesTls ? tlsMap : undefined,
    },
    sentinelLogin: {
      username: options.sentinelUsername,
      password: options.sentinelPassword,
      passwordFile: options.sentinelPasswordFile,
      db: 0,
      tls: usesTls ? tlsMap : undefined,
    },
  };
}
