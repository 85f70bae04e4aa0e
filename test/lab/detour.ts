import { fileURLToPath } from 'node:url';
import { until } from '../node/until.ts';
import type { RelayCounts, Way } from './relay.ts';
import type { Topology } from './topology.ts';

/**
 * Distance between hosts of a topology: packets that come to the router from a host take a detour over a TUN
 * device and the relay behind it (relay.ts), which keeps each as long as its way takes.
 *
 *     host ── router ── TUN ── socat ── relay
 */
export type Detour = {
  /** From now on ways are these, and no others. */
  apply(ways: readonly Way[]): Promise<RelayCounts>;
};

/** Which packets take it: those that come from a host, all or those to some networks. */
export type DetourRule = {
  readonly host: string;
  /** Absent = to anywhere, over IPv4. */
  readonly to?: readonly string[];
  /** Number of the routing table that sends them; a table may be of several rules. */
  readonly table: number;
};

export type DetourOptions = {
  readonly rules: readonly DetourRule[];
  /** Of what is drawn: losses and jitter. */
  readonly seed: number;
  /** Words before those of the programs that carry packets. */
  readonly before?: readonly string[];
};

export const ROUTE_RELAY_PORT = 4002;
export const TUN_PORT = 4001;
const DEVICE = 'wan';
const RELAY = fileURLToPath(new URL('relay.ts', import.meta.url));
const START_DEADLINE_MS = 10_000;

/** Resolves once packets take the detour; no way takes any time before the first are told. */
export async function openDetour(topology: Topology, options: DetourOptions): Promise<Detour> {
  const detour = await startRelay(topology, options);
  await leadThere(topology, options);
  return detour;
}

async function startRelay(
  { processes }: Topology,
  { before = [], seed }: DetourOptions,
): Promise<Detour> {
  const flags = ['--disable-warning=ExperimentalWarning', RELAY, `${seed}`];
  const child = processes.start('router', [...before, process.execPath, ...flags]);
  const heard: string[] = [];
  child.onLine((line) => heard.push(line));
  await until(
    () => heard.length > 0,
    START_DEADLINE_MS,
    () => `the relay: ${child.said()}`,
  );
  heard.splice(0);
  let last: Promise<unknown> = Promise.resolve();
  return {
    apply(ways) {
      const asked = last.then(async () => {
        child.write(`${JSON.stringify(ways)}\n`);
        const what = (): string => `the relay answers: ${child.said().slice(-500)}`;
        await until(() => heard.length > 0, START_DEADLINE_MS, what);
        return JSON.parse(heard.shift()!) as RelayCounts;
      });
      last = asked.catch(() => {});
      return asked;
    },
  };
}

/** From now on packets take the way through the relay, which must be there. */
async function leadThere(topology: Topology, { before = [], rules }: DetourOptions): Promise<void> {
  const { processes } = topology;
  const device = `TUN,tun-name=${DEVICE},iff-no-pi,iff-up`;
  const there = `UDP4:127.0.0.1:${ROUTE_RELAY_PORT},bind=127.0.0.1:${TUN_PORT}`;
  const socat = processes.start('router', [...before, 'socat', device, there]);
  const isThere = async (): Promise<boolean> =>
    (await processes.run('router', ['ip', 'link', 'show', DEVICE])).code === 0;
  await until(isThere, START_DEADLINE_MS, () => `socat makes a TUN device: ${socat.said()}`);
  await runLines(topology, 'router', [
    // Packets come back with addresses that live behind other interfaces.
    'for f in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 > $f; done',
    `ip link set ${DEVICE} txqueuelen 5000`,
    ...rules.flatMap(linesOf),
    ...new Set(rules.flatMap(routesOf)),
  ]);
}

function linesOf({ host, table, to }: DetourRule): readonly string[] {
  if (to === undefined) return [`ip rule add iif ${host} lookup ${table}`];
  return to.map((network) => `${ipOf(network)} rule add iif ${host} to ${network} lookup ${table}`);
}

const routesOf = ({ table, to = ['0.0.0.0/0'] }: DetourRule): readonly string[] =>
  to.map((network) => `${ipOf(network)} route add default dev ${DEVICE} table ${table}`);

const ipOf = (network: string): string => (network.includes(':') ? 'ip -6' : 'ip');

/** Runs lines of shell on a host. Throws with what they said when one of them fails. */
export async function runLines(
  { processes }: Topology,
  host: string,
  lines: readonly string[],
): Promise<void> {
  const { code, stderr } = await processes.run(host, ['sh', '-e', '-c', lines.join('\n')]);
  if (code !== 0) throw new Error(`${lines.join('; ')}: ${stderr}`);
}
