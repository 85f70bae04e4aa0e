import { hash } from 'node:crypto';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { z } from 'zod';
import type { Store } from '../store/store.ts';
import type { Log } from '../telemetry/log.ts';
import { FACT_VALUE_LENGTH_MAX, type Fact, formatFact, parseFact } from './fact.ts';
import type { Replica } from './replica.ts';
import type { Keyring } from './sealed.ts';
import { createStampSource, parseStamp, STAMP_NUMBER_MAX } from './stamp.ts';
import { FACTS_PREFIX } from './store-sync.ts';

/**
 * The configuration that nodes share, as numbered revisions. A new one is published against the one that
 * its author has seen, decided by the store's compare-and-set, so of two authors one is told. As a fact
 * it is ordered by its number and by no clock: a store that was emptied or set back is given the
 * highest revision that any node holds, and no node ever goes back to a lower one.
 */
export type Revisions = {
  current(): Revision | undefined;
  /** @param expectedRevision the number of the revision that this one replaces; 0 = there is none */
  publish(draft: Draft, expectedRevision: number): Promise<Published>;
  /** The last revisions that were published, oldest first; without the store only the current one. */
  history(): Promise<readonly Revision[]>;
  /** Calls back with the current revision, if any, and then with every later one, in order. */
  follow(onRevision: (revision: Revision) => void): () => void;
};

export type Revision = {
  readonly revision: number;
  /** Of the text, in hex. */
  readonly sha256: string;
  readonly text: string;
  readonly by: string;
  readonly atMs: number;
  readonly note: string;
};
export type Draft = { readonly text: string; readonly by: string; readonly note: string };

export type Published =
  | { readonly ok: true; readonly revision: Revision }
  | {
      readonly ok: false;
      readonly problem: 'conflict' | 'too-large' | 'store-away';
      readonly message: string;
    };

export type RevisionsOptions = {
  readonly node: string;
  readonly replica: Replica;
  readonly store: Store;
  /** With cluster keys a revision is believed only when somebody who has one has published it. */
  readonly keyring: Pick<Keyring, 'sign' | 'isGenuine'>;
  /** The cluster's time. */
  nowMs(): number;
  readonly log: Pick<Log, 'warn'>;
};

export const REVISION_KEY = 'config/current';
export const REVISION_LOG = 'config-revisions';
/** Revisions that can be gone back to, by publishing them again. */
export const HISTORY_MAX = 20;
/** Of a text, in bytes of UTF-8. */
export const REVISION_BYTES_MAX = 16 * 1024 * 1024;
const NOTE_LENGTH_MAX = 1000;

export function createRevisions(options: RevisionsOptions): Revisions {
  const { keyring, log, replica, store } = options;
  const read = (value: string | undefined): Revision | undefined => readRevision(value, keyring);
  const current = (): Revision | undefined => read(replica.value(REVISION_KEY));
  return {
    current,
    async publish(draft, expectedRevision) {
      const revision = {
        revision: expectedRevision + 1,
        sha256: hash('sha256', draft.text),
        text: draft.text,
        by: draft.by.slice(0, NOTE_LENGTH_MAX),
        atMs: options.nowMs(),
        note: draft.note.slice(0, NOTE_LENGTH_MAX),
      };
      const value = writeRevision(revision, keyring);
      if (value === undefined) return tooLarge();
      const published = await exchange(options, revision, value);
      if (published.ok) {
        store.append(REVISION_LOG, value, HISTORY_MAX).catch((error: unknown) => {
          log.warn(
            'config.history',
            `Revision ${revision.revision} is not in the history: ${error}.`,
          );
        });
      }
      return published;
    },
    async history() {
      try {
        const entries = await store.read(REVISION_LOG, '', HISTORY_MAX);
        return entries.flatMap(({ value }) => read(value) ?? []);
      } catch {
        // Without the store there is no history, and the present is known all the same.
        return [current()].flatMap((revision) => revision ?? []);
      }
    },
    follow(onRevision) {
      const tell = (fact: Fact): void => {
        const revision = read(fact.value);
        if (revision) onRevision(revision);
        else
          log.warn(
            'config.revision',
            'The newest shared configuration is damaged, of another version, or by nobody who has the cluster’s key; the last one stays.',
          );
      };
      // The replica takes later words only, so they come in order.
      const stop = replica.onChange(({ fact }) => {
        if (fact.key === REVISION_KEY) tell(fact);
      });
      const known = replica.get(REVISION_KEY);
      if (known) tell(known);
      return stop;
    },
  };
}

/** Puts the revision in the place of the one before it, unless somebody was faster. */
async function exchange(
  { node, nowMs, replica, store }: RevisionsOptions,
  revision: Revision,
  value: string,
): Promise<Published> {
  const expected = revision.revision - 1;
  let isAsked = false;
  try {
    const entry = await store.get(FACTS_PREFIX + REVISION_KEY);
    const there = entry && parseFact(REVISION_KEY, entry.value);
    if (there) replica.merge([there], nowMs(), 'store');
    // By the stamp: also one that cannot be read here has a number, and stands in the way.
    const found = parseStamp(replica.get(REVISION_KEY)?.stamp ?? '')?.revision ?? 0;
    if (found !== expected) return conflict(expected, found);
    const stamp = createStampSource(node).revised(revision.revision, nowMs());
    const fact: Fact = { key: REVISION_KEY, stamp, value };
    isAsked = true;
    const { ok } = await store.compareAndSet(
      FACTS_PREFIX + REVISION_KEY,
      entry?.version ?? 0,
      formatFact(fact),
    );
    if (!ok) return conflict(expected, undefined);
    replica.merge([fact], nowMs(), 'store');
    if (replica.get(REVISION_KEY)?.stamp !== stamp) return conflict(expected, undefined);
    return { ok: true, revision };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const message = isAsked
      ? `The store stopped answering (${why}): whether this was published is not known yet.`
      : `The store does not answer (${why}): nothing was published.`;
    return { ok: false, problem: 'store-away', message };
  }
}

function conflict(expected: number, found: number | undefined): Published {
  const now =
    found === undefined ? 'another one was published meanwhile' : `the current one is ${found}`;
  const message = `This was meant to follow revision ${expected}, but ${now}.`;
  return { ok: false, problem: 'conflict', message };
}

function tooLarge(): Published {
  const message = `The configuration is too large to be shared (more than ${FACT_VALUE_LENGTH_MAX} characters when compressed).`;
  return { ok: false, problem: 'too-large', message };
}

/** Unknown words are left out: a newer version may say more. */
const storedSchema = z.object({
  revision: z.int().min(1).max(STAMP_NUMBER_MAX),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  /** Deflated (RFC 1951), in base 64. */
  deflated: z.base64(),
  by: z.string(),
  atMs: z.number(),
  note: z.string(),
  /** Over all of it but the text, which the hash stands for; '' when the cluster has no key. */
  signature: z.string().default(''),
});

const signedText = ({ atMs, by, note, revision, sha256 }: Omit<Revision, 'text'>): string =>
  JSON.stringify([revision, sha256, by, atMs, note]);

/** Undefined when it is too large. */
function writeRevision(
  { text, ...rest }: Revision,
  keyring: RevisionsOptions['keyring'],
): string | undefined {
  if (Buffer.byteLength(text) > REVISION_BYTES_MAX) return undefined;
  const signature = keyring.sign(signedText(rest));
  const deflated = deflateRawSync(text).toString('base64');
  const value = JSON.stringify({ ...rest, signature, deflated });
  return value.length > FACT_VALUE_LENGTH_MAX ? undefined : value;
}

/** A revision as it was stored; undefined for anything else, a text that was changed for instance. */
export function readRevision(
  value: string | undefined,
  keyring: Pick<Keyring, 'isGenuine'>,
): Revision | undefined {
  if (value === undefined) return undefined;
  try {
    const { deflated, signature, ...rest } = storedSchema.parse(JSON.parse(value));
    if (!keyring.isGenuine(signedText(rest), signature)) return undefined;
    const bytes = inflateRawSync(Buffer.from(deflated, 'base64'), {
      maxOutputLength: REVISION_BYTES_MAX,
    });
    const text = bytes.toString();
    return hash('sha256', text) === rest.sha256 ? { ...rest, text } : undefined;
  } catch {
    // Not JSON, not of this shape, or not deflated.
    return undefined;
  }
}
