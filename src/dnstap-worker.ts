import { parentPort } from 'node:worker_threads';
import { openSender, type Sender } from './dnstap/sender.ts';
import { COUNT_DNSTAP_LOST, COUNT_DNSTAP_WRITTEN } from './nameserver/counters.ts';
import type { FromTapWorker, ToTapWorker } from './workers/dnstap-messages.ts';

/** The thread that brings dnstap events from the rings of DNS workers to the collector. */
let sender: Sender | undefined;

parentPort?.on('message', (message: ToTapWorker) => {
  switch (message.type) {
    case 'start': {
      const { counters, rings, to } = message;
      sender = openSender({
        to,
        rings,
        setTimer(ms, act) {
          const timer = setTimeout(act, ms);
          return () => clearTimeout(timer);
        },
        count(result, events) {
          const slot = result === 'written' ? COUNT_DNSTAP_WRITTEN : COUNT_DNSTAP_LOST;
          counters[slot] = counters[slot]! + events;
        },
        told: (isConnected, why) => tell({ type: 'collector', isConnected, why }),
      });
      tell({ type: 'ready', engine: 'frame-streams' });
      break;
    }
    case 'stop':
      void (sender?.stop() ?? Promise.resolve()).then(() => process.exit(0));
  }
});

function tell(message: FromTapWorker): void {
  parentPort?.postMessage(message);
}
