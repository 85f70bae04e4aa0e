import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { CollectorPlace } from '../../src/dnstap/sender.ts';
import { loopbackAddress } from '../node/free-addresses.ts';
import { decodeFrames, type Frames } from './decode-event.ts';

/** A collector of a test's own, on a real socket: it says what it is told to say, and keeps what it is sent. */
export type Collector = {
  readonly to: CollectorPlace;
  /** One for each connection so far, oldest first. */
  readonly visits: readonly Visit[];
  /** All connections of now. */
  cut(): void;
  /** Is not there any more; `open` brings it back at the same place. */
  close(): Promise<void>;
  open(): Promise<void>;
};

export type Visit = {
  readonly socket: Socket;
  frames(): Frames;
  readonly isOver: boolean;
};

export type CollectorManners = {
  /** Answers READY, or whatever comes first; default: ACCEPT of dnstap. */
  readonly welcome?: Buffer;
  /** After START; default true. */
  readonly reads?: boolean;
  /** Says FINISH to STOP; default true. */
  readonly finishes?: boolean;
};

export const ACCEPT = control(1, 'protobuf:dnstap.Dnstap');
export const FINISH = control(5);

export function control(type: number, ...contentTypes: readonly string[]): Buffer {
  const fields = contentTypes.map((text) => {
    const head = Buffer.alloc(8);
    head.writeUInt32BE(1, 0);
    head.writeUInt32BE(text.length, 4);
    return Buffer.concat([head, Buffer.from(text, 'latin1')]);
  });
  const head = Buffer.alloc(12);
  head.writeUInt32BE(4 + Buffer.concat(fields).length, 4);
  head.writeUInt32BE(type, 8);
  return Buffer.concat([head, ...fields]);
}

export async function openCollector(
  t: TestContext,
  kind: 'unix' | 'tcp',
  manners: CollectorManners = {},
): Promise<Collector> {
  const { finishes = true, reads = true, welcome = ACCEPT } = manners;
  const directory = mkdtempSync(join(tmpdir(), 'meridian-tap-'));
  const path = join(directory, 's');
  const visits: (Visit & { isOver: boolean })[] = [];
  const greet = (socket: Socket): void => {
    let bytes = Buffer.alloc(0);
    let heard = 0;
    const visit = { socket, frames: () => decodeFrames(bytes), isOver: false };
    visits.push(visit);
    socket.on('data', (part: Buffer) => {
      bytes = Buffer.concat([bytes, part]);
      // Events are many, and looked at later.
      if (heard === 0) {
        heard = 1;
        socket.write(welcome);
        if (!reads) socket.pause();
      } else if (finishes && decodeFrames(bytes).controls.at(-1)?.type === 3) socket.write(FINISH);
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      visit.isOver = true;
    });
  };
  let server = createServer(greet);
  const host = loopbackAddress();
  let port = 0;
  const open = async (): Promise<void> => {
    server = createServer(greet);
    if (kind === 'unix') server.listen(path);
    else server.listen(port, host);
    await once(server, 'listening');
    if (kind === 'tcp') ({ port } = server.address() as { port: number });
  };
  const cut = (): void => {
    for (const { socket } of visits) socket.destroy();
  };
  const close = async (): Promise<void> => {
    cut();
    server.close();
    await once(server, 'close');
  };
  await open();
  t.after(async () => {
    if (server.listening) await close();
    rmSync(directory, { recursive: true });
  });
  return { to: kind === 'unix' ? { path } : { host, port }, visits, cut, close, open };
}
