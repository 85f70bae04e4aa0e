import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { ADMIN_URL_DEFAULT } from '../cli/context.ts';
import type { Config } from '../config/config.ts';
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
    for (const { upstream } of routes) {
      for (const { address, port } of config.balancer.upstreams[upstream]?.servers ?? []) {
        servers.add(`${address.includes(':') ? `[${address}]` : address}:${port}`);
      }
    }
    regions.set(region, servers);
  }
  return regions;
}

/** What runs, and what is worth trying, as text for the terminal. */
export function welcome(node: RunningNode, origins: readonly Origin[]): string {
  const { config } = node;
  const dns = node.dns[0] ?? { address: '127.0.0.1', port: 53 };
  const dig = `dig @${dns.address} -p ${dns.port}`;
  const name =
    Object.values(config.zones)
      .flatMap(({ steered }) => steered)[0]
      ?.owner.replace(/\.$/, '') ?? '';
  const [first, second] = config.balancer.listeners;
  const regions = Object.keys(config.regions);
  const victim = origins[0];
  // The command finds the usual place by itself.
  const isUsual = node.adminUrl === undefined || node.adminUrl === ADMIN_URL_DEFAULT;
  const meridian = isUsual ? 'npx meridian' : `npx meridian --admin ${node.adminUrl}`;
  const lines: readonly (readonly [string, string])[] = [
    [`${dig} ${name} A +subnet=133.11.0.0/16 +short`, 'Ask as a client in Tokyo, and in Paris'],
    [`${dig} ${name} A +subnet=193.49.0.0/16 +short`, ''],
    [`curl http://${first?.address}:${first?.port}/`, 'Follow an answer'],
    [`${meridian} explain ${name} --client 133.11.0.0/16`, 'Why that answer'],
    [
      `${meridian} drain ${second?.region ?? regions[0]} --for 60s`,
      'Take a region out, gently, for a minute',
    ],
    [`${meridian} drill ${regions.at(-1)} --for 60s`, 'Rehearse losing one'],
    ...(victim ? killLines(victim) : []),
  ];
  return [
    '',
    `Meridian is running with ${regions.length} regions: ${regions.join(', ')}.`,
    `  DNS     ${node.dns.map(({ address, port }) => `${address}:${port}`).join(', ')} (UDP and TCP)`,
    `  VIPs    ${config.balancer.listeners.map(({ address, port, region }) => `${region} ${address}:${port}`).join(', ')}`,
    ...(node.adminUrl === undefined ? [] : [`  page    ${node.adminUrl}/`]),
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

function killLines({ listen, pid, region }: Origin): readonly (readonly [string, string])[] {
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
