import { DEFAULT_RESILIENCE } from '../resilience/settings.ts';
import type { ConfigPath } from './issue.ts';
import type { Check } from './references.ts';
import { formatDuration } from './values.ts';

/** Settings for trouble that contradict each other, or that nothing makes use of. */
export function checkResilience({ config, error, warn }: Check): void {
  for (const [name, upstream] of Object.entries(config.balancer.upstreams)) {
    const path: ConfigPath = ['balancer', 'upstreams', name];
    const { hedging, limits, outliers, retries, totalTimeoutMs } = upstream;
    const { attemptTimeoutMs, attempts, on, statuses } = retries;
    if (attemptTimeoutMs !== undefined && attemptTimeoutMs >= totalTimeoutMs) {
      const message = `leaves no time for another attempt: all of them have ${formatDuration(totalTimeoutMs)}`;
      error([...path, 'retries', 'attemptTimeout'], message, 'a longer totalTimeout, or less here');
    }
    if (hedging && attempts === 1) {
      const message = 'does nothing: it is a retry, and there are none';
      error([...path, 'hedging'], message, 'retries: { attempts: 2 }, or more');
    }
    if (attempts > 1 && on.includes('status') && statuses.length === 0) {
      const hint = 'leave "status" out of "on", or name statuses: [502, 503, 504]';
      warn([...path, 'retries', 'statuses'], 'no answer is retried without a status', hint);
    }
    if (retries.backOffBaseMs > retries.backOffMaxMs) {
      const hint = 'the first wait is drawn from 0 to backOff';
      error([...path, 'retries', 'backOff'], 'is above backOffMax', hint);
    }
    if (outliers.baseMs > outliers.maxMs) {
      error([...path, 'outliers', 'time'], 'is above timeMax', 'timeMax is for times in a row');
    }
    const isQueueing = limits.queueTimeoutMs !== DEFAULT_RESILIENCE.limits.queueTimeoutMs;
    const { adaptive, connections, requests, serverConnections, serverRequests } = limits;
    const most = [connections, requests, serverConnections, serverRequests];
    if (isQueueing && !adaptive && most.every((each) => each === undefined)) {
      const hint = 'limits: { serverRequests: 100 }';
      warn([...path, 'limits', 'queueTimeout'], 'nobody waits where nothing is limited', hint);
    }
  }
}
