/**
 * Clients that hold connections, for benches of proxies: `node trouble-holders.ts '{"kind":"heads","port":8080,…}'`.
 * It prints `held` when all are open, and writes a HolderReport as JSON when `seconds` from then on are over.
 *
 * - `heads`: a head of a request that never ends, an octet a second (slowloris);
 * - `readers`: a megabyte each, of which READ_OCTETS are read a second;
 * - `websockets`: echo a message a second;
 * - `uploads`: of a known length, sent evenly over the time.
 */
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { BODY_PATH, patternAt } from './trouble-servers.ts';

export type HolderKind = 'heads' | 'readers' | 'websockets' | 'uploads';
export type HolderSetting = {
  readonly kind: HolderKind;
  readonly port: number;
  readonly count: number;
  readonly seconds: number;
  readonly report: string;
};

export type HolderReport = {
  /** Connections that live in the end, or have come to their right end. */
  readonly well: number;
  /** What became of the others, and how often. */
  readonly others: Readonly<Record<string, number>>;
  /** The longest that an echo of a WebSocket took. */
  readonly longestMs: number;
};

/** At once, that no queue of an accepting socket runs over. */
const OPENING_MAX = 100;
const BODY_OCTETS = 1024 * 1024;
const READ_OCTETS = 10 * 1024;
const SECOND_MS = 1000;
const UPLOAD_TICK_MS = 100;
const UPLOAD_PART_OCTETS = 8 * 1024;
/** Until the answer to an upload, or the last echo, is missed. */
const PATIENCE_MS = 5000;

/** One connection. `tick` comes each TICK of its kind while it is to be held. */
type Held = {
  readonly socket: Socket;
  tick?(): void;
  finish?(): void;
  /** Undefined while it is as it should be, else in a word or two what is wrong. */
  fault(): string | undefined;
};

type Opening = HolderSetting & { readonly onHeld: () => void };

const KINDS: Readonly<Record<HolderKind, (opening: Opening) => Held>> = {
  heads: openHead,
  readers: openReader,
  websockets: openWebSocket,
  uploads: openUpload,
};
const TICK_MS: Readonly<Record<HolderKind, number>> = {
  heads: SECOND_MS,
  readers: SECOND_MS,
  websockets: SECOND_MS,
  uploads: UPLOAD_TICK_MS,
};

let longestMs = 0;

if (import.meta.main) run(JSON.parse(process.argv[2]!) as HolderSetting);

function run(setting: HolderSetting): void {
  const { count, kind, report, seconds } = setting;
  const all: Held[] = [];
  let held = 0;
  const open = (): void => {
    let isHeld = false;
    const onHeld = (): void => {
      if (isHeld) return;
      isHeld = true;
      held += 1;
      if (all.length < count) open();
      if (held === count) hold();
    };
    const one = KINDS[kind]({ ...setting, onHeld });
    one.socket.on('error', () => {});
    // One that is refused counts as held, too: the others go on.
    one.socket.on('close', onHeld);
    all.push(one);
  };
  const hold = (): void => {
    process.stdout.write('held\n');
    const clock = setInterval(() => {
      for (const one of all) if (!one.socket.destroyed) one.tick?.();
    }, TICK_MS[kind]);
    setTimeout(() => {
      clearInterval(clock);
      for (const one of all) one.finish?.();
      endWhenWell(all, report, performance.now() + PATIENCE_MS);
    }, seconds * SECOND_MS);
  };
  for (let index = 0; index < Math.min(OPENING_MAX, count); index += 1) open();
}

/** Answers to uploads and the last echoes may be on their way. */
function endWhenWell(all: readonly Held[], report: string, deadlineMs: number): void {
  const isWell = all.every((one) => one.fault() === undefined);
  if (isWell || performance.now() > deadlineMs) end(all, report);
  else setTimeout(() => endWhenWell(all, report, deadlineMs), UPLOAD_TICK_MS);
}

function end(all: readonly Held[], report: string): void {
  const others: Record<string, number> = {};
  for (const one of all) {
    const fault = one.fault();
    if (fault !== undefined) others[fault] = (others[fault] ?? 0) + 1;
  }
  const bad = Object.values(others).reduce((sum, each) => sum + each, 0);
  const told: HolderReport = { well: all.length - bad, others, longestMs };
  writeFileSync(report, JSON.stringify(told));
  process.exit(0);
}

function openHead({ onHeld, port }: Opening): Held {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true }, () => {
    socket.write(`GET / HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nX-Slow: `, onHeld);
  });
  let text = '';
  socket.setEncoding('latin1').on('data', (part: string) => {
    text += part;
  });
  return {
    socket,
    tick: () => void socket.write('a'),
    fault: () => (text === '' ? ended(socket) : `answered ${text.slice(9, 12)}`),
  };
}

function openReader({ onHeld, port }: Opening): Held {
  let octets = 0;
  const socket = connect({
    host: '127.0.0.1',
    port,
    onread: {
      buffer: Buffer.alloc(READ_OCTETS),
      // Nothing more is read before the next tick.
      callback(length) {
        octets += length;
        onHeld();
        return false;
      },
    },
  });
  socket.write(
    `GET ${BODY_PATH}?octets=${BODY_OCTETS} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`,
  );
  return {
    socket,
    tick: () => void socket.resume(),
    fault: () => (octets > BODY_OCTETS ? undefined : ended(socket)),
  };
}

function openWebSocket({ onHeld, port }: Opening): Held {
  const head = `GET / HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`;
  const socket = connect({ host: '127.0.0.1', port, noDelay: true }, () => socket.write(head));
  let isOpen = false;
  let text = '';
  let expected = '';
  let askedMs = 0;
  let asked = 0;
  socket.setEncoding('latin1').on('data', (part: string) => {
    text += part;
    if (!isOpen) {
      const bodyAt = text.indexOf('\r\n\r\n') + 4;
      if (bodyAt < 4) return;
      isOpen = text.startsWith('HTTP/1.1 101');
      text = text.slice(bodyAt);
      onHeld();
    }
    if (isOpen && expected !== '' && text.length >= expected.length && text === expected) {
      longestMs = Math.max(longestMs, performance.now() - askedMs);
      expected = '';
      text = '';
    }
  });
  return {
    socket,
    tick() {
      // One at a time: who waits asks nothing.
      if (!isOpen || expected !== '') return;
      const payload = String(asked++).padStart(8, '0');
      // RFC 6455 section 5.2: a whole text, masked with zeros, which changes nothing.
      const lead = `\x81${String.fromCharCode(0x80 | payload.length)}\0\0\0\0`;
      socket.write(`${lead}${payload}`, 'latin1');
      expected = `\x81${String.fromCharCode(payload.length)}${payload}`;
      askedMs = performance.now();
    },
    fault: () =>
      (isOpen ? (ended(socket) ?? (expected && 'no echo') ?? undefined) : 'not opened') ||
      undefined,
  };
}

function openUpload({ onHeld, port, seconds }: Opening): Held {
  const parts = Math.max(1, Math.floor((seconds * SECOND_MS) / UPLOAD_TICK_MS));
  const total = parts * UPLOAD_PART_OCTETS;
  const hash = createHash('sha256');
  let digest = '';
  let sent = 0;
  let text = '';
  const socket = connect({ host: '127.0.0.1', port, noDelay: true }, () => {
    socket.write(
      `POST / HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nContent-Length: ${total}\r\n\r\n`,
      onHeld,
    );
  });
  socket.setEncoding('latin1').on('data', (part: string) => {
    text += part;
  });
  const send = (): void => {
    if (sent === total || socket.destroyed) return;
    const part = patternAt(sent, UPLOAD_PART_OCTETS);
    hash.update(part);
    sent += part.length;
    socket.write(part);
  };
  return {
    socket,
    tick: send,
    finish() {
      // What a late clock has left over.
      while (sent < total && !socket.destroyed) send();
    },
    fault() {
      if (text === '') return ended(socket) ?? 'no answer';
      if (digest === '' && sent === total) digest = hash.digest('hex');
      const isRight = digest !== '' && text.includes(`${total} ${digest}`);
      return isRight ? undefined : `answered ${text.slice(9, 12)}`;
    },
  };
}

function ended(socket: Socket): string | undefined {
  if (!socket.destroyed && !socket.readableEnded) return undefined;
  return socket.errored === null ? 'closed' : `${(socket.errored as NodeJS.ErrnoException).code}`;
}
