import {
  type ExplainContext,
  type ExplainQuestion,
  explain,
} from '../../src/nameserver/explain.ts';
import { explainReply } from '../../src/nameserver/explain-reply.ts';
import {
  type Ask,
  allUp,
  clientAt,
  compiled,
  geo,
  healthOf,
  NOW_MS,
  queryBytes,
} from './fixture.ts';

/** Explanations over the fixture's snapshot, and the way over DNS to them. */
export const snapshot = compiled();

export function contextOf(changes: Partial<ExplainContext> = {}): ExplainContext {
  return { snapshot, health: healthOf(allUp(snapshot)), geo, ...changes };
}

/** The reply to TXT of a name, as the main thread makes it. */
export function explained(
  name: string,
  how: Ask = {},
  context: ExplainContext = contextOf(),
): Uint8Array | undefined {
  const client = clientAt(how.resolver ?? '127.0.0.1', how.tcp);
  const ask = (question: ExplainQuestion) => explain(context, question, NOW_MS);
  return explainReply(queryBytes(name, 'TXT', how), client, snapshot.udpSizeMax, ask);
}
