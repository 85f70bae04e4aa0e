import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Secret, Secrets } from '../cluster/secrets.ts';
import { type FileKey, keyFileNames, readKeyPair } from '../dns/dnssec/key-files.ts';
import { formatKeySet, type KeySet, parseKeySet } from '../dns/dnssec/key-set.ts';
import { parseName } from '../dns/name.ts';
import { writeWhole } from './whole-file.ts';

/** Where the keys of one zone are kept. What cannot be read is never written over. */
export type KeyPlace = {
  readonly kind: 'shared' | 'file';
  read(): HeldKeys;
  /** What is there, or is put there now; nothing without an answer of whoever decides. */
  make(first: () => KeySet): Promise<MadeKeys>;
  /** In the place of those that it was made of, and of no others. */
  write(set: KeySet, over: KeySet): Promise<WrittenKeys>;
  watch(onChange: () => void): () => void;
};

export type HeldKeys =
  | { readonly state: 'known'; readonly set: KeySet }
  | { readonly state: 'absent' }
  | { readonly state: 'locked'; readonly reason: string };
export type MadeKeys =
  | { readonly ok: true; readonly set: KeySet; readonly isNew: boolean }
  | { readonly ok: false; readonly reason: string };
export type WrittenKeys =
  | { readonly ok: true }
  /** `changed`: somebody else has changed them meanwhile. */
  | { readonly ok: false; readonly why: 'changed' | 'unwritten'; readonly reason: string };

export const secretName = (zone: string): string => `dnssec-keys/${zone}`;
const UNREADABLE = 'are there and are not what this version writes; they are left alone';

/** With all nodes that have the cluster's key. */
export function sharedPlace(
  secrets: Pick<Secrets, 'get' | 'update' | 'createOnce' | 'watch'>,
  zone: string,
): KeyPlace {
  const name = secretName(zone);
  const read = (secret: Secret): HeldKeys => {
    if (secret.state !== 'known') return secret;
    const set = parseKeySet(Buffer.from(secret.bytes).toString());
    if (set === undefined) return { state: 'locked', reason: `the shared keys ${UNREADABLE}` };
    return { state: 'known', set };
  };
  return {
    kind: 'shared',
    read: () => read(secrets.get(name)),
    async make(first) {
      const made = await secrets.createOnce(name, () => Buffer.from(formatKeySet(first())));
      if (!made.ok) return made;
      const held = read({ state: 'known', bytes: made.bytes });
      if (held.state === 'known') return { ok: true, set: held.set, isNew: made.isNew };
      return { ok: false, reason: held.state === 'locked' ? held.reason : 'they are gone' };
    },
    async write(set, over) {
      const done = await secrets.update(name, (bytes) => {
        const held = read(bytes === undefined ? { state: 'absent' } : { state: 'known', bytes });
        return isSame(held, over) ? Buffer.from(formatKeySet(set)) : undefined;
      });
      if (!done.ok) return { ok: false, why: 'unwritten', reason: done.reason };
      return done.isChanged ? { ok: true } : CHANGED;
    },
    watch: (onChange) => secrets.watch(name, onChange),
  };
}

const CHANGED: WrittenKeys = {
  ok: false,
  why: 'changed',
  reason: 'the keys have been changed meanwhile',
};

function isSame(held: HeldKeys, set: KeySet): boolean {
  return held.state === 'known' && formatKeySet(held.set) === formatKeySet(set);
}

const KEYS_FOLDER = 'dnssec-keys';
const OWNER_ONLY = 0o600;
const FOLDER_OWNER_ONLY = 0o700;

/**
 * In a file of this node's own, that nobody else may read.
 * @param directory of the node's state
 */
export function filePlace(directory: string, zone: string): KeyPlace {
  const folder = join(directory, KEYS_FOLDER);
  const file = join(folder, `${encodeURIComponent(zone)}.json`);
  const read = (): HeldKeys => {
    let text: string;
    try {
      text = readFileSync(file, 'utf8');
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT') return { state: 'absent' };
      return { state: 'locked', reason: `${file} cannot be read (${code})` };
    }
    const set = parseKeySet(text);
    if (set === undefined) return { state: 'locked', reason: `the keys in ${file} ${UNREADABLE}` };
    return { state: 'known', set };
  };
  const write = (set: KeySet): string | undefined =>
    writeWhole(file, formatKeySet(set), { file: OWNER_ONLY, folder: FOLDER_OWNER_ONLY });
  return {
    kind: 'file',
    read,
    async write(set, over) {
      if (!isSame(read(), over)) return CHANGED;
      const problem = write(set);
      return problem === undefined
        ? { ok: true }
        : { ok: false, why: 'unwritten', reason: problem };
    },
    async make(first) {
      const held = read();
      if (held.state === 'locked') return { ok: false, reason: held.reason };
      if (held.state === 'known') return { ok: true, set: held.set, isNew: false };
      const set = first();
      const problem = write(set);
      return problem === undefined
        ? { ok: true, set, isNew: true }
        : { ok: false, reason: problem };
    },
    // Nobody else writes it.
    watch: () => () => {},
  };
}

/** Those that `filePlace` has something of. */
export function zonesWithFiles(directory: string): readonly string[] {
  try {
    const names = readdirSync(join(directory, KEYS_FOLDER)).filter((name) =>
      name.endsWith('.json'),
    );
    return names.map((name) => decodeURIComponent(name.slice(0, -'.json'.length)));
  } catch {
    // No folder, or a name that is not ours: whoever needs the keys of a zone says so.
    return [];
  }
}

export type KeyFolder = {
  readonly keys: readonly FileKey[];
  /** Files that are of no use, and why. */
  readonly problems: readonly string[];
};

/** Key files of one zone in one folder; more than this are not the keys of one zone. */
const FILES_MAX = 64;

/** The key files of a zone, as they are now. */
export function readKeyFolder(folder: string, zone: string): KeyFolder {
  let names: readonly string[];
  try {
    names = keyFileNames(readdirSync(folder), zone);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return { keys: [], problems: [`${folder} cannot be read (${code})`] };
  }
  if (names.length === 0) return { keys: [], problems: [`${folder} has no key files of the zone`] };
  const apex = parseName(zone === '.' ? zone : `${zone}.`)!;
  const keys: FileKey[] = [];
  const problems: string[] = [];
  for (const name of names.slice(0, FILES_MAX)) {
    const path = join(folder, name);
    try {
      const texts = ['.key', '.private'].map((end) => readFileSync(`${path}${end}`, 'utf8'));
      const read = readKeyPair(apex, texts[0]!, texts[1]!);
      if (read.ok) keys.push(read.key);
      else problems.push(`${path}: ${read.reason}`);
    } catch (error) {
      problems.push(`${path} cannot be read (${(error as NodeJS.ErrnoException).code})`);
    }
  }
  return { keys, problems };
}
