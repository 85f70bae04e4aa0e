import type { ConfigPath } from './issue.ts';
import type { Check } from './references.ts';
import { formatDuration } from './values.ts';

/**
 * Signed zones need a place for their keys that outlives the node: keys that are made anew at every start
 * would not be those that the parent vouches for, and then nobody who validates believes the zone.
 */
export function checkDnssec(check: Check): void {
  const { error, file } = check;
  for (const [zone, { dnssec }] of Object.entries(file.zones)) {
    if (dnssec === undefined) continue;
    const path: ConfigPath = ['zones', zone, 'dnssec'];
    const { folder, refresh, validity } = dnssec;
    if (refresh >= validity) {
      const message = `${formatDuration(refresh)} is not shorter than the validity ${formatDuration(validity)}`;
      error([...path, 'refresh'], message, 'half of it is usual');
    }
    if (folder === undefined && file.node.roles.includes('nameserver')) checkPlace(check, path);
  }
}

function checkPlace({ config, error, warn }: Check, path: ConfigPath): void {
  const { cluster, node, store } = config;
  const hasSecret = cluster.keys.length + cluster.keyFiles.length > 0;
  const hint = 'cluster.keyFiles: [/etc/meridian/cluster.key], made by: openssl rand -hex 32';
  const isAlone = store.kind === 'memory';
  if (node.stateDirectory === undefined && (isAlone || !hasSecret)) {
    const message = 'there is no place where the keys of the zone would outlive this node';
    const places = isAlone ? '' : `, or all nodes a secret: ${hint}`;
    error(path, message, `give it node.stateDirectory: /var/lib/meridian${places}`, 'key');
  } else if (!hasSecret && !(isAlone && cluster.listen.length === 0)) {
    const message =
      'every node would make keys of its own for this zone: the nodes share no secret';
    warn(path, message, hint, 'key');
  }
}
