import assert from 'node:assert/strict';
import net from 'node:net';
import { test } from 'node:test';
import type { Rig } from './rig.ts';
import { startRawOrigin, startRig, talk } from './rig.ts';

/** Clients that take their time on purpose: the others notice nothing, and the clock ends them. */

const SLOW_HEADS = 2_000;
const SLOW_READERS = 40;
const LAST_GET = 'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
/** Longer than a connection and both kernels hold, so that somebody has to wait. */
const LONG_OCTETS = 16 * 1024 * 1024;

async function servesOthers(rig: Rig): Promise<void> {
  for (let count = 0; count < 5; count++) {
    assert.match((await talk(rig.port, LAST_GET)).text, /^HTTP\/1.1 200 OK[\s\S]*ok$/);
  }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise(setImmediate);
}

test(`${SLOW_HEADS} heads that come octet by octet hold nobody up, and end with 408`, async (t) => {
  const origin = await startRawOrigin((socket, text) => {
    if (text.endsWith('\r\n\r\n')) socket.write(OK);
  });
  const rig = await startRig({ servers: [origin.port] });
  t.after(() => Promise.all([rig.close(), origin.close()]));
  let timedOut = 0;
  let closed = 0;
  const slow = Array.from({ length: SLOW_HEADS }, () => {
    const socket = net.connect(rig.port, '127.0.0.1');
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => {
      if (text.startsWith('HTTP/1.1 408 ')) timedOut++;
    });
    socket.on('error', () => {});
    socket.on('close', () => closed++);
    return socket;
  });
  await until(() => rig.counters().listeners[0]!.connectionsActive === SLOW_HEADS);
  const head = 'GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ';
  for (const octet of head.slice(0, 9)) {
    for (const socket of slow) socket.write(octet);
    await servesOthers(rig);
    // An octet a second is no progress that a limit would wait for.
    rig.pass(1_000);
  }
  const { servers } = rig.counters();
  assert.equal(servers[0]!.requests, 45, 'only whole heads reach a server');
  rig.pass(1_500);
  await until(() => timedOut === SLOW_HEADS);
  rig.pass(3_000);
  await until(() => closed === SLOW_HEADS);
  assert.equal(rig.counters().listeners[0]!.connectionsActive, 0);
});

test(`${SLOW_READERS} clients that read nothing hold up only themselves, until they are closed`, async (t) => {
  let sent = 0;
  let cut = 0;
  const block = Buffer.alloc(64 * 1024, 'x');
  const origin = await startRawOrigin((socket, text) => {
    if (!text.endsWith('\r\n\r\n')) return;
    if (!text.includes('/long')) {
      socket.write(OK);
      return;
    }
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${LONG_OCTETS}\r\n\r\n`);
    let left = LONG_OCTETS;
    const pump = (): void => {
      while (left > 0) {
        left -= block.length;
        sent += block.length;
        if (!socket.write(block)) return;
      }
    };
    socket.on('drain', pump);
    pump();
  });
  const rig = await startRig({ servers: [origin.port] });
  t.after(() => Promise.all([rig.close(), origin.close()]));
  const readers = Array.from({ length: SLOW_READERS }, () => {
    const socket = net.connect(rig.port, '127.0.0.1');
    socket.pause();
    socket.on('error', ({ code }: NodeJS.ErrnoException) => {
      if (code === 'ECONNRESET') cut += 1;
    });
    socket.write('GET /long HTTP/1.1\r\nHost: x\r\n\r\n');
    return socket;
  });
  await until(() => rig.counters().servers[0]!.active === SLOW_READERS);
  await servesOthers(rig);
  let before = -1;
  while (before !== sent) {
    before = sent;
    await servesOthers(rig);
  }
  assert.ok(sent < SLOW_READERS * LONG_OCTETS, `all ${sent} octets were taken from the server`);
  // They are asked now and then what they have taken: the first time it is news, and on a busy machine
  // a kernel may take a little more even then.
  await until(() => {
    rig.pass(60_001 / 8);
    return rig.counters().listeners[0]!.connectionsActive === 0;
  });
  assert.equal(rig.counters().servers[0]!.active, 0);
  await Promise.all(
    readers.map(async (socket) => {
      socket.resume();
      await new Promise((closed) => socket.once('close', closed));
    }),
  );
  assert.equal(cut, SLOW_READERS, 'none takes what it got for the whole');
  await servesOthers(rig);
});
