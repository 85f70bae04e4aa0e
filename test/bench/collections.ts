/** Garbage collections of a node's threads, as gc-watch.ts writes them down. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { NODE_FLAGS } from '../../src/node-flags.mjs';
import type { Collection } from './gc-watch.ts';

const WATCH = fileURLToPath(new URL('./gc-watch.ts', import.meta.url));

/** The threads that answer over UDP, by their name. */
const DATA_WORKER = /udp/;

export const isOfDataWorker = ({ thread }: Collection): boolean => DATA_WORKER.test(thread);

/**
 * A command line up to the program of a node.
 * @param file what its threads' collections are written to; they are not watched without one
 */
export function nodeWords(file: string | undefined): readonly string[] {
  const plain = [process.execPath, ...NODE_FLAGS];
  if (file === undefined) return plain;
  return ['env', `MERIDIAN_BENCH_GC_FILE=${file}`, ...plain, '--import', WATCH];
}

export function readCollections(file: string): readonly Collection[] {
  const lines = readFileSync(file, 'utf8').trim().split('\n');
  return lines.filter(Boolean).map((line) => JSON.parse(line) as Collection);
}

export function inCollections(collections: readonly Collection[]): string {
  if (collections.length === 0) return 'none';
  const durations = collections.map(({ durationMs }) => durationMs);
  const sum = durations.reduce((total, each) => total + each, 0);
  return `${durations.length}, ${inMs(sum)} together, longest ${inMs(Math.max(...durations))}`;
}

const inMs = (milliseconds: number): string => `${milliseconds.toFixed(1)} ms`;
