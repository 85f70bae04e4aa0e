import { createSocket } from 'node:dgram';
import dnsPacket from 'dns-packet';
import type { Reply } from './judge.ts';

/**
 * A program: the clients of one region. Asks one name at several servers from several addresses, again
 * and again, and writes a line of JSON for every reply, or for its absence. clients.ts starts it.
 *
 *     node ask-many.ts NAME QUESTIONS
 */
export type Question = {
  readonly client: string;
  readonly source: string;
  readonly server: string;
  readonly address: string;
  readonly everyMs: number;
  readonly isRecursive: boolean;
};

/** A question without a reply after this is lost: that of a stub resolver. */
const PATIENCE_MS = 5000;
const DNS_PORT = 53;
const IDS = 65_536;
const RECURSION_DESIRED = dnsPacket.RECURSION_DESIRED;

const name = process.argv[2] ?? '';
const questions: readonly Question[] = JSON.parse(process.argv[3] ?? '[]');
for (const question of questions) askSteadily(question);

function askSteadily({ address, client, everyMs, isRecursive, server, source }: Question): void {
  const waiting = new Map<number, { readonly atMs: number; readonly timer: NodeJS.Timeout }>();
  const tell = (reply: Omit<Reply, 'client' | 'server'>): void => {
    process.stdout.write(`${JSON.stringify({ client, server, ...reply })}\n`);
  };
  const socket = createSocket('udp4');
  socket.on('message', (bytes) => {
    const message = dnsPacket.decode(bytes) as dnsPacket.DecodedPacket & { readonly rcode: string };
    const asked = waiting.get(message.id ?? -1);
    if (asked === undefined) return;
    waiting.delete(message.id ?? -1);
    clearTimeout(asked.timer);
    const answers = (message.answers ?? []).filter(isAddress);
    tell({
      atMs: asked.atMs,
      tookMs: Date.now() - asked.atMs,
      rcode: message.rcode,
      address: answers.map(({ data }) => data).join(' '),
      ttlSeconds: answers[0]?.ttl ?? 0,
    });
  });
  // A blackhole route refuses at once: it is a lost question.
  socket.on('error', () => {});
  let id = 0;
  const ask = (): void => {
    id = (id + 1) % IDS;
    const asked = id;
    const atMs = Date.now();
    const timer = setTimeout(() => {
      waiting.delete(asked);
      tell({ atMs, tookMs: PATIENCE_MS, rcode: 'lost', address: '', ttlSeconds: 0 });
    }, PATIENCE_MS);
    waiting.set(asked, { atMs, timer });
    const flags = isRecursive ? RECURSION_DESIRED : 0;
    const bytes = dnsPacket.encode({
      ...{ type: 'query', id: asked, flags },
      questions: [{ name, type: 'A' }],
    });
    socket.send(bytes, DNS_PORT, address, () => {});
  };
  socket.bind(0, source, () => {
    // Not all in the same millisecond.
    setTimeout(() => setInterval(ask, everyMs), Math.random() * everyMs);
  });
}

function isAddress(answer: dnsPacket.Answer): answer is dnsPacket.StringAnswer {
  return answer.type === 'A';
}
