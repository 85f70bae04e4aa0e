/**
 * Where the records that were added to zones are kept: sealed in the store for all nodes, where nodes share
 * secrets, else in a file of this node's own, or with its life.
 */
import { readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { Facts } from '../cluster/facts.ts';
import type { Secret } from '../cluster/secrets.ts';
import { writeWhole } from './whole-file.ts';

export type AdditionsVault = {
  /** All nodes have the same. */
  readonly isShared: boolean;
  zones(): readonly string[];
  get(zone: string): Uint8Array | undefined;
  /**
   * Puts the value that `change` makes of the present one into its place, for all nodes; undefined leaves it.
   * It may be called several times. Settles when it is safe, with why it is not.
   */
  change(
    zone: string,
    change: (bytes: Uint8Array | undefined) => Uint8Array | undefined,
  ): Promise<string | undefined>;
  /** Called when a value came from elsewhere; returns the function that stops it. */
  watch(onChange: (zone: string, bytes: Uint8Array) => void): () => void;
};

const PREFIX = 'zone-records/';
const FILE_NAME = 'zone-records.json';
/** What is in the store is safe; a peer that has it is better than none, and not worth more. */
const SETTLE_MS = 1000;

export function openAdditionsVault(
  facts: Pick<Facts, 'secrets' | 'settled'>,
  isKeyed: boolean,
  directory: string | undefined,
  /** Told what could not be read of what was kept. */
  complain: (problem: string) => void,
): AdditionsVault {
  return isKeyed ? sharedVault(facts) : ownVault(directory, complain);
}

function sharedVault({ secrets, settled }: Pick<Facts, 'secrets' | 'settled'>): AdditionsVault {
  const nameOf = (zone: string): string => PREFIX + zone;
  const zoneOf = (name: string): string => name.slice(PREFIX.length);
  const bytesOf = (secret: Secret): Uint8Array | undefined =>
    secret.state === 'known' ? secret.bytes : undefined;
  return {
    isShared: true,
    zones: () => secrets.names().flatMap((name) => (name.startsWith(PREFIX) ? zoneOf(name) : [])),
    get: (zone) => bytesOf(secrets.get(nameOf(zone))),
    async change(zone, change) {
      const done = await secrets.update(nameOf(zone), change);
      if (!done.ok) return done.reason;
      if (done.isChanged) await settled(done.key, SETTLE_MS);
      return undefined;
    },
    watch: (onChange) =>
      secrets.watchAll(PREFIX, (name, secret) => {
        const bytes = bytesOf(secret);
        if (bytes) onChange(zoneOf(name), bytes);
      }),
  };
}

function ownVault(
  directory: string | undefined,
  complain: (problem: string) => void,
): AdditionsVault {
  const file = directory && join(directory, FILE_NAME);
  const values = new Map(file === undefined ? [] : readValues(file, complain));
  return {
    isShared: false,
    zones: () => [...values.keys()],
    get: (zone) => values.get(zone),
    change(zone, change) {
      const before = values.get(zone);
      const next = change(before);
      if (next === undefined) return Promise.resolve(undefined);
      values.set(zone, next);
      const problem = directory === undefined ? undefined : writeValues(directory, values);
      // What is not safe has not happened.
      if (problem !== undefined && before === undefined) values.delete(zone);
      else if (problem !== undefined) values.set(zone, before!);
      return Promise.resolve(problem);
    },
    watch: () => () => {},
  };
}

const savedSchema = z.record(z.string(), z.base64());

function readValues(
  file: string,
  complain: (problem: string) => void,
): readonly (readonly [string, Uint8Array])[] {
  try {
    const saved = savedSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
    return Object.entries(saved).map(([zone, text]) => [zone, Buffer.from(text, 'base64')]);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    const isAside = setAside(file);
    const where = isAside ? `it is now ${file}.damaged` : 'it could not be set aside';
    complain(`${file}, the records that were added to zones, cannot be read; ${where}`);
    return [];
  }
}

/** So that the next change does not write over what somebody may still mend. */
function setAside(file: string): boolean {
  try {
    renameSync(file, `${file}.damaged`);
    return true;
  } catch {
    // Said by who asked; the node serves without it.
    return false;
  }
}

function writeValues(
  directory: string,
  values: ReadonlyMap<string, Uint8Array>,
): string | undefined {
  const saved = [...values].map(([zone, bytes]) => [zone, Buffer.from(bytes).toString('base64')]);
  const text = JSON.stringify(Object.fromEntries(saved));
  return writeWhole(join(directory, FILE_NAME), text, { file: 0o600 });
}
