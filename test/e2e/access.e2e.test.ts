import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { writeQuery } from '../node/dns-client.ts';
import { startProgram } from '../node/program.ts';
import { place } from '../node/three-regions.ts';
import { until } from '../node/until.ts';

/** `dns.access` changes while a node serves: who was answered is refused or hears nothing, and the other way round. */
const DEADLINE_MS = 20_000;
const [NOERROR, REFUSED] = [0, 5];
const [FRIEND, FOE, STRANGER] = ['127.66.1.1', '127.66.2.1', '127.67.0.1'];
const QUERY = writeQuery(4711, { name: 'mail.gslb.example' });
/** Enough that a question is known by heart. */
const TIMES_ASKED = 5;

type Access = { readonly allow?: readonly string[]; readonly deny?: readonly string[] };
type Where = { readonly address: string; readonly port: number };

test('a reload changes who is answered, over UDP, over TCP and on connections of before', async (t) => {
  const { at, reload } = await start(t);
  const all = [FRIEND, FOE, STRANGER];
  const ways = [
    await Promise.all(all.map((from) => openUdp(t, at, from))),
    await Promise.all(all.map((from) => openTcp(t, at, from))),
  ];
  for (const clients of ways) {
    for (const client of clients) {
      for (let time = 0; time < TIMES_ASKED; time += 1) assert.equal(await client.ask(), NOERROR);
    }
  }
  await reload({ allow: ['127.66.0.0/16'], deny: ['127.66.2.0/24'] });
  for (const clients of ways) {
    const [friend, foe, stranger] = clients;
    foe!.send();
    assert.deepEqual([await stranger!.ask(), await friend!.ask()], [REFUSED, NOERROR]);
  }
  const late = await openTcp(t, at, FOE);
  await until(late.isClosed, DEADLINE_MS, 'a new connection of the foe is closed');
  // A worker takes one after the other: what the foe was to hear would have come before this.
  for (const clients of ways) {
    const [friend, foe] = clients;
    assert.equal(await friend!.ask(), NOERROR);
    assert.equal(foe!.replies().length, TIMES_ASKED);
  }
  await reload({});
  const [[, foe, stranger], [, , known]] = ways as [Client[], Client[]];
  for (const client of [foe!, stranger!, known!, await openTcp(t, at, FOE)]) {
    assert.equal(await client.ask(), NOERROR);
  }
});

async function start(t: TestContext) {
  const [at, admin] = [await place(), await place()];
  const directory = mkdtempSync(join(tmpdir(), 'meridian-access-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const file = join(directory, 'meridian.json');
  const write = (access: Access): void => {
    const config = {
      node: { roles: ['nameserver', 'admin'], workers: { dns: 1 } },
      admin,
      dns: { listeners: [at], access },
      zones: {
        'gslb.example': { nameservers: ['ns.else.test.'], records: { mail: { A: '192.0.2.25' } } },
      },
    };
    writeFileSync(file, JSON.stringify(config));
  };
  write({});
  const program = startProgram(t, ['run', '--config', file]);
  await program.said(/node\.ready/);
  return {
    at,
    async reload(access: Access): Promise<void> {
      write(access);
      const url = `http://${admin.address}:${admin.port}/api/v1/reload`;
      const headers = { 'content-type': 'application/json' };
      const response = await fetch(url, { method: 'POST', headers });
      assert.equal(response.status, 200, await response.text());
    },
  };
}

type Client = {
  send(): void;
  /** Response codes of all replies so far. */
  replies(): readonly number[];
  /** Asks, and waits for the reply. */
  ask(): Promise<number>;
  isClosed(): boolean;
};

function clientOf(send: () => void, replies: readonly number[], isClosed: () => boolean): Client {
  return {
    send,
    replies: () => replies,
    async ask() {
      const before = replies.length;
      send();
      await until(() => replies.length > before, DEADLINE_MS, 'a reply');
      return replies[before]!;
    },
    isClosed,
  };
}

async function openUdp(t: TestContext, { address, port }: Where, from: string): Promise<Client> {
  const socket = createSocket('udp4');
  t.after(() => socket.close());
  const replies: number[] = [];
  socket.on('message', (bytes) => replies.push(codeOf(bytes)));
  socket.bind(0, from);
  await once(socket, 'listening');
  return clientOf(
    () => socket.send(QUERY, port, address),
    replies,
    () => false,
  );
}

async function openTcp(t: TestContext, { address, port }: Where, from: string): Promise<Client> {
  const socket = connect({ host: address, port, localAddress: from });
  t.after(() => socket.destroy());
  const replies: number[] = [];
  let rest: Buffer = Buffer.alloc(0);
  let isClosed = false;
  socket.on('data', (bytes: Buffer) => {
    rest = Buffer.concat([rest, bytes]);
    while (rest.length >= 2 && rest.length >= 2 + rest.readUInt16BE(0)) {
      const end = 2 + rest.readUInt16BE(0);
      replies.push(codeOf(rest.subarray(2, end)));
      rest = rest.subarray(end);
    }
  });
  socket.on('error', () => {});
  socket.on('close', () => {
    isClosed = true;
  });
  await once(socket, 'connect');
  const framed = Buffer.concat([Buffer.of(0, QUERY.length), QUERY]);
  return clientOf(
    () => socket.write(framed),
    replies,
    () => isClosed,
  );
}

const codeOf = (reply: Uint8Array): number => reply[3]! & 0x0f;
