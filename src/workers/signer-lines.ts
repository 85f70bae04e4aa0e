import type { CookieSecrets } from '../dns/cookie.ts';
import type { Certificate } from '../dns-transport/listeners.ts';
import type { Bell } from '../io/bell.ts';
import type { ServedHealth } from '../nameserver/served-health.ts';
import type { Snapshot } from '../nameserver/snapshot.ts';
import { weightOf } from '../nameserver/snapshot-weight.ts';
import { withSignatures } from '../signing/new-signatures.ts';
import type { ToDnsWorker } from './dns-messages.ts';
import type { Signer } from './signer.ts';
import type { Thread } from './thread.ts';
import { weigh } from './weight.ts';

/** What all workers serve, and what one that begins later is given. */
export type Served = {
  snapshot: Snapshot;
  health: ServedHealth;
  cookies: CookieSecrets | undefined;
  certificates: readonly Certificate[];
};

/** Lines from the workers to the signer, each made anew when one of the two is. */
/** @param bellOf of a thread that waits in the kernel */
export function openSignerLines(
  signer: Signer,
  served: Served,
  threads: readonly Thread[],
  bellOf: (name: string) => Bell | undefined,
) {
  const connect = (thread: Thread): void => {
    const port = thread.state() === 'running' ? signer.connect(bellOf(thread.name)) : undefined;
    if (port) thread.post({ type: 'signer', port } satisfies ToDnsWorker, [port]);
  };
  signer.attach({
    lost() {
      // A worker that waits in the kernel would not see that its line is closed.
      for (const thread of threads) {
        thread.post({ type: 'signer', port: undefined } satisfies ToDnsWorker);
      }
    },
    reconnect: () => threads.forEach(connect),
    signatures(news) {
      served.snapshot = withSignatures(served.snapshot, news);
      weigh(served.snapshot, weightOf(served.snapshot));
      const message: ToDnsWorker = { type: 'signatures', ...news };
      for (const thread of threads) thread.post(message);
    },
  });
  signer.serve(served.snapshot, served.health);
  return {
    connect(name: string): void {
      for (const thread of threads) if (thread.name === name) connect(thread);
    },
  };
}
