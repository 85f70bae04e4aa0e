import { test } from 'node:test';
import { useRing } from './engine.ts';

/** What holds for the balancer over node:net holds over io_uring. */
if (await useRing()) {
  await import('./access-log.test.ts');
  await import('./algorithms.test.ts');
  await import('./body-routes.test.ts');
  await import('./draining.test.ts');
  await import('./hedging.test.ts');
  await import('./limits.test.ts');
  await import('./forwarding.test.ts');
  await import('./mirror.test.ts');
  await import('./one-hop.test.ts');
  await import('./outliers.test.ts');
  await import('./cookie-affinity.test.ts');
  await import('./hostile-clients.test.ts');
  await import('./proxy.test.ts');
  await import('./resilience.test.ts');
  await import('./retries.test.ts');
  await import('./routes.test.ts');
  await import('./rules.test.ts');
  await import('./smuggling.test.ts');
  await import('./streaming.test.ts');
  await import('./table-affinity.test.ts');
  await import('./traps.test.ts');
  await import('./trace.test.ts');
} else
  test('the balancer over io_uring', {
    skip: 'this system has no io_uring that we could use',
  }, () => {});
