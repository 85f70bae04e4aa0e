import {
  type ByteSink,
  createByteSink,
  putBytes,
  putChunkSize,
  putLineEnd,
  putText,
} from '../http/byte-sink.ts';
import {
  ATTEMPT_FIELD_NAME,
  IDEMPOTENT_METHODS,
  REPLAYABLE_BODY_MAX_BYTES,
} from '../resilience/retry-rules.ts';
import { putLastChunk } from './rewrite.ts';
import type { BalancerRuntime, Exchange } from './session.ts';

/**
 * Bodies of idempotent requests as the server gets them, kept up to a limit, so that they can be sent
 * once more. Other bodies are never sent twice (RFC 9110 section 9.2.2), so they are not kept.
 */

/** Kept bodies of one worker together; beyond it a request with a body is sent once. */
export const REPLAY_BYTES_MAX = 64 * 1024 * 1024;

/** Part of the body goes to the server; `chunked` as a chunk of its own. */
export function keepBody(
  runtime: BalancerRuntime,
  exchange: Exchange,
  bytes: Uint8Array,
  from: number,
  to: number,
  chunked: boolean,
): void {
  if (!exchange.bodyReplayable || from === to) return;
  const length = to - from + (chunked ? CHUNK_OVERHEAD : 0);
  if (!reserve(runtime, exchange, length)) return;
  exchange.replay ??= createByteSink(length);
  const sink = exchange.replay;
  if (chunked) putChunkSize(sink, to - from);
  putBytes(sink, bytes, from, to);
  if (chunked) putLineEnd(sink);
}

/** The end of a chunked body. */
export function keepLastChunk(
  runtime: BalancerRuntime,
  exchange: Exchange,
  trailers: Uint8Array,
  length: number,
): void {
  if (!exchange.bodyReplayable || !reserve(runtime, exchange, length + CHUNK_OVERHEAD)) return;
  exchange.replay ??= createByteSink(length + CHUNK_OVERHEAD);
  putLastChunk(exchange.replay, trailers, length, exchange.nominated);
}

/** The request once more, as far as it has come, with the number of its attempt. */
export function putAgain(sink: ByteSink, { head, replay, sends }: Exchange): void {
  // Before the empty line that ends it.
  putBytes(sink, head.bytes, 0, head.length - 2);
  putText(sink, `${ATTEMPT_FIELD_NAME}: ${sends}\r\n\r\n`);
  if (replay) putBytes(sink, replay.bytes, 0, replay.length);
}

/** Nothing can have it sent again any more. */
export function dropReplay(runtime: BalancerRuntime, exchange: Exchange): void {
  runtime.replayBytes -= exchange.replayBytes;
  exchange.replayBytes = 0;
  exchange.replay = undefined;
}

function reserve(runtime: BalancerRuntime, exchange: Exchange, length: number): boolean {
  const isKept =
    IDEMPOTENT_METHODS.has(exchange.method) &&
    exchange.replayBytes + length <= REPLAYABLE_BODY_MAX_BYTES &&
    runtime.replayBytes + length <= REPLAY_BYTES_MAX;
  if (!isKept) {
    exchange.bodyReplayable = false;
    dropReplay(runtime, exchange);
    return false;
  }
  exchange.replayBytes += length;
  runtime.replayBytes += length;
  return true;
}

/** Size in hexadecimal and two line ends. */
const CHUNK_OVERHEAD = 16;
