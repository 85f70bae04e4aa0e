import { type Connection, connect, reasonOf, type Visit } from './connection.ts';
import type { Address, Target } from './options.ts';

/** Which server takes the writes: as written, as Sentinels say, or as the nodes of a Cluster say. */

/** Sentinels that answer this long after the first one are not waited for. */
const SENTINEL_GRACE_MS = 300;
/** A Cluster that is being changed may send us on more than once. */
const REDIRECTIONS_MAX = 5;

/** Where to try, in this order. Rejects when no Sentinel knows. */
export async function locate(target: Target, visit: Visit): Promise<readonly Address[]> {
  return target.mode === 'sentinel' ? [await askSentinels(target, visit)] : target.servers;
}

/**
 * Connects to the server that holds the keys, following the directions of a Cluster.
 * @param accept rejects with the server's refusal
 */
export async function connectToOwner(
  first: Address,
  target: Target,
  visit: Visit,
  accept: (connection: Connection) => Promise<unknown>,
): Promise<Connection> {
  let address = first;
  for (let hop = 0; ; hop += 1) {
    const connection = await connect(address, target.login, visit);
    try {
      await accept(connection);
      return connection;
    } catch (error) {
      connection.end();
      const owner = redirection(reasonOf(error), address);
      if (target.mode !== 'cluster' || owner === undefined || hop === REDIRECTIONS_MAX) throw error;
      address = owner;
    }
  }
}

/** `MOVED slot host:port`; the host is empty when it is the one that was asked. */
export function redirection(reason: string, asked: Address): Address | undefined {
  const match = /^MOVED [0-9]+ (.*):([0-9]{1,5})$/.exec(reason);
  const port = Number(match?.[2]);
  if (!match || port < 1 || port > 65_535) return undefined;
  return { host: match[1] || asked.host, port };
}

type Known = { readonly address: Address; readonly epoch: number };

/**
 * Asks all Sentinels at once and believes the one with the newest configuration: after a partition one
 * may still name the server that the others have replaced.
 */
async function askSentinels(target: Target, visit: Visit): Promise<Address> {
  const asking = target.servers.map((sentinel) => askSentinel(sentinel, target, visit));
  try {
    await Promise.any(asking);
  } catch (error) {
    const reasons = (error as AggregateError).errors.map(
      (reason, place) => `${addressText(target.servers[place]!)}: ${reasonOf(reason)}`,
    );
    throw new Error(`no Sentinel names the server (${reasons.join('; ')})`);
  }
  const late = new Promise<undefined>((resolve) => {
    setTimeout(() => resolve(undefined), SENTINEL_GRACE_MS).unref();
  });
  const answers = await Promise.all(
    asking.map((one) => Promise.race([one.catch(() => undefined), late])),
  );
  const known = answers.filter((answer) => answer !== undefined);
  return known.reduce((a, b) => (b.epoch > a.epoch ? b : a)).address;
}

async function askSentinel(sentinel: Address, target: Target, visit: Visit): Promise<Known> {
  const connection = await connect(sentinel, target.sentinelLogin, visit);
  try {
    const reply = await connection.call('sentinel', 'master', target.sentinelName);
    const known = parseSentinelReply(reply);
    if (known === undefined) throw new Error(`it does not know ${target.sentinelName}`);
    return known;
  } finally {
    connection.end();
  }
}

/** Names and values in turn, of which address and epoch are read. */
export function parseSentinelReply(reply: unknown): Known | undefined {
  if (!Array.isArray(reply)) return undefined;
  const word = (name: string): string => {
    const place = reply.findIndex((each, index) => index % 2 === 0 && each === name);
    return place < 0 ? '' : String(reply[place + 1]);
  };
  const host = word('ip');
  const port = Number(word('port'));
  const epoch = Number(word('config-epoch'));
  if (host === '' || !(port >= 1 && port <= 65_535) || !Number.isSafeInteger(epoch))
    return undefined;
  return { address: { host, port }, epoch };
}

export function addressText({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
