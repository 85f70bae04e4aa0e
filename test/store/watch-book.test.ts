import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  createWatchBook,
  type Listing,
  type Watcher,
} from '../../src/store/contract/watch-book.ts';
import type { Change, Entry, Resync } from '../../src/store/store.ts';

/** Notices and lists overtake each other: every order must end in what is true. */

type Page = { readonly watcher: Watcher; readonly told: string[]; hear(text: string): void };

/** `key=value@version`, `key@version` for a deletion; `!` marks a loss. */
function parse(text: string): Change {
  const [, key = '', value, version] = /^([^=@]+)(?:=([^@]*))?@(\d+)$/.exec(text) ?? [];
  return { key, value, version: Number(version) };
}

function format({ key, value, version, isLoss }: Change): string {
  return `${key}${value === undefined ? '' : `=${value}`}@${version}${isLoss ? '!' : ''}`;
}

function listing(last: number, ...texts: readonly string[]): Listing {
  return { entries: texts.map((text) => parse(text) as Entry), last };
}

function open(since = 0): Page {
  const book = createWatchBook();
  const told: string[] = [];
  const onChange = (change: Change): void => {
    told.push(format(change));
  };
  const onResync = ({ hasLosses }: Resync): void => {
    told.push(hasLosses ? 'resync!' : 'resync');
  };
  const watcher = book.add('', onChange, onResync, since);
  return { watcher, told, hear: (text) => book.hear(parse(text)) };
}

const none: ReadonlyMap<string, number> = new Map();

test('finish() tells what differs, in the order of versions, and what was lost as lost', async () => {
  const { watcher, told, hear } = open();
  for (const text of ['kept=1@1', 'changed=1@2', 'deleted=1@3', 'lost=1@4', 'older=2@6'])
    hear(text);
  watcher.begin();
  const list = listing(9, 'changed=2@8', 'kept=1@1', 'new=1@7', 'older=1@5');
  assert.deepEqual(watcher.missing(list), ['deleted', 'lost']);
  watcher.finish(list, new Map([['deleted', 9]]));
  await Promise.resolve();
  assert.deepEqual(told.slice(5), [
    'older=1@5!',
    'new=1@7',
    'changed=2@8',
    'deleted@9',
    'lost@9!',
    'resync!',
  ]);
});

test('finish() takes a deletion that is older than what was told for no reason', async () => {
  const { watcher, told, hear } = open();
  hear('a=1@5');
  watcher.begin();
  watcher.finish(listing(7), new Map([['a', 4]]));
  await Promise.resolve();
  assert.deepEqual(told, ['a=1@5', 'a@7!', 'resync!']);
});

test('a notice that is newer than the list counts, whichever comes first', async () => {
  const { watcher, told, hear } = open();
  hear('a=1@1');
  hear('b=1@2');
  watcher.begin();
  // The list was made at 2 and arrives after these.
  hear('a=2@3');
  hear('b@4');
  hear('c=1@5');
  watcher.finish(listing(2, 'a=1@1', 'b=1@2'), none);
  await Promise.resolve();
  assert.deepEqual(told.slice(2), ['a=2@3', 'b@4', 'c=1@5', 'resync']);
});

test('a notice of what a list told already is not told again', async () => {
  const { watcher, told, hear } = open();
  watcher.begin();
  watcher.finish(listing(3, 'a=1@3'), none);
  hear('a=1@3');
  hear('a=2@4');
  await Promise.resolve();
  assert.deepEqual(told, ['a=1@3', 'resync', 'a=2@4']);
});

test('learn() tells nothing, and the next resync knows what was there', async () => {
  const { watcher, told, hear } = open(5);
  watcher.begin();
  hear('late=1@4');
  hear('fresh=1@6');
  watcher.learn(listing(7, 'fresh=1@6', 'old=1@3', 'onway=1@7').entries);
  hear('onway=1@7');
  await Promise.resolve();
  assert.deepEqual(told, ['fresh=1@6', 'onway=1@7']);
  watcher.begin();
  watcher.finish(listing(8, 'fresh=1@6', 'onway=1@7'), new Map([['old', 8]]));
  await Promise.resolve();
  assert.deepEqual(told.slice(2), ['old@8', 'resync']);
});

test('stop() also silences what was on its way', async () => {
  const { watcher, told, hear } = open();
  hear('a=1@1');
  watcher.begin();
  watcher.finish(listing(2, 'a=1@2'), none);
  watcher.stop();
  await Promise.resolve();
  assert.deepEqual(told, []);
});
