import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

/** Metrics of Prometheus by kind, all with the program's name before theirs. */
const PREFIX = 'meridian_';

export function counter(
  registry: Registry,
  name: string,
  help: string,
  labelNames: string[] = [],
): Counter<string> {
  return new Counter({ name: PREFIX + name, help, labelNames, registers: [registry] });
}

export function gauge(
  registry: Registry,
  name: string,
  help: string,
  labelNames: string[] = [],
): Gauge<string> {
  return new Gauge({ name: PREFIX + name, help, labelNames, registers: [registry] });
}

/** How many were at most so long, for each bound. */
export type HistogramSeries = {
  readonly labels: Readonly<Record<string, string>>;
  readonly upTo: readonly { readonly seconds: number; readonly count: number }[];
  readonly count: number;
  readonly sumSeconds: number;
};

/** The library's histograms only take values one by one; these are filled already. */
export function histogram(
  registry: Registry,
  shortName: string,
  help: string,
  series: readonly HistogramSeries[],
): void {
  const name = PREFIX + shortName;
  const made = new Histogram({ name, help, registers: [registry] });
  const values = series.flatMap(({ count, labels, sumSeconds, upTo }) => [
    ...[...upTo, { seconds: '+Inf', count }].map(({ count: value, seconds: le }) => {
      return { metricName: `${name}_bucket`, labels: { ...labels, le: `${le}` }, value };
    }),
    { metricName: `${name}_sum`, labels, value: sumSeconds },
    { metricName: `${name}_count`, labels, value: count },
  ]);
  const shown = { name, help, type: 'histogram', values };
  Object.assign(made, { getForPromString: () => Promise.resolve(shown) });
}
