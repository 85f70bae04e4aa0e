import { setImmediate } from 'node:timers/promises';
import { type MessagePort, parentPort } from 'node:worker_threads';
import { systemClock, wallClockMs } from './control/clock.ts';
import { type Bell, ring } from './io/bell.ts';
import { createClient } from './nameserver/client.ts';
import { weightOf } from './nameserver/snapshot-weight.ts';
import type { NewSignatures } from './signing/new-signatures.ts';
import { createSignerDesk } from './signing/signer-desk.ts';
import type { FromSigner, ToSigner } from './workers/signer-messages.ts';
import type { ColdQuery, ColdReply } from './workers/signing-client.ts';
import { weigh } from './workers/weight.ts';

/** The signer's thread: it has the keys of zones, and no socket. Long work goes on between messages. */

/** How often the desk is asked whether it is time to renew: soon also after somebody has set the clock. */
const RENEW_LOOK_MS = 120_000;

const desk = createSignerDesk(() => Math.floor(wallClockMs() / 1000));
/** One piece of long work after the other. */
let work: Promise<unknown> = Promise.resolve();

parentPort?.on('message', (message: ToSigner) => {
  switch (message.type) {
    case 'start':
      tell({ type: 'ready', engine: 'signer' });
      break;
    case 'keys':
      desk.setKeys(message.keys);
      break;
    case 'sign': {
      const { id, snapshot } = message;
      // With the keys of now, whatever comes while it waits for its turn.
      const steps = desk.sign(snapshot);
      later(async () => tell({ type: 'signed', id, parts: await inPieces(steps) }));
      break;
    }
    case 'snapshot':
      desk.serve(message.snapshot, message.health);
      weigh(message.snapshot, weightOf(message.snapshot));
      // What another signer has signed may be due by now.
      later(async () => tellNews(await inPieces(desk.begin())));
      break;
    case 'health':
      if (desk.setHealth(message.generation, message.health)) {
        later(async () => tellNews(await inPieces(desk.prepare())));
      }
      break;
    case 'cookies':
      desk.setCookies(message.cookies);
      break;
    case 'client':
      serve(message.port, message.bell);
      break;
    case 'stop':
      process.exit(0);
  }
});
systemClock.setTimer(RENEW_LOOK_MS, renewSoon);

function serve(port: MessagePort, bell: Bell | undefined): void {
  port.on('message', ({ address, family, id, nowMs, query, transport }: ColdQuery) => {
    const client = createClient(transport);
    client.family = family;
    client.address.set(address);
    port.postMessage({ id, ...desk.answer(query, client, nowMs) } satisfies ColdReply);
    if (bell) ring(bell);
  });
}

function renewSoon(): void {
  later(async () => tellNews(await inPieces(desk.renew())));
  systemClock.setTimer(RENEW_LOOK_MS, renewSoon);
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

function tellNews(news: NewSignatures | undefined): void {
  if (news === undefined) return;
  const snapshot = desk.served();
  if (snapshot !== undefined) weigh(snapshot, weightOf(snapshot));
  tell({ type: 'signatures', ...news });
}

function tell(message: FromSigner): void {
  parentPort?.postMessage(message);
}
