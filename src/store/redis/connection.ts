import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import { Redis } from 'ioredis';
import { CALL_TIMEOUT_MS } from '../contract/limits.ts';
import type { Address, Login, TlsFiles } from './options.ts';
import { type ScriptName, scripts } from './scripts.ts';

/**
 * One connection to one server. It is never repaired: when anything is wrong with it, it ends and
 * says why, once, and whoever wants another opens one (and finds out anew where, with which password).
 * So ioredis does the protocol here and none of its own reconnecting, queueing and resending, which
 * would run a write twice or a second later than its caller believes.
 */
export type Connection = {
  readonly address: Address;
  run(script: ScriptName, keys: readonly string[], values: readonly string[]): Promise<unknown>;
  call(command: string, ...values: string[]): Promise<unknown>;
  /** The same with octets, in words and in the reply. */
  callBuffer(command: string, words: readonly (string | Buffer)[]): Promise<unknown>;
  subscribe(channel: string, onMessage: (message: string) => void): Promise<void>;
  /** Why it ended; undefined while it lives. */
  problem(): string | undefined;
  /** Ends it for this reason, if it has not ended. */
  fail(reason: string): void;
  /** Calls back once when it ends, not when `end` was called. */
  onEnd(listener: (reason: string) => void): void;
  end(): void;
};

/** What the server may show its operator, and until when we want to come in. */
export type Visit = { readonly name: string; readonly signal: AbortSignal };

export const CONNECTION_NAME = 'meridian';
/** TCP and TLS over half the world. */
const CONNECT_TIMEOUT_MS = 3000;
/** How long a server gets to agree that the connection is closed. */
const GOODBYE_MS = 100;
const REASON_LENGTH_MAX = 200;

/** Rejects with an error whose message says what is wrong, without secrets. */
export async function connect(
  address: Address,
  login: Login,
  { name, signal }: Visit,
): Promise<Connection> {
  const password = await passwordOf(login);
  const tls = login.tls && (await tlsOptions(login.tls, address));
  const client = new Redis({
    ...address,
    ...(tls ? { tls } : {}),
    lazyConnect: true,
    protocol: 2,
    connectTimeout: CONNECT_TIMEOUT_MS,
    commandTimeout: CALL_TIMEOUT_MS,
    disconnectTimeout: GOODBYE_MS,
    enableOfflineQueue: false,
    enableReadyCheck: false,
    autoResubscribe: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 1,
    disableClientInfo: true,
    retryStrategy: () => null,
    scripts,
  });
  const connection = wrap(client, address, signal);
  try {
    signal.throwIfAborted();
    await client.connect();
  } catch (error) {
    connection.end();
    // ioredis only says that it is closed; why, it said before.
    throw new Error(connection.problem() ?? reasonOf(error));
  }
  try {
    await enter(connection, login, password, name);
  } catch (error) {
    connection.end();
    // A server that does not know AUTH repeats the words it was given.
    const said = reasonOf(error);
    throw new Error(password ? said.replaceAll(password, '…') : said);
  }
  return connection;
}

/** Short words for an error: of Redis, of a socket, of TLS. One line, no stack. */
export function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  if (text === 'Command timed out') return `no answer within ${CALL_TIMEOUT_MS} ms`;
  if (text === 'connect ETIMEDOUT') return `no connection within ${CONNECT_TIMEOUT_MS} ms`;
  const [line = ''] = text.split('\n');
  return line.length > REASON_LENGTH_MAX ? `${line.slice(0, REASON_LENGTH_MAX)}…` : line;
}

/** Says who we are, which database we mean, and for the operator's CLIENT LIST what we are. */
async function enter(
  connection: Connection,
  { username, db }: Login,
  password: string | undefined,
  name: string,
): Promise<void> {
  if (password !== undefined) {
    const words = username === undefined ? [password] : [username, password];
    try {
      await connection.call('auth', ...words);
    } catch (error) {
      // A password for a server that wants none does no harm.
      if (!reasonOf(error).includes('without any password configured')) throw error;
    }
  }
  if (db !== 0) await connection.call('select', String(db));
  // An ACL user need not be allowed to have a name.
  await connection.call('client', 'setname', name).catch(() => {});
}

function wrap(client: Redis, address: Address, signal: AbortSignal): Connection {
  const listeners = new Set<(reason: string) => void>();
  let problem: string | undefined;
  let isEnded = false;
  const ended = (reason: string): void => {
    problem ??= reason;
    if (isEnded) return;
    isEnded = true;
    signal.removeEventListener('abort', end);
    for (const listener of listeners) listener(problem);
    listeners.clear();
  };
  const end = (): void => {
    isEnded = true;
    signal.removeEventListener('abort', end);
    listeners.clear();
    client.disconnect();
  };
  signal.addEventListener('abort', end, { once: true });
  client.on('error', (error) => {
    problem ??= reasonOf(error);
  });
  client.on('end', () => ended('the connection was closed'));
  const runners = client as unknown as Readonly<
    Record<ScriptName, (...words: string[]) => Promise<unknown>>
  >;
  return {
    address,
    run: (script, keys, values) => runners[script](...keys, ...values),
    call: (command, ...values) => client.call(command, ...values),
    callBuffer: (command, words) => client.callBuffer(command, [...words]),
    async subscribe(channel, onMessage) {
      client.on('message', (_channel: string, message: string) => onMessage(message));
      await client.subscribe(channel);
    },
    problem: () => problem,
    fail(reason) {
      ended(reason);
      client.disconnect();
    },
    onEnd(listener) {
      if (isEnded) queueMicrotask(() => listener(problem ?? 'the connection was closed'));
      else listeners.add(listener);
    },
    end,
  };
}

async function passwordOf({ password, passwordFile }: Login): Promise<string | undefined> {
  if (passwordFile === undefined) return password;
  return (await readText(passwordFile)).trimEnd();
}

async function tlsOptions(files: TlsFiles, { host }: Address): Promise<ConnectionOptions> {
  const { ca, cert, key, serverName, verify = true } = files;
  const name = serverName ?? host;
  return {
    ...(ca === undefined ? {} : { ca: await readText(ca) }),
    ...(cert === undefined ? {} : { cert: await readText(cert) }),
    ...(key === undefined ? {} : { key: await readText(key) }),
    // An address is no name that could be asked for (RFC 6066 section 3); it is checked all the same.
    ...(isIP(name) ? {} : { servername: name }),
    rejectUnauthorized: verify,
  };
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new Error(`cannot read ${path}: ${(error as NodeJS.ErrnoException).code ?? 'error'}`);
  }
}
