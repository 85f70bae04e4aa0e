import type { ServerConfig, UpstreamConfig } from '../config/config.ts';
import { serving } from '../discovery/live-servers.ts';
import { nameOf } from '../discovery/server-set.ts';
import type { ServerWord } from '../discovery/server-word.ts';
import { formatAddress, parseAddress } from '../ip/address.ts';
import type { Clock } from './clock.ts';
import type {
  AddServerRequest,
  ChangeServerRequest,
  Problem,
  RemoveServerRequest,
  ServerChange,
} from './control-plane.ts';
import type { Events } from './events.ts';
import type { ServerWords } from './server-words.ts';

/** What people may say of servers of an upstream, and what comes of it. */
export type ServerWriter = {
  add(request: AddServerRequest): Promise<ServerChange | Problem>;
  change(request: ChangeServerRequest): Promise<ServerChange | Problem>;
  remove(request: RemoveServerRequest): Promise<ServerChange | Problem>;
};

export type ServerWriterParts = {
  /** With the servers that they have now. */
  upstreams(): Readonly<Record<string, UpstreamConfig>>;
  readonly words: ServerWords;
  /** Settles when requests of this node go by the words. */
  inForce(): Promise<void>;
  /** A monitor has found it down. */
  isDown(upstream: string, server: string): boolean;
  readonly clock: Pick<Clock, 'nowMs'>;
  readonly events: Pick<Events, 'record'>;
};

/** Servers of one upstream that people have added. */
export const ADDED_SERVERS_MAX = 1000;

export function createServerWriter(parts: ServerWriterParts): ServerWriter {
  const { words } = parts;
  const wordOf = (upstream: string, server: string): ServerWord | undefined =>
    words.current().find((each) => each.upstream === upstream && each.server === server);
  return {
    async add(request) {
      const { by, port, reason, upstream: name, weight } = request;
      // One address has many spellings, and one name.
      const address = formatAddress(parseAddress(request.address)!);
      const upstream = upstreamOf(parts, name);
      if ('problem' in upstream) return upstream;
      const server = nameOf({ address, port });
      const there = upstream.servers.find((each) => nameOf(each) === server);
      if (there !== undefined) return alreadyThere(name, there);
      const added = words.current().filter((each) => each.upstream === name && each.added);
      if (added.length >= ADDED_SERVERS_MAX) return tooMany(name);
      const word = { upstream: name, server, added: { address, port }, weight, reason, by };
      return say(parts, word, { kind: 'server.added', what: `is added to ${name}` });
    },
    async change(request) {
      const { by, force, mode, reason, server: name, upstream, weight } = request;
      const found = findServer(parts, upstream, name);
      const before = wordOf(upstream, name);
      if ('problem' in found) {
        // What was said of one that has left DNS would meet whoever has its address next.
        const isOver = before !== undefined && mode === 'ready' && weight === undefined;
        if (!isOver) return found;
        return say(parts, { upstream, server: name, reason, by }, changeEvent(request));
      }
      const word = {
        ...{ upstream, server: name, reason, by },
        added: before?.added,
        weight: weight ?? before?.weight,
        mode: mode === undefined ? before?.mode : mode === 'ready' ? undefined : mode,
      };
      const stays = (weight ?? found.server.weight) > 0 && word.mode === undefined;
      if (!stays && force !== true && isLast(parts, upstream, found)) {
        return wouldStrand(upstream);
      }
      return say(parts, word, changeEvent(request));
    },
    async remove({ by, force, reason, server: name, upstream }) {
      const found = findServer(parts, upstream, name);
      if ('problem' in found) return found;
      if (wordOf(upstream, name)?.added === undefined) return notAdded(found.server);
      if (force !== true && isLast(parts, upstream, found)) return wouldStrand(upstream);
      const word = { upstream, server: name, reason, by };
      return say(parts, word, { kind: 'server.removed', what: `is removed from ${upstream}` });
    },
  };
}

type Said = Omit<ServerWord, 'setAtMs'>;
type Happening = { readonly kind: string; readonly what: string };

async function say(
  { clock, events, inForce, upstreams, words }: ServerWriterParts,
  word: Said,
  { kind, what }: Happening,
): Promise<ServerChange | Problem> {
  const { refused, ...sharing } = await words.set({ ...word, setAtMs: clock.nowMs() });
  if (refused !== undefined) return notTaken(refused);
  // Who drains a server looks next whether it has anything in flight: from here on it gets nothing new.
  await inForce();
  const why = word.reason === '' ? '' : `: ${word.reason}`;
  const subject = `${word.upstream}/${word.server}`;
  events.record(kind, subject, `Server ${word.server} ${what} by ${word.by}${why}.`);
  const now = upstreams()[word.upstream]?.servers.find(({ name }) => name === word.server);
  return {
    upstream: word.upstream,
    server: word.server,
    isThere: now !== undefined,
    weight: now?.weight ?? 0,
    mode: now?.mode ?? 'ready',
    sharing,
  };
}

function changeEvent({ mode, upstream, weight }: ChangeServerRequest): Happening {
  const words = {
    drain: 'drains',
    maintenance: 'is in maintenance',
    ready: 'takes requests again',
  };
  const parts = [
    ...(mode === undefined ? [] : [words[mode]]),
    ...(weight === undefined ? [] : [`has the weight ${weight}`]),
  ];
  const kind = mode === undefined ? 'server.weight' : `server.${mode}`;
  return { kind, what: `of ${upstream} ${parts.join(' and ')}; said` };
}

type Found = { readonly upstream: UpstreamConfig; readonly server: ServerConfig };

function findServer(
  parts: Pick<ServerWriterParts, 'upstreams'>,
  name: string,
  server: string,
): Found | Problem {
  const upstream = upstreamOf(parts, name);
  if ('problem' in upstream) return upstream;
  const found = upstream.servers.find((each) => each.name === server);
  return found === undefined ? noServer(name, upstream, server) : { upstream, server: found };
}

function upstreamOf(
  { upstreams }: Pick<ServerWriterParts, 'upstreams'>,
  name: string,
): UpstreamConfig | Problem {
  const all = upstreams();
  const found = Object.hasOwn(all, name) ? all[name] : undefined;
  if (found !== undefined) return found;
  return {
    problem: 'not-found',
    code: 'unknown-upstream',
    message: `There is no upstream "${name}".`,
    hint: `Known: ${Object.keys(all).slice(0, NAMES_SHOWN_MAX).join(', ') || 'none'}.`,
  };
}

const NAMES_SHOWN_MAX = 20;

/** It takes requests, and nobody else of the upstream does. */
function isLast(
  { isDown }: Pick<ServerWriterParts, 'isDown'>,
  name: string,
  { server, upstream }: Found,
): boolean {
  const takers = serving(upstream.servers).filter((each) => !isDown(name, each.name));
  return takers.length === 1 && takers[0]?.name === server.name;
}

const noServer = (upstream: string, { servers }: UpstreamConfig, name: string): Problem => ({
  problem: 'not-found',
  code: 'unknown-server',
  message: `There is no server "${name}" in upstream ${upstream}.`,
  hint: `Known: ${
    servers
      .slice(0, NAMES_SHOWN_MAX)
      .map((server) => server.name)
      .join(', ') || 'none'
  }.`,
});

const alreadyThere = (upstream: string, { name }: ServerConfig): Problem => ({
  problem: 'conflict',
  code: 'server-exists',
  message: `The upstream ${upstream} has this server already: ${name}.`,
  hint: 'Change its weight or mode instead.',
});

const tooMany = (upstream: string): Problem => ({
  problem: 'refused',
  code: 'too-many-servers',
  message: `${ADDED_SERVERS_MAX} servers have been added to upstream ${upstream} already.`,
  hint: 'Write them into the configuration.',
});

const notAdded = ({ name, origin }: ServerConfig): Problem => ({
  problem: 'refused',
  code: 'server-not-added',
  message: `The server ${name} is there by ${origin === 'dns' ? 'DNS' : 'the configuration'}.`,
  hint: 'Take it out there; until then maintenance keeps all requests from it.',
});

const wouldStrand = (upstream: string): Problem => ({
  problem: 'refused',
  code: 'no-usable-server',
  message: `This would leave upstream ${upstream} without any server that takes requests.`,
  hint: 'Bring another server back first, or repeat with force (--force).',
});

const notTaken = (reason: string): Problem => ({
  problem: 'conflict',
  code: 'server-word-not-taken',
  message: `This is not in force: ${reason}.`,
  hint: '"meridian servers list" says what is; try again in a moment.',
});
