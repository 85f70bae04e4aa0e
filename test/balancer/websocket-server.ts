import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';

/**
 * A WebSocket server that sends each message back (RFC 6455), for `upgrade` of a node:http server.
 * It knows what clients of the tests send: whole or fragmented messages, pings, close.
 */
export function echoWebSocket(request: IncomingMessage, socket: Duplex, early: Buffer): void {
  const key = String(request.headers['sec-websocket-key']);
  const accept = createHash('sha1')
    .update(key + HANDSHAKE_ID)
    .digest('base64');
  socket.on('error', () => socket.destroy());
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
  );
  let parts: Buffer[] = [];
  let length = 0;
  let wanted = HEADER_MIN;
  const take = (bytes: Buffer): void => {
    parts.push(bytes);
    length += bytes.length;
    // Joined only when a frame is whole: a large one comes in a thousand pieces.
    while (length >= wanted) {
      const all = parts.length === 1 ? parts[0]! : Buffer.concat(parts);
      const frame = readFrame(all);
      wanted = frame.end;
      if (all.length >= frame.end && frame.payloadAt >= 0) {
        answer(socket, all, frame);
        wanted = HEADER_MIN;
        parts = [all.subarray(frame.end)];
        length = all.length - frame.end;
      } else parts = [all];
    }
  };
  socket.on('data', take);
  socket.on('end', () => socket.end());
  if (early.length > 0) take(early);
}

const HANDSHAKE_ID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const HEADER_MIN = 2;
const CLOSE = 8;
const PING = 9;
const PONG = 10;

/** `end` is how many octets are needed to know more; `payloadAt` -1 while the header is not whole. */
type Frame = {
  readonly first: number;
  readonly maskAt: number;
  readonly payloadAt: number;
  readonly end: number;
};

/** RFC 6455 section 5.2, of a client: always masked. */
function readFrame(bytes: Buffer): Frame {
  const first = bytes[0]!;
  const short = bytes[1]! & 0x7f;
  const lengthOctets = short === 126 ? 2 : short === 127 ? 8 : 0;
  const maskAt = 2 + lengthOctets;
  const payloadAt = maskAt + 4;
  if (bytes.length < payloadAt) return { first, maskAt, payloadAt: -1, end: payloadAt };
  const size =
    lengthOctets === 0
      ? short
      : lengthOctets === 2
        ? bytes.readUInt16BE(2)
        : Number(bytes.readBigUInt64BE(2));
  return { first, maskAt, payloadAt, end: payloadAt + size };
}

function answer(socket: Duplex, bytes: Buffer, { end, first, maskAt, payloadAt }: Frame): void {
  const payload = Buffer.from(bytes.subarray(payloadAt, end));
  for (let at = 0; at < payload.length; at++) payload[at]! ^= bytes[maskAt + (at & 3)]!;
  const opcode = first & 0x0f;
  const replied = opcode === PING ? (first & 0xf0) | PONG : first;
  socket.write(frameHeader(replied, payload.length));
  socket.write(payload);
  if (opcode === CLOSE) socket.end();
}

function frameHeader(first: number, length: number): Buffer {
  if (length < 126) return Buffer.from([first, length]);
  const header = Buffer.alloc(length < 65_536 ? 4 : 10);
  header[0] = first;
  if (length < 65_536) {
    header[1] = 126;
    header.writeUInt16BE(length, 2);
  } else {
    header[1] = 127;
    header.writeBigUInt64BE(BigInt(length), 2);
  }
  return header;
}
