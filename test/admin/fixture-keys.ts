import { formatKeySet, newKeySet } from '../../src/dns/dnssec/key-set.ts';
import { ECDSA_P256 } from '../../src/dns/dnssec/keys.ts';
import { keepZoneKeys, type ZoneKeysKeeper } from '../../src/node/zone-keys.ts';
import { createZoneOverlays } from '../../src/node/zone-overlays.ts';
import { configOf, SHARED } from '../node/zone-keys-rig.ts';

/** The keys of `gslb.example`, a KSK and a ZSK, as the keeper of a node has them: sealed for nobody. */
export function createFixtureKeys(
  startedAtMs: number,
  nowMs: () => number,
  record: (kind: string, subject: string, message: string) => void,
): ZoneKeysKeeper {
  let bytes: Uint8Array = Buffer.from(formatKeySet(newKeySet('ksk-zsk', ECDSA_P256, startedAtMs)));
  return keepZoneKeys({
    config: configOf({ 'gslb.example': '{ keys: ksk-zsk }' }, ...SHARED),
    secrets: {
      get: () => ({ state: 'known', bytes }),
      async update(name, change) {
        const next = change(bytes);
        bytes = next ?? bytes;
        return { ok: true, key: name, isChanged: next !== undefined };
      },
      createOnce: async () => ({ ok: true, bytes, isNew: false }),
      watch: () => () => {},
      watchAll: () => () => {},
    },
    clock: { nowMs, setTimer: () => () => {} },
    events: { record },
    log: { warn: () => {} },
    tell: () => {},
    setOverlay: () => {},
    overlays: createZoneOverlays(),
    isCutOff: () => false,
    settled: async () => ({ shared: true, detail: 'the store has it' }),
  });
}
