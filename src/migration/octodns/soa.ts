import { childOf, textOf, wholeNumber } from '../tree.ts';
import { targetName } from './domain-name.ts';
import type { RecordContext } from './record-context.ts';

const NUMBERS = ['serial', 'refresh', 'retry', 'expire', 'minimum'];
const NUMBER_MAX = 2 ** 32 - 1;

/** The SOA as a zone of ours has it: what is not said has a default. */
export function readSoa(context: RecordContext): Readonly<Record<string, unknown>> {
  const { notes, record } = context;
  const value = childOf(record, 'value') ?? childOf(record, 'values');
  if (value?.kind !== 'map') {
    notes.error(value?.at ?? record.at, 'the value of SOA is not a map', 'mname, rname, serial …');
    return {};
  }
  const names = ['mname', 'rname'].map((key) => [key, targetName(childOf(value, key), context)]);
  const numbers = NUMBERS.map((key) => {
    const tree = childOf(value, key);
    const number = wholeNumber(tree, 0, NUMBER_MAX);
    if (tree !== undefined && number === undefined) {
      notes.error(tree.at, `"${textOf(tree) ?? ''}" is not a ${key} of a SOA`, 'a whole number');
    }
    return [key, number];
  });
  return Object.fromEntries([...names, ...numbers].filter(([, each]) => each !== undefined));
}
