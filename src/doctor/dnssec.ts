import { TYPE_DNSKEY, TYPE_SOA } from '../dns/constants.ts';
import { DIGEST_SHA1, dsText, keyDigest, keyTag } from '../dns/dnssec/key-digest.ts';
import { parseName } from '../dns/name.ts';
import { typeName } from '../dns/type-names.ts';
import { bad, type Check, type Found, ok, warn } from './finding.ts';
import type { NameserverSights, Observation } from './observation.ts';
import { type Ds, keysOf, parentDs, signaturesOf, zoneKeys } from './security.ts';
import { serving, titleOf, titlesOf } from './standing.ts';

/**
 * The chain from the parent's DS to the zone's keys, and how long its signatures hold. Signatures are
 * not verified: a validator does that, and says so with SERVFAIL.
 */
export const dnssec: Check = {
  kind: 'dnssec',
  look(observation) {
    if (serving(observation).length === 0) return [];
    const ds = parentDs(observation);
    const keys = zoneKeys(observation);
    if (keys.length === 0) return [unsignedFinding(observation, ds)];
    const found = [...chainFindings(observation, ds, keys), ...coverFindings(observation)];
    found.push(...entryFindings(observation, ds, keys));
    for (const server of serving(observation)) found.push(...timeFindings(server, observation));
    return found;
  },
};

function unsignedFinding({ parent, zone }: Observation, ds: readonly Ds[]): Found {
  if (ds.length > 0) {
    return bad(
      `The parent has DS records (${tagsOf(ds)}), but the zone has no keys: for resolvers that validate it does not exist.`,
      `Have the parent (or registrar) take the DS records of ${zone} out, or sign the zone with these keys.`,
    );
  }
  if (parent.servers.some(({ ds: sight }) => sight.ok)) {
    return ok('The zone is not signed, and the parent has no DS: both agree.');
  }
  return warn(
    'The zone is not signed; whether the parent has DS records could not be asked.',
    "Ask again, or name the parent's servers with --parent.",
  );
}

/** DS against DNSKEY (RFC 4035 5.2). */
function chainFindings(
  { zone }: Observation,
  ds: readonly Ds[],
  keys: readonly Uint8Array[],
): readonly Found[] {
  const owner = parseName(zone)!;
  const entry = keys.find((key) => (key[1]! & FLAG_SEP) !== 0) ?? keys[0]!;
  const wanted = `${zone} DS ${dsText(owner, entry)}`;
  if (ds.length === 0) {
    return [
      warn(
        'The zone is signed, but the parent has no DS: nobody validates it.',
        `When the zone is well signed, have the parent (or registrar) add: ${wanted}`,
      ),
    ];
  }
  const matching = ds.filter((one) => keys.some((key) => isOf(one, owner, key)));
  if (matching.length === 0) {
    return [
      bad(
        `No DS at the parent (${tagsOf(ds)}) is of a key of the zone: resolvers that validate answer SERVFAIL.`,
        `Have the parent (or registrar) replace them by: ${wanted}`,
      ),
    ];
  }
  const found: Found[] = [];
  const stray = ds.filter((one) => !matching.includes(one));
  if (stray.length > 0) {
    found.push(
      warn(
        `DS records at the parent have no key in the zone: ${tagsOf(stray)}.`,
        'Well during a change of keys; else have the parent take them out.',
      ),
    );
  }
  if (matching.every(({ digestType }) => digestType === DIGEST_SHA1)) {
    found.push(
      warn(
        'The DS records that match have SHA-1 digests only, which validators stop to accept (RFC 8624 3.3).',
        `Have the parent (or registrar) add: ${wanted}`,
      ),
    );
  }
  found.push(ok(`DS at the parent is of a key of the zone (${tagsOf(matching)}).`));
  return found;
}

/** The flag of keys that parents are to have the DS of (RFC 4034 2.1.1). */
const FLAG_SEP = 1;
/** Without this flag a key signs no zone; it is in the upper octet. */
const FLAG_ZONE_KEY = 1;

function isOf(ds: Ds, owner: Uint8Array, key: Uint8Array): boolean {
  if ((key[0]! & FLAG_ZONE_KEY) === 0 || key[3] !== ds.algorithm) return false;
  if (keyTag(key) !== ds.tag) return false;
  const digest = keyDigest(ds.digestType, owner, key);
  return digest !== undefined && Buffer.from(digest).equals(ds.digest);
}

/** The keys are signed by one that the parent vouches for (RFC 4035 5.2): a DS that fits is not enough. */
function entryFindings(
  observation: Observation,
  ds: readonly Ds[],
  keys: readonly Uint8Array[],
): readonly Found[] {
  const { zone } = observation;
  const owner = parseName(zone)!;
  const matching = ds.filter((one) => keys.some((key) => isOf(one, owner, key)));
  if (matching.length === 0) return [];
  const without = serving(observation).filter((server) => {
    const ofKeys = signaturesOf(server.keys, zone).filter(
      ({ typeCovered }) => typeCovered === TYPE_DNSKEY,
    );
    const isEntered = ofKeys.some((signature) =>
      matching.some(({ algorithm, tag }) => {
        return algorithm === signature.algorithm && tag === signature.tag;
      }),
    );
    // Without any another finding says so.
    return ofKeys.length > 0 && !isEntered;
  });
  if (without.length === 0) return [];
  return [
    bad(
      `The keys at ${titlesOf(without)} are signed by none that the parent has the DS of (${tagsOf(matching)}): resolvers that validate answer SERVFAIL.`,
      'Sign the DNSKEY records with that key again, or have the parent replace the DS by one of the key that signs them.',
    ),
  ];
}

/** Everybody has the keys, their signature and that of SOA. */
function coverFindings(observation: Observation): readonly Found[] {
  const { zone } = observation;
  const without = serving(observation).filter((server) => {
    if (!server.soa.ok || !server.keys.ok) return false;
    const covered = [
      ...signaturesOf(server.soa, zone),
      // By UDP they may have been too long.
      ...signaturesOf(server.tcp, zone),
      ...signaturesOf(server.keys, zone),
    ].map(({ typeCovered }) => typeCovered);
    return (
      keysOf(server.keys, zone).length === 0 ||
      !covered.includes(TYPE_SOA) ||
      !covered.includes(TYPE_DNSKEY)
    );
  });
  if (without.length === 0) return [];
  return [
    bad(
      `Keys or signatures are missing at ${titlesOf(without)}, while others have them or the zone is half signed.`,
      'Give all nodes the same keys and sign the zone on each, or on none.',
    ),
  ];
}

/** A signer that works renews long before this part of a signature's life is left. */
const LIFE_LEFT_MIN = 0.2;

function timeFindings(server: NameserverSights, { zone }: Observation): readonly Found[] {
  const nowSeconds = Math.floor(server.soaAtSeconds);
  const found: Found[] = [];
  for (const signature of [...signaturesOf(server.soa, zone), ...signaturesOf(server.keys, zone)]) {
    const { expiration, inception, typeCovered } = signature;
    // Serial arithmetic on 32 bits (RFC 4034 3.1.5).
    const left = (expiration - nowSeconds) | 0;
    const life = (expiration - inception) | 0;
    const what = `The signature of ${typeName(typeCovered)} at ${titleOf(server)}`;
    if (left <= 0) {
      found.push(
        bad(
          `${what} ended ${spanText(-left)} ago: resolvers that validate answer SERVFAIL.`,
          'Sign the zone again, and see why its signer stopped.',
        ),
      );
    } else if (((inception - nowSeconds) | 0) > 0) {
      found.push(
        bad(
          `${what} begins in ${spanText((inception - nowSeconds) | 0)} only.`,
          "Set the signer's clock, or this machine's, by NTP.",
        ),
      );
    } else if (left < life * LIFE_LEFT_MIN) {
      found.push(
        warn(
          `${what} ends in ${spanText(left)}, with most of its ${spanText(life)} gone.`,
          'See that the signer runs: it should have made a new one by now.',
        ),
      );
    }
  }
  return found;
}

function tagsOf(ds: readonly Ds[]): string {
  const tags = [...new Set(ds.map(({ tag }) => tag))].sort((a, b) => a - b);
  return `key tag${tags.length === 1 ? '' : 's'} ${tags.join(', ')}`;
}

function spanText(seconds: number): string {
  if (seconds >= 2 * 86_400) return `${Math.floor(seconds / 86_400)} days`;
  if (seconds >= 2 * 3600) return `${Math.floor(seconds / 3600)} hours`;
  return seconds >= 120 ? `${Math.floor(seconds / 60)} minutes` : `${seconds} s`;
}
