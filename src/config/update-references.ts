import type { ConfigPath } from './issue.ts';
import type { Check } from './references.ts';
import { zoneSettings } from './zone-settings.ts';

/** Zones that are changed while they are served need a place for what was added to them. */
export function checkUpdates({ config, file, warn }: Check): void {
  const { cluster, node, store } = config;
  const isKeyed = cluster.keys.length + cluster.keyFiles.length > 0;
  const isAlone = store.kind === 'memory' && cluster.listen.length === 0;
  for (const { path: own, settings } of zoneSettings(file)) {
    const { update } = settings;
    const path: ConfigPath = [...own, 'update'];
    if (update === undefined || !node.roles.includes('nameserver')) continue;
    if (node.stateDirectory === undefined && (isAlone || !isKeyed)) {
      const hint = 'give it node.stateDirectory: /var/lib/meridian';
      warn(path, 'what updates add is lost when this node ends', hint, 'key');
    }
    if (!isKeyed && !isAlone) {
      const hint = 'cluster.keyFiles: [/etc/meridian/cluster.key], made by: openssl rand -hex 32';
      const message =
        'only the node that is asked will have what updates add: the nodes share no secret';
      warn(path, message, hint, 'key');
    }
  }
}
