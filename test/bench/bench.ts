/**
 * `npm run bench -- NAME [options]`: measures this program, beside another that does the same job where
 * there is one. Without a name it says which benches there are. docs/BENCHMARKS.md holds method and results.
 */
import { DNS_SUMMARY, DNS_USAGE, dnsBench } from './dns.ts';
import { STREAMS_SUMMARY, STREAMS_USAGE, streamsBench } from './dns-streams.ts';
import { WORKERS_SUMMARY, WORKERS_USAGE, workersBench } from './dns-workers.ts';
import { ECS_COST_SUMMARY, ECS_COST_USAGE, ecsCostBench } from './ecs-cost.ts';
import { FLIPS_SUMMARY, FLIPS_USAGE, flipsBench } from './flips.ts';
import { GEO_SUMMARY, GEO_USAGE, geoBench } from './geo.ts';
import { HTTP_SUMMARY, HTTP_USAGE, httpBench } from './http.ts';
import { LATENCY_SUMMARY, LATENCY_USAGE, latencyBench } from './latency.ts';
import { LAYER4_SUMMARY, LAYER4_USAGE, layer4Bench } from './layer4.ts';
import { POLICIES_SUMMARY, POLICIES_USAGE, policiesBench } from './policies.ts';
import { PROBES_SUMMARY, PROBES_USAGE, probesBench } from './probes.ts';
import { SCALE_SUMMARY, SCALE_USAGE, scaleBench } from './scale.ts';
import { openScratch, type Scratch } from './scratch.ts';
import { SESSIONS_SUMMARY, SESSIONS_USAGE, sessionsBench } from './sessions.ts';
import { SIGNING_SUMMARY, SIGNING_USAGE, signingBench } from './signing.ts';
import { TROUBLE_SUMMARY, TROUBLE_USAGE, troubleBench } from './trouble.ts';

type Bench = {
  readonly name: string;
  readonly summary: string;
  readonly usage: string;
  /** Resolves to the exit code; throws a sentence when it cannot measure. */
  run(words: readonly string[], scratch: Scratch): Promise<number>;
};

const benches: readonly Bench[] = [
  { name: 'dns', summary: DNS_SUMMARY, usage: DNS_USAGE, run: dnsBench },
  { name: 'dns-streams', summary: STREAMS_SUMMARY, usage: STREAMS_USAGE, run: streamsBench },
  { name: 'dns-workers', summary: WORKERS_SUMMARY, usage: WORKERS_USAGE, run: workersBench },
  { name: 'flips', summary: FLIPS_SUMMARY, usage: FLIPS_USAGE, run: flipsBench },
  { name: 'policies', summary: POLICIES_SUMMARY, usage: POLICIES_USAGE, run: policiesBench },
  { name: 'ecs-cost', summary: ECS_COST_SUMMARY, usage: ECS_COST_USAGE, run: ecsCostBench },
  { name: 'geo', summary: GEO_SUMMARY, usage: GEO_USAGE, run: geoBench },
  { name: 'latency', summary: LATENCY_SUMMARY, usage: LATENCY_USAGE, run: latencyBench },
  { name: 'signing', summary: SIGNING_SUMMARY, usage: SIGNING_USAGE, run: signingBench },
  { name: 'scale', summary: SCALE_SUMMARY, usage: SCALE_USAGE, run: scaleBench },
  { name: 'http', summary: HTTP_SUMMARY, usage: HTTP_USAGE, run: httpBench },
  { name: 'trouble', summary: TROUBLE_SUMMARY, usage: TROUBLE_USAGE, run: troubleBench },
  { name: 'layer4', summary: LAYER4_SUMMARY, usage: LAYER4_USAGE, run: layer4Bench },
  { name: 'sessions', summary: SESSIONS_SUMMARY, usage: SESSIONS_USAGE, run: sessionsBench },
  { name: 'probes', summary: PROBES_SUMMARY, usage: PROBES_USAGE, run: probesBench },
];

process.exit(await main(process.argv.slice(2)));

async function main([name, ...words]: readonly string[]): Promise<number> {
  const bench = benches.find((each) => each.name === name);
  if (bench === undefined) {
    if (name !== undefined) process.stderr.write(`There is no bench "${name}".\n`);
    const lines = benches.map(
      (each) => `  npm run bench -- ${each.name.padEnd(12)}${each.summary}`,
    );
    process.stdout.write(`Benches:\n${lines.join('\n')}\n`);
    return name === undefined ? 0 : 2;
  }
  if (words.includes('--help')) {
    process.stdout.write(bench.usage);
    return 0;
  }
  try {
    return await bench.run(words, openScratch(bench.name));
  } catch (error) {
    process.stderr.write(`bench ${bench.name}: ${(error as Error).message}\n`);
    return 1;
  }
}
