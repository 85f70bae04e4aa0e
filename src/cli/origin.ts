import http from 'node:http';
import type { AddressInfo } from 'node:net';

/** What an origin is told; `delayMs` is added to every answer but the health check's. */
export type OriginOptions = {
  readonly name: string;
  readonly listen: readonly { readonly address: string; readonly port: number }[];
  readonly delayMs?: number;
};

export type Origin = {
  readonly servers: readonly { readonly address: string; readonly port: number }[];
  /** Stops accepting, lets requests in flight finish, and settles when the last is done. */
  close(): Promise<void>;
};

/**
 * Small real HTTP servers to put behind a balancer: the quickstart's origins, and something to try
 * an installation with. `/` says who answers, `/headers` what arrived, `/healthz` that it lives,
 * `/slow?ms=` takes its time.
 * @returns rejects with the system's error when an address cannot be listened on
 */
export async function runOrigin(options: OriginOptions): Promise<Origin> {
  const servers: http.Server[] = [];
  try {
    for (const at of options.listen) servers.push(await listen(options, at.address, at.port));
  } catch (error) {
    await Promise.all(servers.map(close));
    throw error;
  }
  return {
    servers: servers.map(addressOf),
    close: async () => {
      await Promise.all(servers.map(close));
    },
  };
}

function listen(options: OriginOptions, address: string, port: number): Promise<http.Server> {
  const { promise, resolve, reject } = Promise.withResolvers<http.Server>();
  // Kept: while it closes, requests still come on connections that it has, and it has no address any more.
  let name = '';
  const server = http.createServer((request, response) => {
    answer(options, name, request, response);
  });
  server.once('error', reject);
  server.listen(port, address, () => {
    server.off('error', reject);
    const at = addressOf(server);
    name = `${at.address}:${at.port}`;
    resolve(server);
  });
  return promise;
}

function answer(
  options: OriginOptions,
  server: string,
  request: http.IncomingMessage,
  response: http.ServerResponse,
): void {
  const url = new URL(request.url ?? '/', 'http://origin');
  request.resume();
  if (url.pathname === '/healthz') {
    send(response, 200, 'ok\n', 0);
    return;
  }
  const delayMs = options.delayMs ?? 0;
  switch (url.pathname) {
    case '/':
      send(response, 200, `hello from ${options.name}, server ${server}\n`, delayMs);
      break;
    case '/headers': {
      const lines = request.rawHeaders.map((text, at) =>
        at % 2 === 0 ? `${text}: ` : `${text}\n`,
      );
      send(response, 200, `${request.method} ${request.url}\n${lines.join('')}`, delayMs);
      break;
    }
    case '/slow': {
      const asked = Number(url.searchParams.get('ms') ?? '1000');
      const slowMs = Number.isFinite(asked) ? Math.max(0, Math.min(asked, SLOW_MS_MAX)) : 0;
      send(response, 200, `slow hello from ${options.name}, server ${server}\n`, delayMs + slowMs);
      break;
    }
    default:
      send(response, 404, 'not found\n', delayMs);
  }
}

function send(response: http.ServerResponse, status: number, text: string, delayMs: number): void {
  const write = (): void => {
    response.writeHead(status, {
      'content-type': 'text/plain; charset=utf-8',
      'content-length': Buffer.byteLength(text),
    });
    response.end(text);
  };
  if (delayMs > 0) setTimeout(write, delayMs);
  else write();
}

function close(server: http.Server): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  // Idle connections are closed with it; those with a request in flight finish first.
  server.close(() => resolve());
  return promise;
}

function addressOf(server: http.Server): { readonly address: string; readonly port: number } {
  // Only a server on a pipe has a string here.
  const { address, port } = server.address() as AddressInfo;
  return { address, port };
}

const SLOW_MS_MAX = 60_000;
