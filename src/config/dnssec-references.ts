import { COPY_LIFE_SECONDS, jitterSecondsOf } from '../dns/dnssec/validity.ts';
import type { ConfigPath } from './issue.ts';
import type { Check } from './references.ts';
import { formatDuration } from './values.ts';
import { zoneSettings } from './zone-settings.ts';

/**
 * Signed zones need a place for their keys that outlives the node: keys that are made anew at every start
 * would not be those that the parent vouches for, and then nobody who validates believes the zone.
 */
export function checkDnssec(check: Check): void {
  const { error, file } = check;
  for (const { path: own, settings, zone } of zoneSettings(file)) {
    const { dnssec } = settings;
    if (dnssec === undefined) continue;
    const path: ConfigPath = [...own, 'dnssec'];
    const { folder, refresh, validity } = dnssec;
    if (refresh >= validity) {
      const message = `${formatDuration(refresh)} is not shorter than the validity ${formatDuration(validity)}`;
      error([...path, 'refresh'], message, 'half of it is usual');
    }
    if (zone !== undefined) checkCopies(check, zone, path);
    if (folder === undefined && file.node.roles.includes('nameserver')) checkPlace(check, path);
  }
}

/**
 * Secondaries hear of new signatures by a serial that counts weeks, so what they have is a week older than
 * what is answered here, and older by `expire` when they cannot come for more (RFC 6781 4.4.2.3).
 */
function checkCopies({ config, error, warn }: Check, zone: string, path: ConfigPath): void {
  const { dnssec, primary, soa, transfer } = config.zones[zone] ?? {};
  if (dnssec === undefined || soa === undefined || transfer === undefined) return;
  const { refreshSeconds, validitySeconds } = dnssec;
  const lifeSeconds = validitySeconds - jitterSecondsOf(validitySeconds, refreshSeconds);
  const leftSeconds = lifeSeconds - COPY_LIFE_SECONDS;
  if (leftSeconds <= 0) {
    const message = 'signatures end before secondaries get new ones, which is once a week';
    error([...path, 'validity'], message, 'validity: 14d or more, or no transfer');
  } else if (primary === undefined && soa.expire > leftSeconds) {
    // A copy has its primary's SOA, which is not known here.
    const message = `a secondary without contact would answer with signatures that have ended: the SOA's expire is ${soa.expire} s`;
    warn(path, message, `soa: { expire: ${leftSeconds} } or less, or a longer validity`, 'key');
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
