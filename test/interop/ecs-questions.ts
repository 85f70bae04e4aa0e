import { createSocket } from 'node:dgram';
import type { TestContext } from 'node:test';
import { decodeMessage } from '../../src/dns/decode.ts';
import type { Address } from '../../src/ip/address.ts';
import { formatPrefix, networkOf, type Prefix, parsePrefix } from '../../src/ip/prefix.ts';
import { buildQuery, ecs, opt, word } from '../dns/query-builder.ts';
import { wireName } from '../nameserver/fixture.ts';
import type { Place } from './ask.ts';
import { type Bits, FULL } from './ecs-resolvers.ts';

/** Questions of clients to caching resolvers, and one to the nameserver itself, by datagram. */
export type Question = {
  readonly name: string;
  readonly type: keyof typeof TYPES;
  /** What the client tells its resolver: all of its address, or nothing in either way. */
  readonly told: Prefix | undefined;
  /** What decides, of which the resolver may send more or less; undefined = its own place. */
  readonly sent: Prefix | undefined;
};
const TYPES = { A: 1, AAAA: 28 } as const;

/** Clients that tell all of their addresses to a resolver that sends so much of them. */
export function tellingAll(clients: readonly Address[], bits: Bits) {
  return clients.map((client) => ({
    told: networkOf(client, FULL[client.family]),
    sent: networkOf(client, bits[client.family]),
  }));
}

/** Clients that want to stay unknown, by no option and by SOURCE 0 (RFC 7871 7.1.2), again and again. */
export function quietClients(times: number) {
  const both = [undefined, parsePrefix('0.0.0.0/0')!];
  return Array.from({ length: times }, () => both)
    .flat()
    .map((told) => ({ told, sent: undefined }));
}

export const textOf = ({ name, type, told, sent }: Question): string => {
  const [client, network] = [told, sent].map((prefix) => (prefix ? formatPrefix(prefix) : '-'));
  return `${name} ${type} for ${client} (${network})`;
};

export type Answer = { readonly data: readonly string[]; readonly scope: number };
export type Socket = {
  /** Rejects with what was asked when no answer comes. */
  ask(server: Place, question: Question, subnet: Prefix | undefined): Promise<Answer>;
};

const TIMEOUT_MS = 10_000;

/** One question at a time, in the order of the draw. */
export async function openSocket(t: TestContext, address: string): Promise<Socket> {
  const socket = createSocket('udp4');
  await new Promise<void>((resolve) => socket.bind(0, address, resolve));
  t.after(() => socket.close());
  let id = 0;
  let hear: (bytes: Uint8Array) => void = () => {};
  socket.on('message', (bytes) => hear(bytes));
  return {
    async ask(server, question, subnet) {
      id = (id + 1) % 65_536;
      const { promise, resolve, reject } = Promise.withResolvers<Answer>();
      const timer = setTimeout(
        () => reject(new Error(`no answer: ${textOf(question)}`)),
        TIMEOUT_MS,
      );
      hear = (bytes) => {
        const decoded = decodeMessage(bytes);
        if (!decoded.ok || decoded.message.id !== id) return;
        const { answer, edns, rcode } = decoded.message;
        const data = rcode === 0 ? answer.map(({ text }) => text) : [`RCODE ${rcode}`];
        resolve({ data, scope: edns?.ecs?.scope ?? -1 });
      };
      socket.send(queryOf(id, question, subnet), server.port, server.address);
      return promise.finally(() => clearTimeout(timer));
    },
  };
}

/** RD, as clients of resolvers ask. */
function queryOf(id: number, { name, type }: Question, subnet: Prefix | undefined): Uint8Array {
  const question = [...wireName(name), ...word(TYPES[type]), 0, 1];
  const options = subnet === undefined ? [] : subnetOption(subnet);
  return buildQuery({ id, flags: 0x0100, question, records: [opt(options)] });
}

function subnetOption({ address, length }: Prefix): number[] {
  const octets = [...address.bytes.subarray(0, Math.ceil(length / 8))];
  return ecs(address.family === 4 ? 1 : 2, length, 0, octets);
}
