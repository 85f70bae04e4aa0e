/**
 * How hard random tests try. Each says how many runs show something within seconds; `npm test`, whose seeds stay, does
 * a part of them, `npm run fuzz` sets FUZZ_SCALE to fifty times all of them. FUZZ_ITERATIONS says it outright, and
 * FUZZ_SEED repeats what a failure printed.
 */
const USUAL_SCALE = 0.3;

export function fuzzRuns(runs: number): number {
  const scale = Number(process.env['FUZZ_SCALE'] ?? USUAL_SCALE);
  return Number(process.env['FUZZ_ITERATIONS'] ?? Math.ceil(runs * scale));
}

/** How often a test has to come across something when it does so this often in so many runs. */
export function fuzzHits(hits: number, runs: number): number {
  return Math.floor((hits * fuzzRuns(runs)) / runs);
}

export function fuzzSeed(usual: number): number {
  return Number(process.env['FUZZ_SEED'] ?? usual);
}
