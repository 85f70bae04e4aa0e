import { createReadStream } from 'node:fs';
import {
  appendFile,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { HashedPart } from '../control/journal-config.ts';
import type { JournalDisk } from '../control/journal-writer.ts';

/**
 * The record on disk: `journal/<milliseconds>.jsonl`, one segment a file, and
 * `journal/config-<sha256>.json`, one file for each configuration that was served. A configuration's
 * file is touched by every segment that begins under it, so one that is older than the oldest segment
 * is named by none.
 */

/** All files together; the segment that is being written is kept in any case. */
export const JOURNAL_BYTES_MAX = 256 * 1024 * 1024;
export const JOURNAL_DAYS_MAX = 7;
/** A segment is never larger by much; what is, is not ours and not read. */
const SEGMENT_BYTES_MAX = 64 * 1024 * 1024;

const DIRECTORY = 'journal';
const DAY_MS = 86_400_000;
const SEGMENT = /^(\d{1,15})\.jsonl$/;
const CONFIG = /^config-([0-9a-f]{64})\.json$/;

export type JournalLimits = { readonly bytesMax: number; readonly daysMax: number };

export function openJournalFiles(
  stateDirectory: string,
  limits: JournalLimits = { bytesMax: JOURNAL_BYTES_MAX, daysMax: JOURNAL_DAYS_MAX },
): JournalDisk {
  const directory = join(stateDirectory, DIRECTORY);
  const segment = (startMs: number): string => join(directory, `${startMs}.jsonl`);
  const configFile = (hash: string): string => join(directory, `config-${hash}.json`);
  return {
    async starts() {
      return (await listSegments(directory)).map(({ startMs }) => startMs);
    },
    async begin(startMs, text) {
      await mkdir(directory, { recursive: true });
      await replaceFile(segment(startMs), text);
    },
    append: (startMs, text) => appendFile(segment(startMs), text),
    read: (startMs) => readLines(segment(startMs)),
    async keepConfig({ hash, text }: HashedPart, nowMs) {
      await mkdir(directory, { recursive: true });
      const file = configFile(hash);
      const time = new Date(nowMs);
      try {
        await utimes(file, time, time);
      } catch {
        // Not there yet.
        await replaceFile(file, text);
        await utimes(file, time, time);
      }
    },
    async readConfig(hash) {
      return readFile(configFile(hash), 'utf8');
    },
    prune: (nowMs) => prune(directory, limits, nowMs),
  };
}

/** There as a whole or not at all. */
async function replaceFile(file: string, text: string): Promise<void> {
  const next = `${file}.next`;
  await writeFile(next, text);
  await rename(next, file);
}

async function readLines(file: string): Promise<readonly string[] | undefined> {
  const { size } = await stat(file);
  if (size > SEGMENT_BYTES_MAX) return undefined;
  const lines: string[] = [];
  for await (const line of createInterface({ input: createReadStream(file, 'utf8') })) {
    if (line !== '') lines.push(line);
  }
  return lines;
}

type Segment = { readonly startMs: number; readonly file: string };

async function listSegments(directory: string): Promise<readonly Segment[]> {
  const names = await readdir(directory);
  return names
    .flatMap((name) => {
      const startMs = SEGMENT.exec(name)?.[1];
      return startMs === undefined
        ? []
        : [{ startMs: Number(startMs), file: join(directory, name) }];
    })
    .toSorted((a, b) => a.startMs - b.startMs);
}

/**
 * Removes the oldest segments beyond the limits, and configurations that none of the others names.
 * Configurations may take half of the room at most.
 */
async function prune(
  directory: string,
  { bytesMax, daysMax }: JournalLimits,
  nowMs: number,
): Promise<void> {
  let left = bytesMax;
  const configs = (await listConfigs(directory)).toSorted((a, b) => b.mtimeMs - a.mtimeMs);
  const keptConfigs: typeof configs = [];
  for (const config of configs) {
    if (keptConfigs.length > 0 && left - config.size < bytesMax / 2) await remove(config);
    else {
      keptConfigs.push(config);
      left -= config.size;
    }
  }
  const oldestMs = nowMs - daysMax * DAY_MS;
  let kept = await Promise.all(
    (await listSegments(directory)).map(async (each) => {
      const { size } = await stat(each.file);
      return { ...each, size };
    }),
  );
  left -= kept.reduce((sum, { size }) => sum + size, 0);
  for (const [index, segment] of kept.entries()) {
    const next = kept[index + 1];
    // A segment reaches to where the next one begins.
    if (next === undefined || (next.startMs >= oldestMs && left >= 0)) {
      kept = kept.slice(index);
      break;
    }
    await remove(segment);
    left += segment.size;
  }
  const firstMs = kept[0]?.startMs ?? 0;
  for (const config of keptConfigs.slice(1)) if (config.mtimeMs < firstMs) await remove(config);
}

const remove = ({ file }: { readonly file: string }): Promise<void> => rm(file, { force: true });

async function listConfigs(directory: string) {
  const names = (await readdir(directory)).filter((name) => CONFIG.test(name));
  return Promise.all(
    names.map(async (name) => {
      const file = join(directory, name);
      const { mtimeMs, size } = await stat(file);
      return { file, mtimeMs, size };
    }),
  );
}
