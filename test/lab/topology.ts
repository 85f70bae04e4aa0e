import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createProcesses, type Processes } from './processes.ts';

/**
 * A small internet on one machine: a network namespace per host, each with one cable (veth) to a
 * router that is a namespace too. Nothing of it touches the machine's own network, every run has its
 * own names, so runs do not meet. Faults are rules in the router: what is dropped there is silence,
 * as when a link is dark; nobody answers "unreachable".
 *
 *     client ─── router ─── ns
 *               │  │  └──── singapore
 *      virginia ┘  └ frankfurt
 *
 * A host is told by the numbers of its networks. In network 7 it has 10.99.7.1 and fd00:99:7::1.
 */
export type Topology = {
  /** For files of this run; removed with everything else. */
  readonly directory: string;
  readonly processes: Processes;
  /** From now on nothing passes between the router and the host, in one family or both. */
  darken(host: string, family?: 'ipv4' | 'ipv6'): void;
  /** From now on nothing passes from this source address to the host. */
  block(source: string, host: string): void;
  /** From now on this percentage of the packets to the host is lost. */
  lose(host: string, percent: number): void;
  /** Ends all faults. */
  heal(): void;
  /** Kills every process and removes every trace; also called when this process ends in any way. */
  close(): void;
};

/** The host's address in one of its networks. */
export const ipv4 = (network: number): string => `10.99.${network}.1`;
export const ipv6 = (network: number): string => `fd00:99:${network}::1`;

const NAME = 'meridian-lab';
const ROUTER = 'router';
const UPLINK = 'uplink';
const gateway4 = (network: number): string => `10.99.${network}.254`;
const gateway6 = (network: number): string => `fd00:99:${network}::fe`;

/** Throws with the words of `ip` when this user or machine does not permit namespaces. */
export function openTopology(hosts: Readonly<Record<string, readonly number[]>>): Topology {
  removeLeftovers();
  const prefix = `${NAME}-${process.pid}-`;
  const namespaceOf = (host: string): string => prefix + host;
  const directory = mkdtempSync(join(tmpdir(), prefix));
  const processes = createProcesses(namespaceOf);
  const close = (): void => {
    processes.killAll();
    for (const host of [...Object.keys(hosts), ROUTER]) removeNamespace(namespaceOf(host));
    rmSync(directory, { recursive: true, force: true });
    process.off('exit', close);
  };
  process.on('exit', close);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => process.exit(1));
  }
  addNamespace(namespaceOf(ROUTER));
  inNamespace(namespaceOf(ROUTER), 'sh', ['-c', FORWARD]);
  for (const [host, networks] of Object.entries(hosts)) {
    addNamespace(namespaceOf(host));
    connect(namespaceOf(ROUTER), namespaceOf(host), host, networks);
  }
  const nft = (rules: string): void => {
    inNamespace(namespaceOf(ROUTER), 'nft', ['-f', '-'], rules);
  };
  nft('table inet lab { chain faults { type filter hook forward priority 0; }; }');
  const fault = (rule: string): void => nft(`add rule inet lab faults ${rule} drop`);
  return {
    directory,
    processes,
    darken(host, family) {
      const which = family === undefined ? '' : `meta nfproto ${family}`;
      fault(`${which} iifname ${host}`);
      fault(`${which} oifname ${host}`);
    },
    block: (source, host) => {
      fault(`${source.includes(':') ? 'ip6' : 'ip'} saddr ${source} oifname ${host}`);
    },
    lose: (host, percent) => fault(`oifname ${host} numgen random mod 100 < ${percent}`),
    heal: () => nft('flush chain inet lab faults'),
    close,
  };
}

const FORWARD =
  'echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding';

function addNamespace(namespace: string): void {
  ip(['netns', 'add', namespace]);
  ip(['-n', namespace, 'link', 'set', 'lo', 'up']);
  inNamespace(namespace, 'sh', ['-c', 'echo 0 > /proc/sys/net/ipv6/conf/all/disable_ipv6']);
}

/** A cable between router and host, with addresses at both ends and the host's way out. */
function connect(router: string, host: string, port: string, networks: readonly number[]): void {
  const cable = ['type', 'veth', 'peer', 'name', UPLINK, 'netns', host];
  ip(['link', 'add', port, 'netns', router, ...cable]);
  const atRouter = networks.flatMap((network) => [
    `address add ${gateway4(network)}/24 dev ${port}`,
    `address add ${gateway6(network)}/64 dev ${port} nodad`,
  ]);
  const atHost = networks.flatMap((network) => [
    `address add ${ipv4(network)}/24 dev ${UPLINK}`,
    `address add ${ipv6(network)}/64 dev ${UPLINK} nodad`,
  ]);
  const first = networks[0] ?? 0;
  const out = [
    `route add default via ${gateway4(first)} src ${ipv4(first)}`,
    `route add default via ${gateway6(first)} src ${ipv6(first)}`,
  ];
  ip(['-n', router, '-batch', '-'], [...atRouter, `link set ${port} up`].join('\n'));
  ip(['-n', host, '-batch', '-'], [...atHost, `link set ${UPLINK} up`, ...out].join('\n'));
}

function ip(words: readonly string[], input = ''): void {
  execFileSync('ip', words, { input, stdio: ['pipe', 'ignore', 'pipe'] });
}

function inNamespace(
  namespace: string,
  command: string,
  words: readonly string[],
  input = '',
): void {
  ip(['netns', 'exec', namespace, command, ...words], input);
}

/** Also ends whatever still runs inside: it was started by a lab. */
function removeNamespace(namespace: string): void {
  const { stdout } = spawnSync('ip', ['netns', 'pids', namespace], { encoding: 'utf8' });
  for (const pid of (stdout ?? '').split('\n').filter((line) => line !== '')) {
    try {
      process.kill(Number(pid), 'SIGKILL');
    } catch {
      // Gone already.
    }
  }
  spawnSync('ip', ['netns', 'delete', namespace]);
}

/** What runs left behind that were killed before they could clean up. */
function removeLeftovers(): void {
  const { stdout } = spawnSync('ip', ['netns', 'list'], { encoding: 'utf8' });
  const namespaces = (stdout ?? '').split('\n').map((line) => line.split(' ')[0] ?? '');
  for (const namespace of namespaces.filter(isLeftover)) removeNamespace(namespace);
  for (const directory of readdirSync(tmpdir()).filter(isLeftover)) {
    rmSync(join(tmpdir(), directory), { recursive: true, force: true });
  }
}

function isLeftover(name: string): boolean {
  const pid = new RegExp(`^${NAME}-(\\d+)-`).exec(name)?.[1];
  if (pid === undefined) return false;
  try {
    process.kill(Number(pid), 0);
    return false;
  } catch {
    return true;
  }
}
