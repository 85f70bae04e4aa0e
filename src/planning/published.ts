import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Store } from '../store/store.ts';

/**
 * What one node makes for all and publishes through the store: the newest that may take the place of the one before,
 * also kept on disk, so that neither a restart nor a store that is away changes where clients go. What cannot
 * be read, is older or is absurd changes nothing.
 */
export type Published<Value> = {
  current(): Value | undefined;
  /** Octets of it, and its version in the store; 0 = it is of the disk. */
  held(): { readonly bytes: Uint8Array; readonly version: number } | undefined;
  /** Calls back when another one is in force. */
  onChange(listener: () => void): () => void;
  close(): void;
};

export type PublishedParts<Value> = {
  readonly store: Pick<Store, 'watch' | 'get'>;
  readonly key: string;
  /** Undefined = nothing is kept. */
  readonly directory: string | undefined;
  readonly fileName: string;
  read(
    bytes: Uint8Array,
  ): { readonly ok: true; readonly value: Value } | { readonly ok: false; readonly reason: string };
  /** Why it does not take the place of the one before; '' = it is no news; undefined = nothing is against it. */
  objection(before: Value | undefined, next: Value): string | undefined;
  refused(reason: string): void;
  unwritable(file: string, code: string | undefined): void;
};

type Held<Value> = { readonly value: Value; readonly bytes: Uint8Array; readonly version: number };

export function createPublished<Value>(parts: PublishedParts<Value>): Published<Value> {
  const { directory, fileName, key, store } = parts;
  const listeners = new Set<() => void>();
  const file = directory === undefined ? undefined : join(directory, fileName);
  let held = file === undefined ? undefined : readFile(file, parts);
  const take = (text: string | undefined, version: number): void => {
    if (text === undefined) return;
    const bytes = new Uint8Array(Buffer.from(text, 'base64'));
    const read = parts.read(bytes);
    const reason = read.ok ? parts.objection(held?.value, read.value) : read.reason;
    if (!read.ok || reason !== undefined) {
      if (reason !== '') parts.refused(reason ?? '');
      return;
    }
    held = { value: read.value, bytes, version };
    if (file !== undefined) writeFile(file, bytes, parts);
    for (const listener of listeners) listener();
  };
  const stop = store.watch(key, (change) => {
    if (change.key === key) take(change.value, change.version);
  });
  // What is there already is not told by a watch that begins while the store is ready.
  store.get(key).then(
    (entry) => take(entry?.value, entry?.version ?? 0),
    () => {},
  );
  return {
    current: () => held?.value,
    held: () => held,
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close: stop,
  };
}

function readFile<Value>(
  file: string,
  parts: Pick<PublishedParts<Value>, 'read' | 'refused'>,
): Held<Value> | undefined {
  let bytes: Uint8Array;
  try {
    bytes = new Uint8Array(readFileSync(file));
  } catch {
    return undefined;
  }
  const read = parts.read(bytes);
  if (!read.ok) {
    parts.refused(`${file}: ${read.reason}`);
    return undefined;
  }
  return { value: read.value, bytes, version: 0 };
}

function writeFile<Value>(
  file: string,
  bytes: Uint8Array,
  { unwritable }: Pick<PublishedParts<Value>, 'unwritable'>,
): void {
  try {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(`${file}.next`, bytes, { flush: true });
    renameSync(`${file}.next`, file);
  } catch (error) {
    unwritable(file, (error as NodeJS.ErrnoException).code);
  }
}

/** Whether it is published: not when somebody else has published since `version`. */
export async function publish(
  store: Pick<Store, 'get' | 'compareAndSet'>,
  key: string,
  bytes: Uint8Array,
): Promise<boolean> {
  const known = await store.get(key);
  const text = Buffer.from(bytes).toString('base64');
  const { ok } = await store.compareAndSet(key, known?.version ?? 0, text);
  return ok;
}
