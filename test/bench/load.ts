/** Runs the load generator on a core of its own. */
import { fileURLToPath } from 'node:url';
import type { LoadReport, LoadSetting } from './load-generator.ts';
import type { Scratch } from './scratch.ts';

export type Load = Pick<LoadSetting, 'port' | 'file' | 'seconds' | 'rate'> & {
  readonly core: number;
};

/** Source addresses, and queries under way at once over all of them. */
export const CLIENTS = 16;
export const OUTSTANDING = 128;

const GENERATOR = fileURLToPath(new URL('./load-generator.ts', import.meta.url));

export async function runLoad(scratch: Scratch, load: Load): Promise<LoadReport> {
  const { core, ...rest } = load;
  const setting: LoadSetting = { ...rest, sockets: CLIENTS, outstanding: OUTSTANDING };
  const words = ['-c', String(core), process.execPath];
  words.push('--disable-warning=ExperimentalWarning', GENERATOR, JSON.stringify(setting));
  const child = scratch.start('taskset', words);
  const code = await child.ended;
  if (code !== 0) {
    throw new Error(`the load generator ended with code ${code} and said:\n${child.output()}`);
  }
  return JSON.parse(child.output()) as LoadReport;
}

/** How many answers had another RCODE than NOERROR, in words; empty when there is none. */
export function otherCodes({ codes }: LoadReport): string {
  return codes
    .flatMap((count, rcode) => (rcode > 0 && count > 0 ? [`RCODE ${rcode}: ${count}`] : []))
    .join(', ');
}
