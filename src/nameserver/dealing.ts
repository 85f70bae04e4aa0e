/** Who belongs to what of a decision: slots of clients by part, draws by outcome. */
import type { Stage } from '../steering/decide.ts';
import { dealSlots, SLOTS } from '../steering/slots.ts';

/** Of what the clients in each slot belong to, counting the parts of all stages; undefined = there is one. */
export function slotsOf(stages: readonly Stage[]): Uint16Array | undefined {
  if (stages.length === 1 && stages[0]!.parts.length === 1) return undefined;
  const slots = new Uint16Array(SLOTS);
  let [from, first, end] = [0, 0, 0];
  for (const { parts, share } of stages) {
    end += share;
    const to = Math.round(end * SLOTS);
    const keys = parts.map(({ key }) => key);
    const dealt = dealSlots(
      keys,
      parts.map((part) => part.share),
    );
    for (let slot = from; slot < to; slot += 1) slots[slot] = first + dealt[slot]!;
    from = to;
    first += parts.length;
  }
  return slots;
}

/** Equal stages have equal texts, with what is answered or but for it. */
export function stagesText(stages: readonly Stage[], hasOutcomes: boolean): string {
  let text = '';
  for (const { parts, share } of stages) {
    text += `${share}:`;
    for (const part of parts) {
      text += `${part.key}=${part.share}`;
      if (hasOutcomes) text += part.draw;
      for (const each of hasOutcomes ? part.outcomes : []) {
        text += `,${each.share}`;
        for (const { endpoint } of each.candidates) text += ` ${endpoint}`;
      }
      text += ';';
    }
  }
  return text;
}

/** Upper ends of the outcomes' parts of the 32-bit range. */
export function thresholdsOf(shares: readonly number[]): Uint32Array {
  // Nearly all of them, and a typed array is large.
  if (shares.length < 2) return ALL_DRAWS;
  const thresholds = new Uint32Array(shares.length);
  let sum = 0;
  for (const [index, share] of shares.entries()) {
    sum += share;
    thresholds[index] = Math.min(0xffffffff, Math.round(sum * 2 ** 32));
  }
  return thresholds;
}

const ALL_DRAWS = Uint32Array.of(0xffffffff);

/** Index of the outcome that a 32-bit draw falls on, signed or unsigned. */
export function outcomeOf(thresholds: Uint32Array, draw: number): number {
  const last = thresholds.length - 1;
  const drawn = draw >>> 0;
  let index = 0;
  while (index < last && drawn >= thresholds[index]!) index++;
  return index;
}
