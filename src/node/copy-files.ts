import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { TYPE_SOA } from '../dns/constants.ts';
import { readCopy } from '../secondary/zone-copy.ts';
import type { ZoneContent } from '../zone/zone-content.ts';

/**
 * Copies of primaries' zones on disk, so that a restart without the primary goes on. Of each zone there is a small
 * file that says when it was confirmed last, and the file of records that it names: nothing is ever half replaced.
 */
export type KeptCopy = {
  readonly content: ZoneContent;
  /** When a primary last said that this is its zone, in milliseconds since 1970. */
  readonly confirmedMs: number;
  readonly primary: string;
};

export type CopyFiles = {
  /** Undefined when there is none, or none that is whole. */
  read(apex: Uint8Array): Promise<KeptCopy | undefined>;
  /** Why it is not kept, in words. */
  keep(copy: KeptCopy): Promise<string | undefined>;
};

const VERSION = 1;
const DIRECTORY = 'copies';
const savedSchema = z.object({
  version: z.literal(VERSION),
  apex: z.string(),
  soa: z.string(),
  soaTtl: z.int().min(0),
  confirmedMs: z.number(),
  primary: z.string(),
  records: z.string().regex(/^[0-9a-f-]+\.records$/),
  sha256: z.string(),
});

const noFiles: CopyFiles = {
  read: () => Promise.resolve(undefined),
  keep: () => Promise.resolve(undefined),
};

/** @param stateDirectory of the node; undefined = it keeps nothing */
export function openCopyFiles(stateDirectory: string | undefined): CopyFiles {
  if (stateDirectory === undefined) return noFiles;
  const directory = join(stateDirectory, DIRECTORY);
  /** Which records each zone's file names. */
  const named = new Map<string, string>();
  /** Most of what is kept is what was kept before, with a later time. */
  const hashes = new WeakMap<ZoneContent, string>();
  const fileOf = (name: string): string => join(directory, name);
  const readSaved = async (base: string): Promise<z.output<typeof savedSchema>> =>
    savedSchema.parse(JSON.parse(await readFile(fileOf(`${base}.json`), 'utf8')));
  return {
    async read(apex) {
      const base = baseOf(apex);
      try {
        const saved = await readSaved(base);
        const packed = await readFile(fileOf(saved.records));
        if (hashOf(packed) !== saved.sha256 || saved.apex !== hexOf(apex)) return undefined;
        const soa = {
          owner: apex,
          type: TYPE_SOA,
          ttlSeconds: saved.soaTtl,
          rdata: new Uint8Array(Buffer.from(saved.soa, 'hex')),
        };
        const content = readCopy(apex, soa, packed);
        if (content === undefined) return undefined;
        named.set(base, saved.records);
        return { content, confirmedMs: saved.confirmedMs, primary: saved.primary };
      } catch {
        // None yet, or damaged: then the primary has to be asked.
        return undefined;
      }
    },
    async keep({ confirmedMs, content, primary }) {
      const base = baseOf(content.apex);
      const sha256 = hashes.get(content) ?? hashOf(content.records);
      hashes.set(content, sha256);
      const records = `${base}-${sha256.slice(0, 16)}.records`;
      try {
        await mkdir(directory, { recursive: true });
        // Of whoever was here before, when it was never read.
        const before = named.get(base) ?? (await readSaved(base).catch(() => undefined))?.records;
        if (named.get(base) !== records) await replace(fileOf(records), content.records);
        const { rdata, ttlSeconds } = content.soa;
        const saved: z.input<typeof savedSchema> = {
          version: VERSION,
          apex: hexOf(content.apex),
          soa: hexOf(rdata),
          soaTtl: ttlSeconds,
          ...{ confirmedMs, primary, records, sha256 },
        };
        await replace(fileOf(`${base}.json`), JSON.stringify(saved));
        named.set(base, records);
        if (before !== undefined && before !== records) await rm(fileOf(before), { force: true });
        return undefined;
      } catch (error) {
        return `${directory} cannot be written (${(error as NodeJS.ErrnoException).code})`;
      }
    },
  };
}

/** In one step. */
async function replace(file: string, data: string | Uint8Array): Promise<void> {
  await writeFile(`${file}.next`, data, { flush: true });
  await rename(`${file}.next`, file);
}

const hashOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
/** Names of zones may have any octet, names of files not. */
const baseOf = (apex: Uint8Array): string => hashOf(apex).slice(0, 24);
