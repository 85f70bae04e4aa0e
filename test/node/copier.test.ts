import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { after, test } from 'node:test';
import { TYPE_AXFR } from '../../src/dns/constants.ts';
import { createCopier } from '../../src/node/copier.ts';
import { copyOf } from '../../src/secondary/zone-copy.ts';
import type { ContentRecord } from '../../src/zone/zone-content.ts';
import { createConfig } from '../nameserver/fixture.ts';
import { APEX, a, message, NS, soa } from '../secondary/primary-stream.ts';
import { createVoice } from '../workers/voice.ts';
import { scratchDirectory } from './scratch.ts';

const file = new URL('../../src/copy-worker.ts', import.meta.url);
/** A primary that says nothing. */
const silent = createServer();
silent.listen(0, '127.0.0.1');
await once(silent, 'listening');
after(() => silent.close());
const { port } = silent.address() as AddressInfo;
const copied = copyOf(APEX, soa(7), [NS, a('x', 1), a('x', 2)]);
assert.ok(copied.ok);
const { content } = copied;

test('the copier keeps copies, tells of them, and asks primaries', async () => {
  const directory = scratchDirectory('copier');
  const copier = createCopier(file, directory, createVoice());
  const kept = { content, confirmedMs: 1000, primary: '192.0.2.1:53' };
  assert.equal(await copier.files.keep(kept), undefined);
  // Confirmed later, and then another one.
  assert.equal(await copier.files.keep({ ...kept, confirmedMs: 2000 }), undefined);
  assert.equal((await copier.files.read(APEX))?.confirmedMs, 2000);
  const other = copyOf(APEX, soa(8), [NS, a('x', 9)]);
  assert.ok(other.ok);
  assert.equal(await copier.files.keep({ ...kept, content: other.content }), undefined);
  assert.equal((await copier.files.read(APEX))?.content.serial, 8);
  assert.equal(await copier.files.keep(kept), undefined);
  const read = await copier.files.read(APEX);
  assert.deepEqual(read, kept);
  // Threads share it: nothing is copied on the way.
  assert.ok(read!.content.records.buffer instanceof SharedArrayBuffer);
  const facts = await copier.factsOf(createConfig(), 'second.test', read!.content);
  assert.deepEqual(facts, { rrsets: 2, ttlMax: 300, altered: '' });
  const nobody = { address: '127.0.0.1', port: 1, key: undefined };
  const answer = await copier.look(nobody, APEX, content);
  assert.deepEqual(answer, { kind: 'failed', reason: 'nothing listens there' });
  await copier.close();
  assert.equal((await copier.look(nobody, APEX, content)).kind, 'failed');
});

test('whoever waits for a copier that dies is told, and the next one works', async () => {
  const copier = createCopier(file, undefined, createVoice());
  assert.deepEqual(copier.threads(), []);
  const looking = copier.look({ address: '127.0.0.1', port, key: undefined }, APEX, content);
  await once(silent, 'connection');
  const [thread] = copier.threads();
  await thread!.kill();
  assert.match(JSON.stringify(await looking), /the thread that copies zones died of it/);
  assert.equal((await copier.factsOf(undefined, 'example', content))?.rrsets, 2);
  await copier.close();
});

test('a primary that sends more than there is memory for ends the copier, and nothing else', async () => {
  const endless = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', (query: Buffer) => {
      const asked = { id: query.readUInt16BE(2), apex: APEX, type: TYPE_AXFR };
      const many = Array.from({ length: 400 }, (_, index) => a(`h${index}`, 1));
      const framed = (records: readonly ContentRecord[]): Buffer => {
        const bytes = message(asked, records);
        return Buffer.concat([Buffer.of(bytes.length >> 8, bytes.length & 255), bytes]);
      };
      const [first, next] = [framed([soa(9), NS]), framed(many)];
      const send = (): void => {
        while (socket.writable && socket.write(next));
      };
      socket.on('drain', send);
      socket.write(first);
      send();
    });
  });
  endless.listen(0, '127.0.0.1');
  await once(endless, 'listening');
  const voice = createVoice();
  const copier = createCopier(file, undefined, voice, 32);
  const primary = { address: '127.0.0.1', port: (endless.address() as AddressInfo).port };
  const answer = await copier.look({ ...primary, key: undefined }, APEX, undefined);
  assert.match(JSON.stringify(answer), /the thread that copies zones died of it/);
  assert.match(voice.heard.join(' '), /worker\.restart copy/);
  assert.equal((await copier.factsOf(undefined, 'example', content))?.rrsets, 2);
  await copier.close();
  endless.close();
});
