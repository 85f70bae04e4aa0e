import assert from 'node:assert/strict';
import type net from 'node:net';
import { test } from 'node:test';
import { END_REASONS } from '../../src/balancer/access-line.ts';
import { closedPort } from '../closed-port.ts';
import type { Rig, RigOptions } from './rig.ts';
import { connectRaw, startRawOrigin, startRig, talk } from './rig.ts';

/** Lines of the access log of real requests. Clocks move by hand, so that phases are exact. */

type Line = Readonly<Record<string, string | number>>;

function textOfLog(rig: Rig): string {
  return Buffer.from(rig.balancer.takeLog()?.bytes ?? []).toString('latin1');
}

function linesOf(rig: Rig): readonly Line[] {
  const lines = textOfLog(rig)
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Line);
  for (const { end } of lines) assert.ok(END_REASONS.some((reason) => reason === end));
  return lines;
}

/** Settles once the log has so many lines. */
async function until(rig: Rig, count: number): Promise<readonly Line[]> {
  const lines: Line[] = [];
  while (lines.length < count) {
    lines.push(...linesOf(rig));
    await new Promise((resolve) => setImmediate(resolve));
  }
  return lines;
}

async function withRig(
  options: Partial<RigOptions>,
  onText: (socket: net.Socket, text: string, connection: number) => void,
  run: (rig: Rig, port: number) => Promise<void>,
): Promise<void> {
  const origin = await startRawOrigin(onText);
  const rig = await startRig({ servers: [origin.port], accessLog: {}, ...options });
  try {
    await run(rig, origin.port);
  } finally {
    await rig.close();
    origin.close();
  }
}

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello';
const answer = (socket: net.Socket): void => void socket.write(OK);
const CLOSE = 'Connection: close\r\n\r\n';

test('a request leaves one line with all that is known of it', async () => {
  const trace = { start: 0, requestId: 'pass' } as const;
  await withRig({ trace }, answer, async (rig, port) => {
    const head =
      'GET /a?b=1 HTTP/1.1\r\nHost: www.example\r\nUser-Agent: test "1"\r\nReferer: /x\r\n';
    const ids =
      'traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\nX-Request-ID: r1\r\n';
    const request = `${head}${ids}${CLOSE}`;
    const { text } = await talk(rig.port, request);
    assert.deepEqual(await until(rig, 1), [
      {
        time: '2023-11-14T22:13:20.000Z',
        listener: 'http',
        client: '127.0.0.1',
        method: 'GET',
        host: 'www.example',
        target: '/a?b=1',
        version: '1.1',
        referer: '/x',
        userAgent: 'test "1"',
        route: '* /',
        traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
        requestId: 'r1',
        upstream: 'web',
        server: `127.0.0.1:${port}`,
        attempts: 1,
        status: 200,
        bytesIn: request.length,
        bytesOut: text.length,
        headMs: 0,
        waitMs: 0,
        connectMs: 0,
        firstByteMs: 0,
        totalMs: 0,
        end: 'done',
      },
    ]);
    assert.equal(rig.balancer.takeLog(), undefined);
  });
});

test('phases add up to what the clock says', async () => {
  let asked: net.Socket | undefined;
  let heard = '';
  const hold = (socket: net.Socket, text: string): void => {
    asked = socket;
    heard = text;
  };
  await withRig({}, hold, async (rig) => {
    const client = connectRaw(rig.port);
    const start = 'POST / HTTP/1.1\r\nHost: a\r\n';
    client.send(start);
    await hasRead(rig, start.length);
    rig.pass(200);
    client.send(`Content-Length: 4\r\n${CLOSE}`);
    await eventually(() => heard.endsWith('\r\n\r\n'));
    rig.pass(300);
    client.send('body');
    await eventually(() => heard.endsWith('body'));
    answer(asked!);
    await client.ended();
    const [line] = await until(rig, 1);
    assert.equal(line!['headMs'], 200);
    assert.equal(line!['totalMs'], 500);
    assert.equal(line!['firstByteMs'], 300);
    assert.equal(line!['bytesIn'], `${start}Content-Length: 4\r\n${CLOSE}body`.length);
  });
});

async function eventually(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

/** Settles once so many octets of clients have been read. */
const hasRead = (rig: Rig, bytes: number): Promise<void> =>
  eventually(() => rig.counters().listeners[0]!.bytesIn >= bytes);

test('pipelined requests have lines of their own, with their own bytes', async () => {
  const each = (socket: net.Socket, text: string): void => {
    const asked = text.split('GET ').length - 1;
    const sent = sentTo.get(socket) ?? 0;
    socket.write(OK.repeat(asked - sent));
    sentTo.set(socket, asked);
  };
  const sentTo = new Map<net.Socket, number>();
  await withRig({}, each, async (rig) => {
    const request = (path: string, more = '\r\n'): string =>
      `GET ${path} HTTP/1.1\r\nHost: a\r\n${more}`;
    const { text } = await talk(rig.port, request('/1') + request('/22') + request('/3', CLOSE));
    const lines = await until(rig, 3);
    assert.deepEqual(
      lines.map(({ target, bytesIn }) => [target, bytesIn]),
      [
        ['/1', request('/1').length],
        ['/22', request('/22').length],
        ['/3', request('/3', CLOSE).length],
      ],
    );
    const total = lines.reduce((sum, { bytesOut }) => sum + Number(bytesOut), 0);
    assert.equal(total, text.length);
  });
});

type Ending = {
  readonly name: string;
  readonly options?: Partial<RigOptions>;
  readonly onText?: (socket: net.Socket, text: string) => void;
  readonly request: string;
  /** What happens once the origin, or nobody, has the request. */
  readonly after?: (rig: Rig, client: ReturnType<typeof connectRaw>) => void;
  readonly end: string;
  readonly status: number;
};
const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
const cutRoute = { hosts: ['b'], pathPrefix: '/', filters: [], upstream: 0 };
const redirect = { kind: 'redirect', options: { location: 'https://b/', status: 302 } };

const ENDINGS: readonly Ending[] = [
  { name: 'no route', options: { routes: [cutRoute] }, request: GET, end: 'refused', status: 404 },
  { name: 'not HTTP', request: 'hello\r\n\r\n', end: 'refused', status: 400 },
  {
    name: 'a filter',
    options: { routes: [{ hosts: [], pathPrefix: '/', filters: [redirect], upstream: -1 }] },
    request: GET,
    end: 'filter-answered',
    status: 302,
  },
  { name: 'no server', options: { servers: [] }, request: GET, end: 'no-server', status: 503 },
  {
    name: 'a server that closes',
    onText: (socket) => void socket.destroy(),
    request: 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n',
    end: 'server-closed',
    status: 502,
  },
  {
    name: 'a server that breaks off',
    onText: (socket) => void socket.end('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhel'),
    request: GET,
    end: 'server-closed',
    status: 200,
  },
  {
    name: 'a server whose trailer is none',
    onText: (socket) =>
      void socket.write(
        'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nno trailer\r\n\r\n',
      ),
    request: GET,
    end: 'server-closed',
    status: 200,
  },
  {
    name: 'a server that says nothing',
    request: GET,
    after: (rig) => rig.pass(6_000),
    end: 'response-timeout',
    status: 504,
  },
  {
    name: 'a client that leaves',
    request: GET,
    after: (_, client) => void client.socket.resetAndDestroy(),
    end: 'client-gone',
    status: 0,
  },
  {
    name: 'a head that does not come',
    request: 'GET / HT',
    after: (rig) => rig.pass(11_000),
    end: 'head-timeout',
    status: 408,
  },
  {
    name: 'a body that does not come',
    request: 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc',
    after: (rig) => rig.pass(31_000),
    end: 'body-timeout',
    status: 408,
  },
];
for (const { end, name, onText, options, request, status, after } of ENDINGS) {
  test(`${name}: ${end}`, async () => {
    let arrived = '';
    const note = (socket: net.Socket, text: string): void => {
      arrived = text;
      onText?.(socket, text);
    };
    await withRig(options ?? {}, note, async (rig) => {
      const client = connectRaw(rig.port);
      client.send(request);
      if (after) {
        await hasRead(rig, request.length);
        // A whole head goes on to the server.
        const body = request.split('\r\n\r\n')[1];
        if (body !== undefined) await eventually(() => arrived.endsWith(`\r\n\r\n${body}`));
        after(rig, client);
      }
      const [line] = await until(rig, 1);
      assert.deepEqual([line!['end'], line!['status']], [end, status]);
      client.socket.destroy();
    });
  });
}

test('nobody listens: every attempt is counted', async () => {
  const servers = [await closedPort(), await closedPort()];
  const rig = await startRig({ servers, accessLog: {} });
  await talk(rig.port, `GET / HTTP/1.1\r\nHost: a\r\n${CLOSE}`);
  const [line] = await until(rig, 1);
  assert.deepEqual([line!['end'], line!['status']], ['connect-failed', 502]);
  assert.ok(Number(line!['attempts']) >= 2);
  await rig.close();
});

test('a tunnel leaves its line when it ends', async () => {
  const upgrade = (socket: net.Socket, text: string): void => {
    if (text.endsWith('ping')) socket.end('pong!');
    else
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n');
  };
  await withRig({}, upgrade, async (rig) => {
    const client = connectRaw(rig.port);
    const request = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n';
    client.send(request);
    await client.until((text) => text.includes('101'));
    assert.deepEqual(linesOf(rig), []);
    client.send('ping');
    const { text } = await client.ended();
    const [line] = await until(rig, 1);
    assert.deepEqual([line!['status'], line!['end']], [101, 'done']);
    assert.equal(line!['bytesIn'], request.length + 4);
    assert.equal(line!['bytesOut'], text.length);
  });
});

test('the combined format is what Apache writes', async () => {
  await withRig({ accessLog: { format: 'combined' } }, answer, async (rig) => {
    const head = 'GET /"x" HTTP/1.0\r\nHost: a\r\nUser-Agent: u\\"\xe4\r\n\r\n';
    const { text } = await talk(rig.port, head);
    assert.equal(
      textOfLog(rig),
      `127.0.0.1 - - [14/Nov/2023:22:13:20 +0000] "GET /\\x22x\\x22 HTTP/1.0" 200 ${text.length} "-" "u\\x5c\\x22\\xe4"\n`,
    );
  });
});

test('of what goes well a sample is logged, of what fails everything', async () => {
  // The rig draws 0.5 always.
  for (const [percent, count] of [
    [51, 1],
    [50, 0],
  ] as const) {
    await withRig({ accessLog: { percent } }, answer, async (rig) => {
      await talk(rig.port, `GET / HTTP/1.1\r\nHost: a\r\n${CLOSE}`);
      // Its line is written with the response.
      assert.equal(linesOf(rig).length, count);
    });
    await withRig({ accessLog: { percent } }, answer, async (rig) => {
      await talk(rig.port, 'GET nowhere\r\n\r\n');
      assert.equal(linesOf(rig).length, count, 'what was no request is refused well');
    });
    await withRig({ servers: [], accessLog: { percent } }, answer, async (rig) => {
      await talk(rig.port, `GET / HTTP/1.1\r\nHost: a\r\n${CLOSE}`);
      assert.equal((await until(rig, 1))[0]!['status'], 503);
    });
  }
});

test('when nobody fetches lines they are dropped and counted, and requests go on', async () => {
  await withRig({}, answer, async (rig) => {
    const long = 'x'.repeat(6_000);
    const client = connectRaw(rig.port);
    for (let asked = 1; asked <= 800; asked++) {
      client.send(`GET /${long} HTTP/1.1\r\nHost: a\r\n\r\n`);
      await client.until((text) => text.split('hello').length > asked);
    }
    client.socket.destroy();
    const batch = rig.balancer.takeLog();
    assert.ok(batch !== undefined && batch.dropped > 0);
    assert.equal(batch.lines + batch.dropped, 800);
    const counts = { lines: batch.lines, bytes: batch.bytes.length, dropped: batch.dropped };
    rig.balancer.countLog(counts);
    assert.deepEqual(rig.counters().accessLog, counts);
  });
});

test('without a log nothing is gathered', async () => {
  const origin = await startRawOrigin(answer);
  const rig = await startRig({ servers: [origin.port] });
  await talk(rig.port, `GET / HTTP/1.1\r\nHost: a\r\n${CLOSE}`);
  assert.equal(rig.balancer.takeLog(), undefined);
  await rig.close();
  origin.close();
});
