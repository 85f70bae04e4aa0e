import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { ADMIN_URL_DEFAULT } from '../cli/context.ts';
import type { Config } from '../config/config.ts';
import { upstreamsOf } from '../config/route-upstreams.ts';
import { formatSocketAddress } from '../ip/socket-address.ts';
import type { RunningNode } from './start-node.ts';

/**
 * What `npm start` runs beside the node: the origin servers of its regions, a process each, so that
 * "kill a region's servers" is a real `kill`; and the words that tell a newcomer what to try.
 */
export type Origin = {
  readonly region: string;
  readonly listen: readonly string[];
  readonly pid: number;
};
export type Origins = {
  readonly running: readonly Origin[];
  /** Settles when every process listens, or has ended because it could not. */
  readonly ready: Promise<void>;
  stop(): Promise<void>;
};

/** One process per region, serving every server that the region's listeners lead to. */
export function startOrigins(config: Config): Origins {
  const children: ChildProcess[] = [];
  const running = [...serversByRegion(config)].map(([region, servers]) => {
    const listen = [...servers];
    const main = fileURLToPath(new URL('../main.ts', import.meta.url));
    const words = ['--disable-warning=ExperimentalWarning', main, 'origin', region, ...listen];
    const child = spawn(process.execPath, words, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    children.push(child);
    return { region, listen, pid: child.pid ?? 0 };
  });
  return {
    running,
    ready: Promise.all(children.map(firstWord)).then(() => {}),
    async stop() {
      await Promise.all(children.map(endChild));
    },
  };
}

/** An origin sends a message once it listens. */
function firstWord(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    child.once('message', () => resolve());
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });
}

function endChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    child.once('exit', () => resolve());
    child.kill('SIGTERM');
  });
}

function serversByRegion(config: Config): Map<string, Set<string>> {
  const regions = new Map<string, Set<string>>();
  for (const { region, routes } of config.balancer.listeners) {
    const servers = regions.get(region) ?? new Set();
    for (const upstream of routes.flatMap(upstreamsOf)) {
      for (const { address, port } of config.balancer.upstreams[upstream]?.servers ?? []) {
        servers.add(formatSocketAddress({ address, port }));
      }
    }
    regions.set(region, servers);
  }
  return regions;
}

/** What of a running node its welcome is about. */
export type Welcomed = Pick<RunningNode, 'adminUrl' | 'config' | 'dns'>;

/** What runs, and what is worth trying, as text for the terminal. */
export function welcome(node: Welcomed, origins: readonly Origin[]): string {
  const { adminUrl, config, dns } = node;
  const regions = Object.keys(config.regions);
  const vips = config.balancer.listeners.map(
    (listener) => `${listener.region} ${formatSocketAddress(listener)}`,
  );
  const facts: readonly (readonly [string, string])[] = [
    ['DNS', dns.length === 0 ? '' : `${dns.map(formatSocketAddress).join(', ')} (UDP and TCP)`],
    ['VIPs', vips.join(', ')],
    ['page', adminUrl === undefined ? '' : `${adminUrl}/`],
  ];
  const lines = [...questions(node), ...acts(node), ...origins.slice(0, 1).flatMap(killLines)];
  return [
    '',
    `Meridian is running with ${regions.length} regions: ${regions.join(', ')}.`,
    ...facts.flatMap(([name, value]) => (value === '' ? [] : [`  ${name.padEnd(7)} ${value}`])),
    '',
    'Try, in another terminal in this folder:',
    ...lines.map(
      ([command, meaning]) => `  ${meaning === '' ? '' : `${meaning}:\n  `}  ${command}`,
    ),
    '',
    'Ctrl-C stops everything. What happens is told below.',
    '',
    '',
  ].join('\n');
}

/** A command and what it is for; '' continues the one before. */
type Suggestion = readonly [command: string, meaning: string];

/** The command finds the usual place by itself. */
function meridian({ adminUrl }: Welcomed): string {
  const isUsual = adminUrl === undefined || adminUrl === ADMIN_URL_DEFAULT;
  return isUsual ? 'npx meridian' : `npx meridian --admin ${adminUrl}`;
}

function questions(node: Welcomed): readonly Suggestion[] {
  const { config, dns } = node;
  const [at] = dns;
  const owners = Object.values(config.zones).flatMap(({ steered }) => steered);
  const name = owners.map(({ owner }) => owner.replace(/\.$/, '')).find((text) => text !== '');
  const [listener] = config.balancer.listeners;
  const dig = `dig @${at?.address} -p ${at?.port} ${name} A`;
  return [
    ...(at === undefined || name === undefined
      ? []
      : ([
          [`${dig} +subnet=133.11.0.0/16 +short`, 'Ask as a client in Tokyo, and in Paris'],
          [`${dig} +subnet=193.49.0.0/16 +short`, ''],
        ] as const)),
    ...(listener === undefined
      ? []
      : ([[`curl http://${formatSocketAddress(listener)}/`, 'Follow an answer']] as const)),
    ...(name === undefined
      ? []
      : ([
          [`${meridian(node)} explain ${name} --client 133.11.0.0/16`, 'Why that answer'],
        ] as const)),
  ];
}

/** Only where another region is left. */
function acts(node: Welcomed): readonly Suggestion[] {
  const [first, second, ...rest] = Object.keys(node.config.regions);
  if (first === undefined || second === undefined) return [];
  return [
    [`${meridian(node)} drain ${second} --for 60s`, 'Take a region out, gently, for a minute'],
    [`${meridian(node)} drill ${rest.at(-1) ?? first} --for 60s`, 'Rehearse losing one'],
  ];
}

function killLines({ listen, pid, region }: Origin): readonly Suggestion[] {
  return [
    [`kill ${pid}`, `Kill ${region}'s servers, and ask again`],
    [`npx meridian origin ${region} ${listen.join(' ')}`, 'Bring them back'],
  ];
}

/** Column of the longest common event. */
const EVENT_WIDTH = 16;

/** Events of the log as short lines for a person; one line of JSON in, one line of text out. */
export function eventLines(write: (text: string) => void): { write(line: string): void } {
  return {
    write(line) {
      try {
        const { event, level, msg, subject, time } = JSON.parse(line);
        if (typeof event !== 'string') return;
        const mark = level === 'warn' || level === 'error' ? '!' : ' ';
        const about = typeof subject === 'string' ? `${subject}: ` : '';
        write(
          `${String(time).slice(11, 19)} ${mark} ${event.padEnd(EVENT_WIDTH)} ${about}${msg}\n`,
        );
      } catch {
        write(line);
      }
    },
  };
}
