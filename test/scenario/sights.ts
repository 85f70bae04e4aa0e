import type { Config } from '../../src/config/config.ts';
import { checkKeys } from '../../src/health/composite.ts';
import { formatSocketAddress } from '../../src/ip/socket-address.ts';
import { canaryJobs, healthEndpoints } from '../../src/monitoring/jobs.ts';
import type { ProbeKind } from '../../src/probe/probe.ts';
import type { Action } from './script.ts';

/** How long a slow success takes. */
const SLOW_MS = 450;

type Sight = {
  readonly vantage: string | undefined;
  readonly endpoint: string | undefined;
  readonly result: 'ok' | 'fail' | 'slow';
  readonly reason: string;
  /** How often it still holds, by vantage point and endpoint; undefined = for good. */
  readonly times: number | undefined;
  readonly used: Map<string, number>;
};

/**
 * A probe is told neither who asks nor for which monitor. Here it can tell: by the source address,
 * one for each vantage point, and by the options.
 */
function tagProbes(config: Config) {
  const { vantages } = config.node;
  const sourceOf = (index: number): readonly string[] => [`10.0.0.${index}`, `fd00::${index}`];
  const node = {
    ...config.node,
    vantages: vantages.map((vantage, index) => ({ ...vantage, source: sourceOf(index) })),
  };
  return {
    config: tagMonitors({ ...config, node }),
    vantageAt(source: string): string {
      const index = vantages.findIndex((_, each) => sourceOf(each).includes(source));
      return vantages[index]?.name ?? `nobody at ${source}`;
    },
  };
}

/** Another configuration whose probes say for which monitor they ask. */
export function tagMonitors(config: Config): Config {
  const monitors = Object.entries(config.monitors).map(
    ([monitor, rest]) => [monitor, { ...rest, options: { monitor } }] as const,
  );
  return { ...config, monitors: Object.fromEntries(monitors) };
}

/** What probes see: the latest word that is about the vantage point and the endpoint; at first OK. */
export function createSights(config: Config) {
  const sights: Sight[] = [];
  const endpointsOf = new Map<string, string[]>();
  for (const { name, targets } of healthEndpoints(config)) {
    for (const key of targets.flatMap(({ check }) => checkKeys(check))) {
      const monitor = `monitor/${key.split(' ')[1]}`;
      endpointsOf.set(key, [...(endpointsOf.get(key) ?? []), name, monitor]);
    }
  }
  const canaries = new Set(canaryJobs(config).map(({ key }) => key));
  for (const key of canaries) endpointsOf.set(key, [key.replace(' ', '/')]);
  const look = (vantage: string, key: string): Pick<Sight, 'result' | 'reason'> => {
    for (const sight of sights.toReversed()) {
      if (sight.vantage !== undefined && sight.vantage !== vantage) continue;
      const { endpoint } = sight;
      if (endpoint !== undefined && !endpointsOf.get(key)?.includes(endpoint)) continue;
      const used = sight.used.get(`${vantage} ${key}`) ?? 0;
      if (sight.times !== undefined && used >= sight.times) continue;
      sight.used.set(`${vantage} ${key}`, used + 1);
      return sight;
    }
    return { result: 'ok', reason: '200 OK' };
  };
  const prepared = tagProbes(config);
  const kinds = [...new Set(Object.values(config.monitors).map(({ kind }) => kind))].map(
    (kind): ProbeKind => ({
      kind,
      summary: 'Sees what the scenario says.',
      // Never asked: the options do not come from a file.
      options: undefined as never,
      async run({ address, port, sourceAddress }, options) {
        const { monitor } = options as { readonly monitor: string };
        const vantage = prepared.vantageAt(sourceAddress ?? '');
        const socket = formatSocketAddress({ address, port });
        const key = canaries.has(`canary ${socket}`)
          ? `canary ${socket}`
          : `endpoint ${monitor} ${socket}`;
        const { reason, result } = look(vantage, key);
        return { ok: result !== 'fail', rttMs: result === 'slow' ? SLOW_MS : 1, reason };
      },
    }),
  );
  return {
    config: prepared.config,
    kinds,
    set({ vantage, endpoint, result, reason, times }: Extract<Action, { kind: 'probe' }>): void {
      const known = config.node.vantages.map(({ name }) => name);
      const endpoints = [...endpointsOf.values()].flat();
      if (vantage !== undefined && !known.includes(vantage)) throw new Error(`no ${vantage}`);
      if (endpoint !== undefined && !endpoints.includes(endpoint))
        throw new Error(`no ${endpoint}`);
      sights.push({ vantage, endpoint, result, reason, times, used: new Map() });
    },
  };
}
