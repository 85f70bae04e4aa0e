import { test } from 'node:test';
import { useRing } from '../balancer/engine.ts';

/** What holds for layer 4 over node:net holds over io_uring. */
if (await useRing()) {
  await import('./drain.test.ts');
  await import('./options.test.ts');
  await import('./proxied.test.ts');
  await import('./access-log.test.ts');
  await import('./tcp.test.ts');
  await import('./udp.test.ts');
} else
  test('layer 4 over io_uring', {
    skip: 'this system has no io_uring that we could use',
  }, () => {});
