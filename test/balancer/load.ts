import { once } from 'node:events';
import http from 'node:http';
import { setTimeout as passed } from 'node:timers/promises';

/** Clients that ask one request after the other, each on a connection that it keeps. */
export type Load = {
  /** Requests answered so far. */
  answered(): number;
  /** Those that were answered with an error that may come. */
  failed(): number;
  /** Answers of the server at this port, where servers tell theirs (`X-Port`). */
  from(port: number): number;
  /** What went wrong. */
  readonly lost: readonly string[];
  stop(): Promise<void>;
};

export const CLIENTS = 24;

/**
 * @param methods by turns; a POST has a body
 * @param mayFail whether an error is one of those that the rules demand
 */
export function startLoad(
  port: number,
  path: string,
  methods: readonly string[],
  mayFail: (method: string, status: number) => boolean = () => false,
): Load {
  const agent = new http.Agent({ keepAlive: true, maxSockets: CLIENTS });
  const lost: string[] = [];
  const ports = new Map<number, number>();
  let answered = 0;
  let failed = 0;
  let isOver = false;
  const ask = async (method: string): Promise<void> => {
    const request = http.request({ host: '127.0.0.1', port, path, method, agent });
    request.end(method === 'POST' ? 'a body' : undefined);
    const [response] = (await once(request, 'response')) as [http.IncomingMessage];
    let text = '';
    response.setEncoding('utf8');
    response.on('data', (part: string) => {
      text += part;
    });
    await once(response, 'end');
    const { headers, statusCode = 0 } = response;
    const from = Number(headers['x-port']);
    ports.set(from, (ports.get(from) ?? 0) + 1);
    if (statusCode === 200 && text.includes('hello')) answered++;
    else if (mayFail(method, statusCode)) failed++;
    else lost.push(`${method} ${statusCode} ${text}`);
  };
  const clients = Array.from({ length: CLIENTS }, async (_, index) => {
    for (let turn = index; !isOver; turn++) {
      try {
        await ask(methods[turn % methods.length]!);
      } catch (error) {
        const { code, message } = error as NodeJS.ErrnoException;
        // Nobody listens any more: nothing of the request was sent.
        if (code === 'ECONNREFUSED') break;
        lost.push(`${code ?? message}`);
      }
    }
  });
  return {
    answered: () => answered,
    from: (port) => ports.get(port) ?? 0,
    failed: () => failed,
    lost,
    async stop() {
      isOver = true;
      await Promise.all(clients);
      agent.destroy();
    },
  };
}

/** Waits until the load has got so many more answers. */
export async function served(load: Load, more: number): Promise<void> {
  const from = load.answered();
  while (load.answered() - from < more && load.lost.length === 0) await passed(5);
}
