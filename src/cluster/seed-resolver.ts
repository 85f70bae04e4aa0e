import type { Log } from '../telemetry/log.ts';

/**
 * Addresses to look for nodes at, with names looked up now and then. A name that cannot be looked up
 * keeps the addresses it had: nodes must find each other while DNS is away, above all those that
 * serve it.
 */
export type SeedResolver = {
  /** `host:port`, as configured or registered. */
  setSeeds(seeds: readonly string[]): void;
  close(): void;
};

export type SeedResolverDeps = {
  readonly clock: { setTimer(ms: number, run: () => void): () => void };
  /** The addresses of one seed; rejects when there are none. */
  readonly resolve: (seed: string) => Promise<readonly string[]>;
  /** All addresses that are known now. */
  readonly onAddresses: (addresses: readonly string[]) => void;
  readonly log: Pick<Log, 'info' | 'warn'>;
};

/** Names are looked up again this often, */
export const RESOLVE_INTERVAL_MS = 60_000;
/** and those that could not be. */
export const RESOLVE_RETRY_MS = 5000;

type Seed = { addresses: readonly string[]; isMissing: boolean };

export function createSeedResolver(deps: SeedResolverDeps): SeedResolver {
  const seeds = new Map<string, Seed>();
  let cancelTimer = (): void => {};
  let round = 0;
  const tell = (): void => {
    deps.onAddresses([...new Set([...seeds.values()].flatMap(({ addresses }) => addresses))]);
  };
  const lookUp = async (): Promise<void> => {
    cancelTimer();
    round += 1;
    const ours = round;
    await Promise.all([...seeds].map(([name, seed]) => lookUpOne(deps, name, seed, tell)));
    // Another one has begun, or it is closed.
    if (ours !== round) return;
    const isMissing = [...seeds.values()].some((seed) => seed.isMissing);
    const waitMs = isMissing ? RESOLVE_RETRY_MS : RESOLVE_INTERVAL_MS;
    cancelTimer = deps.clock.setTimer(waitMs, () => void lookUp());
  };
  return {
    setSeeds(names) {
      const wanted = new Set(names);
      if (wanted.symmetricDifference(seeds).size === 0) return;
      for (const name of seeds.keys()) if (!wanted.has(name)) seeds.delete(name);
      for (const name of wanted) {
        if (!seeds.has(name)) seeds.set(name, { addresses: [], isMissing: false });
      }
      tell();
      void lookUp();
    },
    close() {
      round += 1;
      cancelTimer();
    },
  };
}

async function lookUpOne(
  { log, resolve }: SeedResolverDeps,
  name: string,
  seed: Seed,
  onChange: () => void,
): Promise<void> {
  try {
    const addresses = (await resolve(name)).toSorted();
    if (seed.isMissing) log.info('peers.resolved', `The node's address ${name} is found again.`);
    seed.isMissing = false;
    if (addresses.join() === seed.addresses.join()) return;
    seed.addresses = addresses;
    onChange();
  } catch (error) {
    const { code = 'ERROR' } = error as NodeJS.ErrnoException;
    const text = `The node's address ${name} cannot be looked up: ${code}.`;
    if (!seed.isMissing) log.warn('peers.unresolved', text);
    seed.isMissing = true;
  }
}
