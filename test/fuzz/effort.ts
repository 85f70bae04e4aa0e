/**
 * How hard random tests try. `npm test` runs each as often as fits into seconds; `npm run fuzz` sets
 * FUZZ_SCALE, so that every test runs as many times longer; FUZZ_ITERATIONS says it outright, and
 * FUZZ_SEED repeats what a failure printed.
 */
export function fuzzRuns(runs: number): number {
  const scale = Number(process.env['FUZZ_SCALE'] ?? 1);
  return Number(process.env['FUZZ_ITERATIONS'] ?? runs * scale);
}

export function fuzzSeed(usual: number): number {
  return Number(process.env['FUZZ_SEED'] ?? usual);
}
