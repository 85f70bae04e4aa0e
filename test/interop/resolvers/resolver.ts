import assert from 'node:assert/strict';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '../../node/until.ts';
import { parseReplies, type Reply } from '../ask.ts';
import type { Island } from './island.ts';
import { ROOT_NAME } from './parents.ts';
import { type Addresses, ROOT } from './places.ts';

/** A resolver that begins at the island's root, knows the root's key, and asks in one of these ways. */
export const WAYS = [
  'over both families',
  'over IPv4 alone',
  'over IPv6 alone',
  'over TCP alone',
  'with minimised names',
  'with names in mixed case',
  'with client subnets',
] as const;
export type Way = (typeof WAYS)[number];

export type ResolverKind = {
  readonly name: string;
  readonly addresses: Addresses;
  /** The ways that it does not have, and why. */
  readonly cannot: Readonly<Partial<Record<Way, string>>>;
  /** Its queries have names in the case in which its client wrote them: it does not mix it itself. */
  readonly keepsCase?: boolean;
  /**
   * Ways in which it tells NXDOMAIN of a name further up without SOA; such a response has nothing that
   * is insecure, and so the AD bit, whatever the zone.
   */
  readonly bareNegatives?: readonly Way[];
  plan(setup: Setup, way: Way): Plan;
};

export type Setup = {
  /** Its own, for all that it writes. */
  readonly directory: string;
  /** A file with the addresses of the root's nameserver. */
  readonly hints: string;
  /** Data of the DS record of the root's key. */
  readonly anchor: string;
};
/** Files by name in the resolver's directory, and the program that runs with them. */
export type Plan = {
  readonly files: Readonly<Record<string, string>>;
  readonly words: readonly string[];
};

export type Resolver = {
  /** Replies to all questions of one command of `dig`, in order. */
  resolve(...words: readonly string[]): Promise<Reply[]>;
  /** The same, asked by a client with this address. */
  resolveFor(client: string, ...words: readonly string[]): Promise<Reply[]>;
  /** What it has written. */
  said(): string;
  stop(): Promise<void>;
};

const DEADLINE_MS = 30_000;
const HINTS = [
  `. 3600000 IN NS ${ROOT_NAME}`,
  `${ROOT_NAME} 3600000 IN A ${ROOT[4]}`,
  `${ROOT_NAME} 3600000 IN AAAA ${ROOT[6]}`,
  '',
].join('\n');

/** Which families it may use upstream, and is asked over itself. */
export const familiesOf = (way: Way): readonly (4 | 6)[] => {
  if (way === 'over IPv4 alone') return [4];
  return way === 'over IPv6 alone' ? [6] : [4, 6];
};

let started = 0;

/** Resolves when it answers for the root. */
export async function startResolver(
  island: Island,
  kind: ResolverKind,
  { way, anchor }: { readonly way: Way; readonly anchor: string },
): Promise<Resolver> {
  started += 1;
  const directory = join(island.directory, `${kind.name.replaceAll(' ', '-')}-${started}`);
  mkdirSync(directory);
  const hints = join(directory, 'root.hints');
  const { files, words } = kind.plan({ directory, hints, anchor }, way);
  for (const [name, text] of Object.entries({ 'root.hints': HINTS, ...files })) {
    writeFileSync(join(directory, name), text);
  }
  const program = island.start(words);
  const stop = async (): Promise<void> => {
    // All that it could save is in its directory, which goes too.
    program.kill('SIGKILL');
    await program.exited;
    rmSync(directory, { recursive: true });
  };
  const dig = async (address: string, ...more: readonly string[]): Promise<Reply[]> => {
    const command = ['dig', `@${address}`, ...more];
    const { code, stdout, stderr } = await island.run(command);
    assert.equal(code, 0, `${command.join(' ')}\n${stdout}${stderr}`);
    return parseReplies(stdout);
  };
  const address = kind.addresses[familiesOf(way)[0] ?? 4];
  const isReady = async (): Promise<boolean> => {
    const { stdout } = await island.run(['dig', `@${address}`, '+tries=1', '+time=2', '.', 'SOA']);
    return parseReplies(stdout)[0]?.status === 'NOERROR';
  };
  try {
    await until(isReady, DEADLINE_MS, () => `${kind.name} answers: ${program.said()}`);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    resolve: (...more) => dig(address, ...more),
    resolveFor: (client, ...more) =>
      dig(kind.addresses[client.includes(':') ? 6 : 4], '-b', client, ...more),
    said: program.said,
    stop,
  };
}
