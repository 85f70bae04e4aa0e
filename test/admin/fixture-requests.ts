import { validateConfig } from '../../src/config/validate.ts';
import { explainRequestNow } from '../../src/control/explain-now.ts';
import { centroids } from '../config/centroids.ts';

/** A balancer's configuration, and what a node with it says of requests. */
export const BALANCER_TEXT = `regions:
  frankfurt: { location: DE, vips: 127.0.1.1 }
node: { roles: [balancer] }
balancer:
  upstreams:
    web: { servers: ['127.0.2.1:9001', '127.0.2.1:9002'] }
  listeners:
    - region: frankfurt
      address: 127.0.1.1
      port: 8080
      routes:
        - { path: /closed, filters: [{ kind: respond, status: 503 }] }
        - { headers: { X-Beta: { present: true } }, upstream: web }
        - { upstream: web }
`;

export function explainFixtureRequest(
  question: Parameters<typeof explainRequestNow>[1],
  serverOutliers: Parameters<typeof explainRequestNow>[0]['serverOutliers'] = [],
) {
  const result = validateConfig(BALANCER_TEXT, 'fixture.yaml', {}, centroids);
  if (!result.ok) throw new Error(JSON.stringify(result.issues));
  const server = (_: string, name: string) =>
    name.endsWith('1')
      ? ({ state: 'up', reason: 'status 200' } as const)
      : ({ state: 'down', reason: 'connection refused' } as const);
  const served = { serving: { config: result.config }, sessionMemory: () => undefined };
  return explainRequestNow({ ...served, server, serverOutliers }, question, 0);
}
