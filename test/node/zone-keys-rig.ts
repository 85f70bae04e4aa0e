import assert from 'node:assert/strict';
import type { Config } from '../../src/config/config.ts';
import type { ZoneOverlay } from '../../src/config/overlay.ts';
import { validateConfig } from '../../src/config/validate.ts';
import type { Problem } from '../../src/control/control-plane.ts';
import type { ZoneDnssec } from '../../src/control/zone-dnssec.ts';
import type { ZoneSigningKeys } from '../../src/dns/dnssec/signing-keys.ts';
import { keepZoneKeys, type ZoneKeysKeeper, type ZoneKeysParts } from '../../src/node/zone-keys.ts';
import { createZoneOverlays } from '../../src/node/zone-overlays.ts';
import type { FactNode } from '../cluster/fact-world.ts';
import { centroids } from '../config/centroids.ts';
import type { MovedClock } from '../monitoring/moved-clock.ts';

/** A keeper of keys with everything that it tells, in order. */
export type KeysRig = {
  readonly keeper: ZoneKeysKeeper;
  /** `tell ZONE…` and `overlay ZONE`, as they came. */
  readonly order: readonly string[];
  /** `kind: message`. */
  readonly events: readonly string[];
  signing(zone?: string): ZoneSigningKeys | undefined;
  overlay(zone?: string): ZoneOverlay | undefined;
  /** Data of the zone's RRset of that type. */
  data(type: string, zone?: string): readonly string[];
  status(zone?: string): ZoneDnssec;
};

export const ZONE = 'gslb.example';

/** A configuration with these zones; `sections` are further lines. */
export function configOf(zones: Readonly<Record<string, string>>, ...sections: string[]): Config {
  const text = [
    ...(sections.some((line) => line.startsWith('node:')) ? [] : ['node: { name: one }']),
    ...sections,
    'zones:',
    ...Object.entries(zones).map(
      ([zone, dnssec]) => `  ${zone}: { nameservers: ns.other.example., dnssec: ${dnssec} }`,
    ),
  ].join('\n');
  const result = validateConfig(text, 'test.yaml', {}, centroids);
  if (!result.ok) assert.fail(result.issues.map(({ message }) => message).join('; '));
  return result.config;
}

/** The nodes share a store and a secret. */
export const SHARED = [
  'cluster: { keys: [first cluster key, long enough to be one] }'.replace(
    'first cluster key, long enough to be one',
    '"first cluster key, long enough to be one"',
  ),
  'store: { kind: redis, url: redis://127.0.0.1 }',
];

export function keysRig(
  clock: MovedClock,
  config: Config,
  node: FactNode | undefined,
  more: Partial<ZoneKeysParts> = {},
): KeysRig {
  const order: string[] = [];
  const events: string[] = [];
  const overlays = new Map<string, ZoneOverlay>();
  let told: readonly ZoneSigningKeys[] = [];
  const keeper = keepZoneKeys({
    config,
    clock,
    secrets: node?.facts.secrets ?? NO_SECRETS,
    events: {
      record: (kind, _, message) => {
        events.push(`${kind}: ${message}`);
      },
    },
    log: { warn: (kind, message) => events.push(`${kind}: ${message}`) },
    tell(keys) {
      told = keys;
      order.push(`tell ${keys.map(({ zone }) => zone).join()}`);
    },
    setOverlay(zone, overlay) {
      if (overlay === undefined) overlays.delete(zone);
      else overlays.set(zone, overlay);
      order.push(`overlay ${zone}`);
    },
    overlays: createZoneOverlays(),
    isCutOff: () => node?.facts.isStoreAway() ?? false,
    settled: async () => ({ shared: true, detail: 'the store has it' }),
    ...more,
  });
  return {
    keeper,
    order,
    events,
    signing: (zone = ZONE) => told.find((each) => each.zone === zone),
    overlay: (zone = ZONE) => overlays.get(zone),
    data: (type, zone = ZONE) =>
      overlays.get(zone)?.rrsets.find((rrset) => rrset.type === type)?.data ?? [],
    status: (zone = ZONE) => good(keeper.status(zone)),
  };
}

export function good(result: ZoneDnssec | Problem): ZoneDnssec {
  if ('problem' in result && 'code' in result) assert.fail(result.message);
  return result as ZoneDnssec; // A problem has a code.
}

export function refused(result: ZoneDnssec | Problem): string {
  return 'code' in result ? result.code : 'taken';
}

const NO_SECRETS: ZoneKeysParts['secrets'] = {
  get: () => ({ state: 'absent' }),
  update: async (name) => ({ ok: false, reason: `${name} cannot be sealed` }),
  createOnce: async (name) => ({ ok: false, reason: `${name} cannot be sealed` }),
  watch: () => () => {},
  watchAll: () => () => {},
};
