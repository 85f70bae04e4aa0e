/**
 * Clients who come at a fixed rate whether or not others have been answered, so that a proxy that is slow is asked no
 * less (no coordinated omission): `node trouble-clients.ts '{"port":8080,"rate":1000,"seconds":10,"report":"FILE"}'`.
 * The time of a request counts from the moment at which it was due. It writes a ClientReport as JSON.
 */
import { writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';

export type ClientSetting = {
  readonly port: number;
  readonly rate: number;
  readonly seconds: number;
  readonly report: string;
};

export type ClientReport = {
  /** By `Date.now()`; request i was due i / rate seconds later. */
  readonly startedMs: number;
  readonly rate: number;
  readonly microseconds: readonly number[];
  /** A status of HTTP, or one of OUTCOME. */
  readonly outcomes: readonly number[];
  /** Asked once more, because a connection that had served before was closed before an answer. */
  readonly repeated: number;
  /** For so long these clients themselves did nothing once: latencies have it in them. */
  readonly longestPauseMs: number;
};

/** What became of a request that was not answered. */
export const OUTCOME = { none: 0, broken: 1, late: 2, wrong: 3, noRoom: 4 } as const;

/** Nobody waits longer. */
const PATIENCE_MS = 10_000;
const CONNECTIONS_MAX = 6000;
const TICK_MS = 1;

type Line = {
  readonly socket: Socket;
  /** The request under way; -1 for none. */
  request: number;
  served: number;
  text: string;
};

if (import.meta.main) run(JSON.parse(process.argv[2]!) as ClientSetting);

function run({ port, rate, report, seconds }: ClientSetting): void {
  const total = Math.round(rate * seconds);
  const startedMs = Date.now();
  const start = performance.now();
  const ledger = createLedger(total, (request) => start + (request / rate) * 1000);
  const lines = createLines(port, ledger);
  let lastMs = start;
  let sent = 0;
  let longestPauseMs = 0;
  const clock = setInterval(() => {
    const nowMs = performance.now();
    longestPauseMs = Math.max(longestPauseMs, nowMs - lastMs);
    lastMs = nowMs;
    const due = Math.min(total, Math.floor(((nowMs - start) / 1000) * rate));
    for (; sent < due; sent += 1) lines.ask(sent);
    lines.giveUp();
    if (ledger.ended() < total) return;
    clearInterval(clock);
    lines.close();
    const told: ClientReport = { startedMs, rate, ...ledger.all(), longestPauseMs };
    writeFileSync(report, JSON.stringify(told));
  }, TICK_MS);
}

type Ledger = ReturnType<typeof createLedger>;

/** What became of each request. */
function createLedger(total: number, dueMs: (request: number) => number) {
  const microseconds = new Float64Array(total);
  const outcomes = new Uint16Array(total);
  let ended = 0;
  let repeated = 0;
  return {
    dueMs,
    ended: () => ended,
    end(request: number, outcome: number): void {
      microseconds[request] = Math.round((performance.now() - dueMs(request)) * 1000);
      outcomes[request] = outcome;
      ended += 1;
    },
    repeat(): void {
      repeated += 1;
    },
    all: () => ({ microseconds: [...microseconds], outcomes: [...outcomes], repeated }),
  };
}

/** Connections that live on, as many as requests are under way. */
function createLines(port: number, ledger: Ledger) {
  const head = `GET / HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`;
  const idle: Line[] = [];
  const open = new Set<Line>();
  const openLine = (): Line => {
    const socket = connect({ host: '127.0.0.1', port, noDelay: true });
    const line: Line = { socket, request: -1, served: 0, text: '' };
    open.add(line);
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => {
      line.text += text;
      const outcome = judge(line.text, false);
      if (outcome !== undefined) done(line, outcome);
    });
    // Its close is what tells.
    socket.on('error', () => {});
    socket.on('close', () => closed(line));
    return line;
  };
  const put = (line: Line, request: number): void => {
    line.request = request;
    line.socket.write(head);
  };
  const done = (line: Line, outcome: number): void => {
    const isLast = /^connection: close\r$/im.test(line.text) || line.text.startsWith('HTTP/1.0');
    if (line.request >= 0) ledger.end(line.request, outcome);
    line.request = -1;
    line.served += 1;
    line.text = '';
    if (isLast) line.socket.destroy();
    else idle.push(line);
  };
  const closed = (line: Line): void => {
    open.delete(line);
    const at = idle.indexOf(line);
    if (at >= 0) idle.splice(at, 1);
    const { request } = line;
    if (request < 0) return;
    // RFC 9112 section 9.3.1: on a connection that has served before, a client may ask again.
    if (line.text === '' && line.served > 0) {
      ledger.repeat();
      put(openLine(), request);
    } else ledger.end(request, judge(line.text, true) ?? OUTCOME.broken);
  };
  return {
    ask(request: number): void {
      const line = idle.pop() ?? (open.size < CONNECTIONS_MAX ? openLine() : undefined);
      if (line === undefined) ledger.end(request, OUTCOME.noRoom);
      else put(line, request);
    },
    giveUp(): void {
      const nowMs = performance.now();
      for (const line of open) {
        if (line.request < 0 || nowMs - ledger.dueMs(line.request) < PATIENCE_MS) continue;
        ledger.end(line.request, OUTCOME.late);
        line.request = -1;
        line.socket.destroy();
      }
    },
    close(): void {
      for (const { socket } of open) socket.destroy();
    },
  };
}

/** The status when the answer is whole, OUTCOME.wrong when it is not what servers say; undefined before. */
export function judge(text: string, isOver: boolean): number | undefined {
  const bodyAt = text.indexOf('\r\n\r\n') + 4;
  if (bodyAt < 4) return undefined;
  const length = /^content-length: *(\d+)\r$/im.exec(text.slice(0, bodyAt))?.[1];
  // Without a length it lasts until the connection ends.
  const isWhole = length === undefined ? isOver : text.length - bodyAt >= Number(length);
  if (!isWhole) return undefined;
  const status = Number(text.slice(9, 12));
  return status !== 200 || /^hello from \d+\n$/.test(text.slice(bodyAt)) ? status : OUTCOME.wrong;
}
