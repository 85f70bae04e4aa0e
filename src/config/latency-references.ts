import { networksOf } from '../clients/network-key.ts';
import { parsePrefix } from '../ip/prefix.ts';
import { goesByLatency, probesAnybody } from './latency-config.ts';
import type { Check } from './references.ts';

/** Each is a row of what is told and kept, as often as the beacon is measured. */
export const BEACON_NETWORKS_MAX = 20_000;

/** That pages measure regions that there are, and that somebody goes by it. */
export function checkPages(
  { config, warn }: Check,
  referRegion: (name: string, path: readonly (string | number)[]) => void,
): void {
  const { pages } = config.latency;
  if (pages === undefined) return;
  const path = ['latency', 'pages'];
  for (const region of Object.keys(pages.regions))
    referRegion(region, [...path, 'regions', region]);
  if (!goesByLatency(config)) {
    warn(path, 'nothing is measured: no policy goes by latency', 'add the step "latency" to one');
  }
}

/** What probes are to measure: that somebody does, that it is not too much, and that somebody goes by it. */
export function checkProbes({ config, error, warn }: Check): void {
  const path = ['latency', 'probes'];
  let sum = 0;
  for (const [index, { networks }] of config.latency.probes.beacons.entries()) {
    for (const text of networks) {
      const span = networksOf(parsePrefix(text)!);
      const at = [...path, 'beacons', index];
      if (span === undefined) {
        error(at, `every machine has ${text}: it tells nothing`, 'name networks of clients');
      }
      sum += span?.count ?? 0;
    }
  }
  if (sum > BEACON_NETWORKS_MAX) {
    const message = `beacons stand for ${sum} IPv4 /24s and IPv6 /48s, at most ${BEACON_NETWORKS_MAX} are possible`;
    error([...path, 'beacons'], message, 'name smaller networks');
  }
  if (!probesAnybody(config.latency)) return;
  if (!goesByLatency(config)) {
    warn(path, 'nothing is measured: no policy goes by latency', 'add the step "latency" to one');
    return;
  }
  const { roles, vantages } = config.node;
  if (roles.includes('prober') && vantages.every(({ region }) => region === undefined)) {
    const message = 'this node measures nothing: no vantage point of it is in a region';
    warn(path, message, 'give node.vantages a "region"');
  }
}
