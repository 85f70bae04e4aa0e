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
  const { keyFiles, keys, listen } = config.cluster;
  if (keys.length + keyFiles.length > 0) return;
  const hint = 'cluster.keyFiles: [/etc/meridian/cluster.key], made by: openssl rand -hex 32';
  if (config.node.stateDirectory === undefined) {
    const places = `give this node a node.stateDirectory, or all nodes a key: ${hint}`;
    error(path, 'there is no place where the keys of the zone could be kept', places, 'key');
  } else if (config.store.kind !== 'memory' || listen.length > 0) {
    const message =
      'every node would make keys of its own for this zone: the nodes share no secret';
    warn(path, message, hint, 'key');
  }
}
