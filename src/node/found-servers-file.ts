import { join } from 'node:path';
import { z } from 'zod';
import { FOUND_SERVERS_MAX, type FoundServer } from '../discovery/server-set.ts';
import { readWholeJson, writeWhole } from './whole-file.ts';

/**
 * The last good sets of servers, on the disk: a node that starts while no resolver answers serves with
 * what it had.
 */
export type FoundServersFile = {
  /** Undefined when nothing is known of this upstream, or of another question. */
  get(upstream: string, question: string): readonly FoundServer[] | undefined;
  /** Why it could not be kept, in words. */
  set(upstream: string, question: string, servers: readonly FoundServer[]): string | undefined;
  /** Others are forgotten when it is written next. */
  keepOnly(upstreams: readonly string[]): void;
};

const FILE_NAME = 'found-servers.json';

const schema = z.object({
  version: z.literal(1),
  upstreams: z.record(
    z.string(),
    z.object({
      question: z.string(),
      servers: z
        .array(
          z.object({
            address: z.union([z.ipv4(), z.ipv6()]),
            port: z.number().int().min(1).max(65535),
            weight: z.number().min(0).max(65535),
            priority: z.number().int().min(0).max(65535),
          }),
        )
        .max(FOUND_SERVERS_MAX),
    }),
  ),
});
type Saved = z.infer<typeof schema>['upstreams'];

/** @param directory undefined = nothing is kept over a restart */
export function openFoundServersFile(
  directory: string | undefined,
  complain: (problem: string) => void,
): FoundServersFile {
  const file = directory === undefined ? undefined : join(directory, FILE_NAME);
  const read = file === undefined ? undefined : readWholeJson(file, schema);
  if (read?.ok === false) complain(read.problem);
  let saved: Saved = (read?.ok === true ? read.value?.upstreams : undefined) ?? {};
  return {
    get(upstream, question) {
      const own = Object.hasOwn(saved, upstream) ? saved[upstream] : undefined;
      return own?.question === question ? own.servers : undefined;
    },
    set(upstream, question, servers) {
      saved = { ...saved, [upstream]: { question, servers: [...servers] } };
      if (file === undefined) return undefined;
      return writeWhole(file, JSON.stringify({ version: 1, upstreams: saved }));
    },
    keepOnly(upstreams) {
      const kept = new Set(upstreams);
      saved = Object.fromEntries(Object.entries(saved).filter(([name]) => kept.has(name)));
    },
  };
}
