import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { NODE_FLAGS } from '../../../src/node-flags.mjs';
import { until } from '../../node/until.ts';
import type { LabProcess } from '../processes.ts';
import type { Topology } from '../topology.ts';
import {
  configOf,
  MASTER_NAME,
  nodeName,
  ORIGIN,
  REDIS_PORT,
  type Role,
  SENTINEL_PORT,
  type Setting,
} from './config.ts';
import { addressOf, REGIONS, type Region } from './wide-area.ts';

/** The processes of a region, each of which can be started, killed and paused alone. */
export type Part = Role | 'origin' | 'resolver' | 'redis' | 'replica' | 'sentinel';

export type Parts = {
  /** `environment`: besides that of this process. */
  start(region: Region, part: Part, environment?: Readonly<Record<string, string>>): void;
  /** Resolves once it has written this. */
  said(region: Region, part: Part, words: string): Promise<void>;
  /** SIGKILL: no goodbye. */
  kill(region: Region, part: Part): Promise<void>;
  pause(region: Region, part: Part): void;
  resume(region: Region, part: Part): void;
  /** The log of the process that runs now. */
  log(region: Region, part: Part): string;
  /** A path as that process sees it, as others may use it. */
  pathOf(region: Region, part: Part, path: string): string;
  stateDirectory(region: Region, role: Role): string;
  /** Ends of all logs, for when something is wrong. */
  words(): string;
};

const MAIN = fileURLToPath(new URL('../../../src/main.ts', import.meta.url));
/** That of the program's own launcher. */
const COMPILE_CACHE = fileURLToPath(
  new URL('../../../node_modules/.cache/meridian', import.meta.url),
);
const PROGRAM = [process.execPath, ...NODE_FLAGS, MAIN];
/** Many times what is expected: other programs share the machine. */
const START_DEADLINE_MS = 30_000;
/** The state directory of this node is a disk of its own, which can be filled. */
export const SMALL_DISK = { region: 'frankfurt', part: 'nameserver', bytes: 8 * 2 ** 20 } as const;

export function createParts(topology: Topology, setting: Setting): Parts {
  const { directory, processes } = topology;
  const running = new Map<string, LabProcess>();
  const key = (region: Region, part: Part): string => `${part} ${region}`;
  const find = (region: Region, part: Part): LabProcess => {
    const found = running.get(key(region, part));
    if (found === undefined) throw new Error(`${key(region, part)} was never started`);
    return found;
  };
  return {
    start(region, part, environment = {}) {
      const words = wordsOf(region, part, directory, setting);
      const all = { NODE_COMPILE_CACHE: COMPILE_CACHE, ...environment };
      running.set(key(region, part), processes.start(region, words, all));
    },
    async said(region, part, words) {
      const child = find(region, part);
      const what = (): string => `${key(region, part)} says ${words}: ${child.said()}`;
      await until(() => child.said().includes(words), START_DEADLINE_MS, what);
    },
    async kill(region, part) {
      const child = find(region, part);
      child.kill('SIGKILL');
      await child.exited;
    },
    pause: (region, part) => find(region, part).kill('SIGSTOP'),
    resume: (region, part) => find(region, part).kill('SIGCONT'),
    log: (region, part) => find(region, part).said(),
    pathOf: (region, part, path) => `/proc/${find(region, part).pid}/root${path}`,
    stateDirectory: (region, role) => join(directory, nodeName(region, role)),
    words: () =>
      [...running].map(([name, { said }]) => `--- ${name}\n${said().slice(-2000)}\n`).join(''),
  };
}

function wordsOf(
  region: Region,
  part: Part,
  directory: string,
  setting: Setting,
): readonly string[] {
  switch (part) {
    case 'origin':
      return [...PROGRAM, 'origin', region, ORIGIN];
    case 'resolver':
      return ['unbound', '-d', '-c', unboundFile(region, directory)];
    case 'redis':
    case 'replica':
      return redisWords(region, part, directory, setting);
    case 'sentinel':
      return ['redis-server', sentinelFile(region, directory), '--sentinel'];
    default:
      return nodeWords(region, part, directory, setting);
  }
}

function nodeWords(
  region: Region,
  role: Role,
  directory: string,
  setting: Setting,
): readonly string[] {
  const state = join(directory, nodeName(region, role));
  mkdirSync(state, { recursive: true });
  const file = join(directory, `${nodeName(region, role)}.yaml`);
  // JSON is YAML.
  writeFileSync(file, JSON.stringify(configOf(region, role, directory, setting), undefined, 2));
  const only = role === 'balancer' ? ['--region', region] : [];
  const words = [...PROGRAM, 'run', '--config', file, ...only];
  return region === SMALL_DISK.region && role === SMALL_DISK.part
    ? onSmallDisk(words, state)
    : words;
}

/**
 * `ip netns exec` gives every process its own mounts, so the disk is gone with the process, and others
 * reach it only by `pathOf`.
 */
function onSmallDisk(words: readonly string[], path: string): readonly string[] {
  const mount = `mount -t tmpfs -o size=${SMALL_DISK.bytes} none ${path} && exec "$@"`;
  return ['sh', '-c', mount, 'sh', ...words];
}

function unboundFile(region: Region, directory: string): string {
  const file = join(directory, `unbound-${region}.conf`);
  const at = addressOf(region, 'resolver');
  const lines = [
    'server:',
    `interface: ${at}`,
    `outgoing-interface: ${at}`,
    'access-control: 0.0.0.0/0 allow',
    'do-ip6: no',
    'username: ""',
    'chroot: ""',
    'pidfile: ""',
    `directory: "${directory}"`,
    'use-syslog: no',
    'logfile: ""',
    'num-threads: 1',
    'module-config: "iterator"',
    // As operators set it who want to notice that a server is back.
    'infra-keep-probing: yes',
    'remote-control:',
    'control-enable: no',
    'stub-zone:',
    'name: gslb.example',
    ...REGIONS.map((each) => `stub-addr: ${addressOf(each, 'nameserver')}`),
  ];
  writeFileSync(file, `${lines.join('\n')}\n`);
  return file;
}

function redisWords(
  region: Region,
  part: 'redis' | 'replica',
  directory: string,
  { store }: Setting,
): readonly string[] {
  const own = join(directory, `${part}-${region}`);
  // Facts are not kept here, but who a member of a Cluster is.
  mkdirSync(own, { recursive: true });
  const at = addressOf(region, part);
  const words = ['redis-server', '--bind', at, '--port', `${REDIS_PORT}`, '--dir', own];
  words.push('--protected-mode', 'no', '--save', '', '--appendonly', 'no');
  words.push('--repl-diskless-sync-delay', '0');
  // Else others are told the address that the route prefers, which is another one.
  words.push('--bind-source-addr', at, '--replica-announce-ip', at);
  if (store === 'cluster') {
    words.push('--cluster-enabled', 'yes', '--cluster-node-timeout', '1000');
    words.push('--cluster-announce-ip', at);
    words.push('--cluster-require-full-coverage', 'no');
  } else if (region !== REGIONS[0]) {
    words.push('--replicaof', addressOf(REGIONS[0]!, 'redis'), `${REDIS_PORT}`);
  }
  return words;
}

function sentinelFile(region: Region, directory: string): string {
  const own = join(directory, `sentinel-${region}`);
  rmSync(own, { recursive: true, force: true });
  mkdirSync(own);
  const file = join(own, 'sentinel.conf');
  const lines = [
    `port ${SENTINEL_PORT}`,
    `bind ${addressOf(region, 'sentinel')}`,
    `bind-source-addr ${addressOf(region, 'sentinel')}`,
    `sentinel announce-ip ${addressOf(region, 'sentinel')}`,
    'protected-mode no',
    `dir ${own}`,
    `sentinel monitor ${MASTER_NAME} ${addressOf(REGIONS[0]!, 'redis')} ${REDIS_PORT} 2`,
    `sentinel down-after-milliseconds ${MASTER_NAME} 1000`,
    `sentinel failover-timeout ${MASTER_NAME} 5000`,
  ];
  writeFileSync(file, `${lines.join('\n')}\n`);
  return file;
}
