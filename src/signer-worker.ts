import { setImmediate } from 'node:timers/promises';
import { type MessagePort, parentPort } from 'node:worker_threads';
import { systemClock } from './control/clock.ts';
import { createClient } from './nameserver/client.ts';
import { counterLayout } from './nameserver/counters.ts';
import { respond } from './nameserver/respond.ts';
import {
  addSignatures,
  createWorkerState,
  setHealth,
  setSnapshot,
} from './nameserver/worker-state.ts';
import { createColdSigner } from './signing/cold.ts';
import { type KeyRing, openRing } from './signing/key-ring.ts';
import { PREPARED_MAX, prepareBodies } from './signing/prepare.ts';
import { presign } from './signing/presign.ts';
import { type SignedCopy, signSnapshot } from './signing/sign-snapshot.ts';
import { createSignatureCache } from './signing/signature-cache.ts';
import { createCounterRow } from './telemetry/counters.ts';
import type { FromSigner, ToSigner } from './workers/signer-messages.ts';
import type { ColdQuery, ColdReply } from './workers/signing-client.ts';

/**
 * The signer's thread: it has the keys, and no socket. What is compiled is signed in short pieces, so that cold
 * queries of the workers come in between; they are answered whole, by the same `respond`.
 */

/** Signatures that are kept so as not to be made again. */
const CACHE_MAX = 1_000_000;
/** How often it is looked for signatures that are due. */
const RENEW_MS = 600_000;
const REPLY_MAX = 65_535;

const cache = createSignatureCache(CACHE_MAX);
const copies = new Map<string, SignedCopy>();
const state = createWorkerState(createCounterRow(counterLayout(0).length));
const reply = new Uint8Array(REPLY_MAX);
let ring: KeyRing = new Map();
/** Signatures of steered records that workers hold. */
let preparedCount = 0;
/** One piece of long work after the other. */
let work: Promise<unknown> = Promise.resolve();

parentPort?.on('message', (message: ToSigner) => {
  switch (message.type) {
    case 'start':
      tell({ type: 'ready', engine: 'signer' });
      break;
    case 'keys':
      ring = openRing(message.keys);
      setSigner();
      break;
    case 'sign':
      later(async () => {
        const { id, snapshot } = message;
        const parts = await inPieces(signSnapshot(snapshot, ring, cache, copies, nowSeconds()));
        tell({ type: 'signed', id, parts });
      });
      break;
    case 'snapshot': {
      const { health, snapshot } = message;
      const row = createCounterRow(counterLayout(snapshot.endpoints.length).length);
      setSnapshot(state, snapshot, health, row);
      setSigner();
      preparedCount = snapshot.prepared.length;
      later(prepare);
      break;
    }
    case 'health':
      if (setHealth(state, message.health, message.generation)) later(prepare);
      break;
    case 'cookies':
      state.cookies = message.cookies;
      break;
    case 'client':
      serve(message.port);
      break;
    case 'stop':
      process.exit(0);
  }
});
systemClock.setTimer(RENEW_MS, renewSoon);

function setSigner(): void {
  const { snapshot } = state;
  if (snapshot) state.signer = createColdSigner(snapshot, ring, cache, nowSeconds);
}

function serve(port: MessagePort): void {
  port.on('message', (query: ColdQuery) => {
    port.postMessage({ id: query.id, reply: answer(query) } satisfies ColdReply);
  });
}

function answer({ address, family, nowMs, query, transport }: ColdQuery): Uint8Array | undefined {
  const client = createClient(transport);
  client.family = family;
  client.address.set(address);
  const length = respond(state, client, query, query.length, nowMs, reply);
  return length > 0 ? reply.slice(0, length) : undefined;
}

/** Signs steered records that have come to be answered. */
async function prepare(): Promise<void> {
  const { answers, snapshot } = state;
  if (answers === undefined || snapshot === undefined) return;
  const { generation } = snapshot;
  const prepared = await inPieces(prepareBodies(answers, ring, cache, nowSeconds()));
  if (prepared.length === 0) return;
  preparedCount += prepared.length;
  // Those of states of health that have passed are let go.
  if (preparedCount > PREPARED_MAX) return renew();
  addSignatures(state, generation, undefined, prepared);
  tell({ type: 'signatures', generation, signatures: undefined, prepared });
}

/** Makes anew what is due of all that is served. */
async function renew(): Promise<void> {
  const { snapshot } = state;
  if (snapshot?.signatures === undefined) return;
  const { generation } = snapshot;
  const signatures = await inPieces(presign(snapshot.zones, ring, cache, nowSeconds()));
  addSignatures(state, generation, signatures, []);
  const prepared = await inPieces(prepareBodies(state.answers!, ring, cache, nowSeconds()));
  addSignatures(state, generation, undefined, prepared);
  preparedCount = prepared.length;
  tell({ type: 'signatures', generation, signatures, prepared });
}

function renewSoon(): void {
  later(renew);
  systemClock.setTimer(RENEW_MS, renewSoon);
}

/** After all that was begun before; a bug ends the thread, which is then replaced. */
function later(run: () => Promise<void>): void {
  work = work.then(run);
  work.catch((error: unknown) => {
    throw error;
  });
}

/** Lets messages in between. */
async function inPieces<T>(steps: Generator<void, T>): Promise<T> {
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
    await setImmediate();
  }
}

const nowSeconds = (): number => Math.floor(systemClock.nowMs() / 1000);

function tell(message: FromSigner): void {
  parentPort?.postMessage(message);
}
