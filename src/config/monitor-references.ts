import { THINGS_MIN } from '../health/self-trust.ts';
import type { Check } from './references.ts';
import { didYouMean } from './spelling.ts';
import { formatDuration } from './values.ts';

/** What monitors, monitor groups and canaries need of each other: names that exist, and no circles. */
export function checkMonitors(check: Check): void {
  const { error, file } = check;
  for (const [name, { idle, interval, recheck, retry, timeout }] of Object.entries(file.monitors)) {
    const usual = `the interval ${formatDuration(interval)}`;
    if (timeout !== undefined && timeout >= interval) {
      const message = `the timeout ${formatDuration(timeout)} is not shorter than ${usual}`;
      error(['monitors', name, 'timeout'], message, 'a probe must end before the next one begins');
    }
    if (retry !== undefined && timeout !== undefined && retry >= timeout) {
      const message = `${formatDuration(retry)} is not shorter than the timeout ${formatDuration(timeout)}`;
      error(['monitors', name, 'retry'], message, 'a second try needs time for an answer');
    }
    if (recheck !== undefined && recheck > interval) {
      const message = `${formatDuration(recheck)} is longer than ${usual}`;
      error(['monitors', name, 'recheck'], message, 'what has failed is looked at sooner');
    }
    if (idle.interval !== undefined && idle.interval < interval) {
      const message = `${formatDuration(idle.interval)} is shorter than ${usual}`;
      error(['monitors', name, 'idle', 'interval'], message, 'what is down for long can wait');
    }
  }
  checkGroups(check);
  checkCanaries(check);
  warnBlind(check);
}

function checkGroups({ error, file, written }: Check): void {
  const known = new Set([...written.monitors, ...written.monitorGroups]);
  for (const [name, { need, of }] of Object.entries(file.monitorGroups)) {
    const path = ['monitorGroups', name];
    if (written.monitors.has(name)) {
      error(path, `"${name}" is a monitor too`, 'pools could not tell them apart', 'key');
    }
    for (const [index, { monitor }] of of.entries()) {
      if (known.has(monitor)) continue;
      const at = [...path, 'of', index];
      error(at, `there is no monitor "${monitor}"`, didYouMean(monitor, [...known]));
    }
    // Rounded: three tenths together are to be three tenths.
    const total = Number(of.reduce((sum, { weight }) => sum + weight, 0).toFixed(9));
    if (need !== undefined && need > total) {
      const message = `needs ${need}, but its members have a weight of ${total} together`;
      error([...path, 'need'], message, 'it could never be up');
    }
    const circle = circleFrom(file.monitorGroups, name);
    if (circle) {
      error([...path, 'of'], `is a member of itself: ${circle.join(' → ')}`, 'break the circle');
    } else if (countLeaves(file.monitorGroups, name, new Map()) > GROUP_LEAVES_MAX) {
      const message = `has more than ${GROUP_LEAVES_MAX} monitors, those of the groups in it counted each time`;
      error([...path, 'of'], message, 'every endpoint of a pool is judged by all of them');
    }
  }
}

type Groups = Readonly<Record<string, { readonly of: readonly { readonly monitor: string }[] }>>;

/** The way from a group through its members back to itself; undefined when there is none. */
function circleFrom(groups: Groups, start: string): readonly string[] | undefined {
  const seen = new Set<string>();
  const search = (name: string, way: readonly string[]): readonly string[] | undefined => {
    for (const { monitor } of Object.hasOwn(groups, name) ? groups[name]!.of : []) {
      if (monitor === start) return [...way, monitor];
      if (seen.has(monitor)) continue;
      seen.add(monitor);
      const found = search(monitor, [...way, monitor]);
      if (found) return found;
    }
    return undefined;
  };
  return search(start, [start]);
}

const needsPort = ({ kind, port }: { readonly kind: string; readonly port?: number | undefined }) =>
  port === undefined && kind !== 'icmp';

/** Monitors that one endpoint is judged by. */
export const GROUP_LEAVES_MAX = 256;

/** Monitors of a group and of the groups in it; of a part of a circle, those before it closes. */
function countLeaves(groups: Groups, name: string, known: Map<string, number>): number {
  if (!Object.hasOwn(groups, name)) return 1;
  const before = known.get(name);
  if (before !== undefined) return before;
  known.set(name, 0);
  const count = groups[name]!.of.reduce(
    (sum, { monitor }) => sum + countLeaves(groups, monitor, known),
    0,
  );
  known.set(name, count);
  return count;
}

/**
 * With too few things to compare, a vantage point whose uplink is broken is believed: its "down" takes its
 * own region from everybody. One node alone has nobody whose word it could spoil.
 */
function warnBlind({ config, file, warn }: Check): void {
  if (file.cluster.listen.length === 0 || !file.node.roles.includes('prober')) return;
  const probed = Object.values(config.pools).filter(({ monitor }) => monitor !== undefined);
  const regions = new Set(probed.flatMap(({ endpoints }) => endpoints.map(({ region }) => region)));
  const things = file.node.canaries.length + Math.max(0, regions.size - 1);
  if (regions.size === 0 || things >= THINGS_MIN) return;
  warn(
    ['node'],
    `a vantage point of this node cannot tell a broken uplink from dead regions: it has ${things} things to compare and needs ${THINGS_MIN}`,
    'name well-known servers that do not share a fate under node.canaries',
    'key',
  );
}

function checkCanaries({ error, file, written }: Check): void {
  const kinds = file.monitors;
  for (const [index, { address, monitor, port }] of file.node.canaries.entries()) {
    const path = ['node', 'canaries', index];
    if (!written.monitors.has(monitor) && written.monitorGroups.has(monitor)) {
      const message = `"${monitor}" is a group of monitors, and a canary has a single one`;
      error([...path, 'monitor'], message, 'a canary for each of them');
    } else if (!written.monitors.has(monitor)) {
      const hint = didYouMean(monitor, [...written.monitors]);
      error([...path, 'monitor'], `there is no monitor "${monitor}"`, hint);
    } else if (port === undefined && kinds[monitor] && needsPort(kinds[monitor])) {
      const message = `which port of ${address} is asked is said neither here nor by the monitor "${monitor}"`;
      error(path, message, 'give it a port');
    }
  }
}
