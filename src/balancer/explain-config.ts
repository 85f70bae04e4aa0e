import type { Config } from '../config/config.ts';
import { redactEntry } from '../config/redact.ts';
import { compileBalancer } from './compile.ts';
import {
  explainRequest,
  type RequestExplanation,
  type RequestProblem,
  type RequestQuestion,
} from './explain-request.ts';
import type { SessionFacts } from './explain-session.ts';
import type { ServerView } from './explain-upstream.ts';

/** What would become of a request under this configuration, on a listener of any region. */
export function explainRequestIn(
  config: Pick<Config, 'balancer' | 'latency' | 'node'>,
  question: RequestQuestion,
  server: ServerView,
  sessions: SessionFacts,
): RequestExplanation | RequestProblem {
  const { balancer, latency, node } = config;
  const { pages } = latency;
  const beacon = pages && { path: pages.path, regions: Object.keys(pages.regions), script: '' };
  const options = { generation: 0, nodeName: node.name, beacon };
  const snapshot = compileBalancer(balancer, options);
  const shown = (name: string, value: string): string => String(redactEntry(name, value));
  return explainRequest(snapshot, question, { server, sessions, shown });
}
