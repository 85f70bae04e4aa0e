import { SECRETS_PREFIX } from '../cluster/secrets.ts';
import type { Problem } from '../control/control-plane.ts';
import { notSigned, type ZoneDnssec, type ZoneKeys } from '../control/zone-dnssec.ts';
import {
  advanceRoll,
  needsDs,
  type RollFacts,
  type RollResult,
  startRoll,
} from '../dns/dnssec/key-roll.ts';
import type { KeySet } from '../dns/dnssec/key-set.ts';
import { secretName } from './key-places.ts';
import type { KeptZone, ZoneKeysParts } from './zone-keys.ts';

/**
 * Changes of keys that people ask for, one step at a time. A step begins its waiting when it is taken, so it
 * is not taken while the other nodes cannot hear of it: they would go on with what was before.
 */

/** How long whoever takes a step waits to hear whether others have it. */
const SHARE_WAIT_MS = 2000;

/**
 * @param facts what a step that begins now waits for
 * @param status of keys as they are from now on
 * @param take what the zone's keys are from now on, here
 */
export function createKeyRolls(
  parts: ZoneKeysParts,
  facts: (kept: KeptZone) => RollFacts,
  status: (kept: KeptZone) => ZoneDnssec,
  find: (zone: string) => KeptZone | undefined,
  take: (kept: KeptZone, set: KeySet) => void,
): Omit<ZoneKeys, 'status'> {
  const { clock, events, isCutOff, settled } = parts;
  const change = async (
    zone: string,
    work: (set: KeySet, kept: KeptZone) => RollResult,
    say: (set: KeySet, before: KeySet) => string,
  ): Promise<ZoneDnssec | Problem> => {
    const kept = find(zone);
    if (kept === undefined) return notSigned(zone);
    const { held, place } = kept;
    if (place === undefined) return inFolder(kept);
    if (held.kind !== 'set') return unknown(zone, held.kind === 'none' ? held.reason : '');
    if (place.kind === 'shared' && isCutOff()) return CUT_OFF;
    const result = work(held.set, kept);
    if (!result.ok) return refusal(zone, held.set, result);
    const written = await place.write(result.set, held.set);
    if (!written.ok) return written.why === 'changed' ? outrun(zone) : unwritten(written.reason);
    take(kept, result.set);
    events.record('dnssec.roll', zone, say(result.set, held.set));
    if (place.kind === 'file') return status(kept);
    const sharing = await settled(SECRETS_PREFIX + secretName(zone), SHARE_WAIT_MS);
    return { ...status(kept), sharing };
  };
  return {
    startRoll: ({ by, key, zone }) =>
      change(
        zone,
        (set, kept) => startRoll(set, key, kept.dnssec.scheme, clock.nowMs(), facts(kept)),
        () => `${by} has begun to replace the ${key.toUpperCase()} of ${zone}.`,
      ),
    advanceRoll: ({ by, dsSeen, dsTtlSeconds, zone }) =>
      change(
        zone,
        (set, kept) =>
          advanceRoll(
            set,
            clock.nowMs(),
            facts(kept),
            dsSeen === true ? { ttlSeconds: dsTtlSeconds } : undefined,
          ),
        (set, before) => stepText(zone, set, before, by),
      ),
  };
}

function stepText(zone: string, { roll }: KeySet, before: KeySet, by: string): string {
  const key = before.roll?.replaces.toUpperCase();
  if (roll === undefined) return `The ${key} of ${zone} is replaced: ${by} has ended the roll.`;
  if (roll.step === before.roll?.step) {
    return `The parent of ${zone} has the DS records that it is to have, as ${by} has seen.`;
  }
  return roll.step === 'switched'
    ? `The new ${key} of ${zone} is in use, by ${by}.`
    : `The old ${key} of ${zone} is gone, by ${by}; its DS may go now.`;
}

function inFolder({ dnssec }: KeptZone): Problem {
  return {
    problem: 'conflict',
    code: 'keys-in-folder',
    message: `The keys of this zone are files in ${dnssec.folder}: whoever makes them rolls them.`,
    hint: 'dnssec-keygen makes the next one, dnssec-settime says when each comes and goes.',
  };
}

function unknown(zone: string, reason: string): Problem {
  return {
    problem: 'unavailable',
    code: 'no-keys',
    message: `The keys of ${zone} are not known here: ${reason}.`,
  };
}

const CUT_OFF: Problem = {
  problem: 'unavailable',
  code: 'cut-off',
  message: 'The other nodes cannot hear of it now, and would go on with the keys as they are.',
  hint: 'Nothing is changed. Try again when the store answers (meridian nodes).',
};

/** Of two who ask for a step at one moment one takes it, and the other looks again. */
function outrun(zone: string): Problem {
  return {
    problem: 'conflict',
    code: 'keys-changed',
    message: `Somebody else has changed the keys of ${zone} at the same moment. Nothing more is changed.`,
    hint: `Look at what they have done: meridian dnssec status ${zone}.`,
  };
}

function unwritten(reason: string): Problem {
  return {
    problem: 'unavailable',
    code: 'keys-not-kept',
    message: `Nothing is changed: ${reason}.`,
  };
}

function refusal(zone: string, { roll }: KeySet, result: RollResult & { ok: false }): Problem {
  const message = `Not now: ${result.reason}.`;
  switch (result.why) {
    case 'too-early':
      return { problem: 'conflict', code: 'roll-too-early', message };
    case 'no-ds': {
      const hint = `meridian dnssec roll next ${zone} looks there; --ds-seen says that they are as they should be.`;
      return { problem: 'conflict', code: 'roll-needs-ds', message, hint };
    }
    case 'idle':
      return {
        ...{ problem: 'conflict', code: 'no-roll', message },
        hint: `meridian dnssec roll start ${zone} --key … begins one.`,
      };
    case 'running': {
      const waits = roll && needsDs(roll) ? 'waits for the parent' : 'is under way';
      const hint = `It ${waits}: meridian dnssec status ${zone}.`;
      return { problem: 'conflict', code: 'roll-running', message, hint };
    }
    case 'no-such-key':
      return { problem: 'invalid', code: 'no-such-key', message };
  }
}
