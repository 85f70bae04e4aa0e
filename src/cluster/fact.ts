import { z } from 'zod';
import { parseStamp } from './stamp.ts';

/**
 * One durable fact as it is kept on disk, in the store and told to peers: a key, the stamp of the last
 * word about it, and the word. Plain data: everything that arrives from elsewhere passes `parseFact`.
 */
export type Fact = {
  readonly key: string;
  /** See stamp.ts. */
  readonly stamp: string;
  /** Undefined: the word is that there is nothing (any more). Kept, or an older word would come back. */
  readonly value?: string | undefined;
  /** When the value stops to mean anything, by itself, in milliseconds of the cluster's clock. */
  readonly expiresAtMs?: number | undefined;
};

/** With the prefix that it has in a store it stays within the store's limit. */
export const FACT_KEY_LENGTH_MAX = 480;
/** Of one value, in UTF-16 units. Even if JSON escapes all of it the fact fits a store's value. */
export const FACT_VALUE_LENGTH_MAX = 640 * 1024;
/** What JSON makes of one UTF-16 unit at worst. */
const ESCAPED_LENGTH_MAX = 6;
/**
 * How long it is remembered that something was cleared or has lapsed. A node, disk or backup that has
 * been away for longer could bring an older word back.
 */
export const TOMBSTONE_KEEP_MS = 30 * 24 * 3600_000;

const KEY = new RegExp(`^[\\x21-\\x7e]{1,${FACT_KEY_LENGTH_MAX}}$`);

/** The fact as text, without its key: what stands in the store under that key. */
export function formatFact({ stamp, value, expiresAtMs }: Fact): string {
  return JSON.stringify({ stamp, value, expiresAtMs });
}

/** A fact from anywhere; undefined for what is none. */
export function parseFact(key: string, text: string): Fact | undefined {
  if (text.length > (FACT_VALUE_LENGTH_MAX + 1024) * ESCAPED_LENGTH_MAX) return undefined;
  try {
    return readFact({ ...JSON.parse(text), key });
  } catch {
    // Not JSON: not a fact.
    return undefined;
  }
}

/** Checks plain data that claims to be a fact. */
export function readFact(value: unknown): Fact | undefined {
  return factSchema.safeParse(value).data;
}

/** True for a key that a fact can have: printable ASCII without spaces. */
export function isFactKey(key: string): boolean {
  return KEY.test(key);
}

/** Nobody needs to know it any more: nothing that is still around is older than it. */
export function isSpent(fact: Fact, nowMs: number): boolean {
  if (fact.value !== undefined && fact.expiresAtMs === undefined) return false;
  const stampMs = parseStamp(fact.stamp)?.ms ?? 0;
  const overMs = fact.value === undefined ? stampMs : Math.max(stampMs, fact.expiresAtMs!);
  return overMs + TOMBSTONE_KEEP_MS < nowMs;
}

/** Unknown words are left out: a newer version may say more. */
const factSchema = z.object({
  key: z.string().regex(KEY),
  stamp: z.string().refine((text) => parseStamp(text) !== undefined),
  value: z
    .string()
    .max(FACT_VALUE_LENGTH_MAX)
    .optional()
    .transform((text) => text),
  expiresAtMs: z.number().optional(),
});
