import { z } from 'zod';

/** What people have said of one server of an upstream while it is served. */
export type ServerWord = {
  readonly upstream: string;
  /** The server's name; of one that was added its address and port. */
  readonly server: string;
  /** It is there because somebody said so. */
  readonly added?: { readonly address: string; readonly port: number } | undefined;
  /** Instead of the one that the file or DNS gives. */
  readonly weight?: number | undefined;
  readonly mode?: 'drain' | 'maintenance' | undefined;
  readonly reason: string;
  readonly by: string;
  readonly setAtMs: number;
};

/** As it was kept; undefined for anything else, another version's for instance. */
export function parseServerWord(text: string): ServerWord | undefined {
  try {
    return schema.safeParse(JSON.parse(text)).data;
  } catch {
    // Not JSON: not ours.
    return undefined;
  }
}

/** True when nothing is left that it changes. */
export const isIdle = ({ added, mode, weight }: ServerWord): boolean =>
  added === undefined && mode === undefined && weight === undefined;

/** The same for configuration and words. */
export const SERVER_WEIGHT_MAX = 1_000_000;

const schema = z.object({
  upstream: z.string(),
  server: z.string(),
  added: z.object({ address: z.string(), port: z.number().int().min(1).max(65535) }).optional(),
  weight: z.number().min(0).max(SERVER_WEIGHT_MAX).optional(),
  mode: z.enum(['drain', 'maintenance']).optional(),
  reason: z.string(),
  by: z.string(),
  setAtMs: z.number(),
});
