/** The fixture's zones, signed: a worker that has no keys, and a signer that has them. */
import type { Config } from '../../src/config/config.ts';
import { ECDSA_P256, generateKey, openKey, type ZoneKey } from '../../src/dns/dnssec/keys.ts';
import type { ZoneSigningKeys } from '../../src/dns/dnssec/signing-keys.ts';
import { formatRdata } from '../../src/dns/rdata/registry.ts';
import type { Learned } from '../../src/nameserver/learned.ts';
import type { Snapshot } from '../../src/nameserver/snapshot.ts';
import type { WorkerState } from '../../src/nameserver/worker-state.ts';
import { createColdSigner } from '../../src/signing/cold.ts';
import { type KeyRing, openRing } from '../../src/signing/key-ring.ts';
import { signSnapshot } from '../../src/signing/sign-snapshot.ts';
import { createSignatureCache, type SignatureCache } from '../../src/signing/signature-cache.ts';
import { compiled, createConfig, rrset, startWorker } from '../nameserver/fixture.ts';

export const NOW_SECONDS = 1_780_000_000;

export type SignedWorld = {
  readonly config: Config;
  readonly snapshot: Snapshot;
  /** Has no keys. */
  readonly worker: WorkerState;
  readonly signer: WorkerState;
  /** What the signer has made under names that nobody foresaw. */
  readonly noted: Learned[];
  readonly cache: SignatureCache;
  readonly ring: KeyRing;
  /** What a signer is told. */
  readonly keys: readonly ZoneSigningKeys[];
  /** Before it was signed. */
  readonly plain: Snapshot;
  /** DNSKEY rdata by zone; undefined = it is not signed. */
  readonly dnskeys: ReadonlyMap<string, Uint8Array | undefined>;
};

/** @param signed names of zones of the configuration */
export function signedWorld(
  denial: 'compact' | 'nsec',
  signed: readonly string[] = ['gslb.example'],
  before: Config = createConfig(),
): SignedWorld {
  const jwks = signed.map((zone) => ({ zone, jwk: generateKey(ECDSA_P256) }));
  const open = new Map(jwks.map(({ jwk, zone }) => [zone, openKey(jwk, 257)!] as const));
  const config = withKeys(before, denial, open);
  const times = { validitySeconds: 14 * 86_400, refreshSeconds: 7 * 86_400, jitterSeconds: 86_400 };
  const keys = jwks.map(({ jwk, zone }) => {
    const key = { jwk, flags: 257 };
    return { zone, times, zoneKeys: [key], entryKeys: [key] };
  });
  const ring = openRing(keys);
  const cache = createSignatureCache(10_000);
  const plain = compiled(config);
  const parts = run(signSnapshot(plain, ring, cache, new Map(), NOW_SECONDS));
  const snapshot = { ...plain, ...parts };
  const signer = startWorker(snapshot);
  const noted: Learned[] = [];
  const note = (made: Learned) => noted.push(made);
  signer.signer = createColdSigner(snapshot, ring, cache, () => NOW_SECONDS, note);
  const names = Object.keys(config.zones);
  const dnskeys = new Map(names.map((zone) => [zone, open.get(zone)?.dnskey]));
  const worker = startWorker(snapshot);
  return { config, snapshot, worker, signer, noted, cache, ring, keys, plain, dnskeys };
}

function withKeys(
  config: Config,
  denial: 'compact' | 'nsec',
  keys: ReadonlyMap<string, ZoneKey>,
): Config {
  const zones = { ...config.zones };
  for (const [name, { dnskey }] of keys) {
    const dnssec = {
      scheme: 'csk',
      algorithm: 'ecdsap256',
      denial,
      validitySeconds: 1_209_600,
      refreshSeconds: 604_800,
    } as const;
    const published = rrset(`${name}.`, 'DNSKEY', [formatRdata(48, dnskey)]);
    const zone = zones[name]!;
    zones[name] = { ...zone, dnssec, isKeyed: true, rrsets: [...zone.rrsets, published] };
  }
  return { ...config, zones };
}

/** To the end, without a pause. */
export function run<T>(steps: Generator<void, T>): T {
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}
