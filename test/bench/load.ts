/** Runs a load generator on a core of its own, and reads what it says. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { RCODE_NXDOMAIN } from '../../src/dns/constants.ts';
import { endedChildrenCpuSeconds } from './cpu.ts';
import type { Workload } from './dns-workload.ts';
import { createLatencies } from './latencies.ts';
import type { LoadReport, LoadSetting } from './load-generator.ts';
import { streamOf } from './query-bytes.ts';
import type { Scratch } from './scratch.ts';
import type { StreamSetting } from './stream-generator.ts';

export type Load = Pick<LoadSetting, 'port' | 'address' | 'file' | 'draws' | 'seconds' | 'rate'> & {
  /** Those that the generator may use. */
  readonly cores: readonly number[];
  /** SOURCES unless said. */
  readonly sources?: number;
};
type StreamLoad = Omit<Load, 'rate' | 'draws' | 'sources'>;

/** Sockets, addresses that their queries come from, and queries under way at once over all of them. */
export const CLIENTS = 4;
export const SOURCES = 4096;
export const OUTSTANDING = 128;
export const STREAM_CONNECTIONS = 16;
/** What every server has, so that all pay for the same. */
const TLS_CIPHER = 'TLS_AES_128_GCM_SHA256';

/** A load ends somewhere in the draws, and what it ends with weighs little. */
const MISSING_TOLERANCE = 0.01;

const GENERATOR = fileURLToPath(new URL('./load-generator.ts', import.meta.url));
const STREAM_GENERATOR = fileURLToPath(new URL('./stream-generator.ts', import.meta.url));
const NODE = [process.execPath, '--disable-warning=ExperimentalWarning'];

/** Loads so far. */
let turns = 0;

/** What a workload asks, as files: the part of a load that says it. */
export function writeAsked(
  { write }: Pick<Scratch, 'write'>,
  { asked, name }: Pick<Workload, 'asked' | 'name'>,
): Pick<Load, 'file' | 'draws'> {
  const path = `${name}.queries`;
  if (!('forms' in asked)) return { file: write(path, streamOf(asked)) };
  const fills = asked.forms.map(({ query: _, ...fill }) => fill);
  return {
    file: write(path, streamOf(asked.forms.map(({ query }) => query))),
    draws: { file: write(`${name}.draws`, asked.bytes), fills },
  };
}

/** DNS over UDP. */
export async function runLoad(scratch: Scratch, load: Load): Promise<LoadReport> {
  const { cores, ...rest } = load;
  turns += 1;
  const places = { sockets: CLIENTS, sources: SOURCES, outstanding: OUTSTANDING };
  const setting: LoadSetting = { ...places, ...rest, turn: turns };
  const { text } = await runPinned(scratch, cores, [...NODE, GENERATOR, JSON.stringify(setting)]);
  return JSON.parse(text) as LoadReport;
}

/** DNS over TCP or TLS. */
export async function runStreamLoad(
  scratch: Scratch,
  { cores, isTls, ...load }: StreamLoad & { readonly isTls: boolean },
): Promise<LoadReport> {
  const setting: StreamSetting = {
    ...load,
    connections: STREAM_CONNECTIONS,
    outstanding: OUTSTANDING,
    ...(isTls ? { cipher: TLS_CIPHER } : {}),
  };
  const words = [...NODE, STREAM_GENERATOR, JSON.stringify(setting)];
  const { cpuSeconds, text } = await runPinned(scratch, cores, words);
  return { ...(JSON.parse(text) as LoadReport), generatorShare: cpuSeconds / load.seconds };
}

/** DNS over HTTPS, by h2load, which looks at no answer but for its status. `file` holds a URI per line. */
export async function runHttpsLoad(
  scratch: Scratch,
  { cores, file, port, seconds }: StreamLoad,
): Promise<LoadReport> {
  const log = `${scratch.directory('h2load')}/requests`;
  scratch.write('h2load/requests', '');
  const words = ['h2load', '-B', `https://127.0.0.1:${port}`, '-i', file, '-D', String(seconds)];
  words.push('-c', String(STREAM_CONNECTIONS), '-m', String(OUTSTANDING / STREAM_CONNECTIONS));
  words.push(`--tls13-ciphers=${TLS_CIPHER}`, `--log-file=${log}`);
  const { cpuSeconds, text } = await runPinned(scratch, cores, words);
  const counts = text.match(/(\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout/);
  const [, succeeded = 0, failed = 0, errored = 0, late = 0] = counts?.map(Number) ?? [];
  if (succeeded === 0) throw new Error(`h2load said:\n${text}`);
  const latencies = createLatencies();
  for (const line of readFileSync(log, 'utf8').split('\n')) {
    const [, , microseconds] = line.split('\t');
    if (microseconds !== undefined) latencies.add(Number(microseconds));
  }
  const { p50, p99, p999 } = latencies;
  return {
    answered: succeeded,
    lost: failed + errored + late,
    codes: [succeeded],
    seconds,
    p50: p50(),
    p99: p99(),
    p999: p999(),
    generatorShare: cpuSeconds / seconds,
  };
}

/** What a program wrote, and the CPU time that it took. */
async function runPinned(scratch: Scratch, cores: readonly number[], words: readonly string[]) {
  const before = endedChildrenCpuSeconds();
  const child = scratch.start('taskset', ['-c', cores.join(','), ...words]);
  const code = await child.ended;
  if (code !== 0) {
    throw new Error(`the load generator ended with code ${code} and said:\n${child.output()}`);
  }
  return { text: child.output(), cpuSeconds: endedChildrenCpuSeconds() - before };
}

/**
 * RCODEs other than NOERROR, in words; empty when there is none.
 * @param missingShare of the queries, those for names that do not exist: so many answers have to be NXDOMAIN
 */
export function otherCodes(
  { answered, codes }: Pick<LoadReport, 'answered' | 'codes'>,
  missingShare = 0,
): string {
  const percent = (share: number): string => `${Math.round(share * 1000) / 10} % NXDOMAIN`;
  const others = codes.flatMap((count, rcode) => {
    const isExpected = rcode === 0 || (rcode === RCODE_NXDOMAIN && missingShare > 0);
    return isExpected || count === 0 ? [] : [`RCODE ${rcode}: ${count}`];
  });
  if (missingShare === 0) return others.join(', ');
  const share = codes[RCODE_NXDOMAIN]! / answered;
  const isRight = Math.abs(share - missingShare) <= MISSING_TOLERANCE;
  const told = isRight
    ? `${percent(missingShare)}, as asked`
    : `**${percent(share)} instead of ${percent(missingShare)}**`;
  return [told, ...others].join(', ');
}
