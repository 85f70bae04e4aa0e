import type { Statement } from '../health/statement.ts';
import type { HealthEvent } from './health-table.ts';

/**
 * What is well yet and will not stay so, such as a certificate that expires soon: told once in every
 * wording ("in 5 days", "in 4 days"), whichever vantage point of this node saw it first, and once that
 * it is over.
 */
export type Warnings = {
  /** Returns what people should hear of it. */
  note(statement: Statement): readonly HealthEvent[];
  forget(vantage: string, key: string): void;
};

export function createWarnings(): Warnings {
  /** By key and vantage point; a target that nothing is wrong with has none. */
  const known = new Map<string, Map<string, string>>();
  return {
    note({ key, recent, vantage }) {
      const last = recent.at(-1);
      // A failure says nothing of it.
      if (last === undefined || !last.ok) return [];
      const words = known.get(key);
      const { warning } = last;
      if (warning === undefined) {
        if (words?.delete(vantage) !== true || words.size > 0) return [];
        known.delete(key);
        return [
          { kind: 'probe.warning-over', subject: key, message: 'nothing to warn of any more' },
        ];
      }
      const isTold = words !== undefined && [...words.values()].includes(warning);
      known.set(key, new Map(words).set(vantage, warning));
      return isTold ? [] : [{ kind: 'probe.warning', subject: key, message: warning }];
    },
    forget(vantage, key) {
      const words = known.get(key);
      if (words?.delete(vantage) === true && words.size === 0) known.delete(key);
    },
  };
}
