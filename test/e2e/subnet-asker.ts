/** Asks for clients in networks of their own, by client subnet: 80.0.0.0/24, 80.0.1.0/24 … */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import type { TestContext } from 'node:test';
import { decodeMessage } from '../../src/dns/decode.ts';
import { buildQuery, ecs, opt } from '../dns/query-builder.ts';
import { wireName } from '../nameserver/fixture.ts';

export type SubnetAsker = {
  /** The first address that the client is answered; undefined = none. */
  ask(client: number): Promise<string | undefined>;
  /** Of so many clients, one after the other. */
  addresses(clients: number): Promise<readonly (string | undefined)[]>;
};

export function openAsker(
  t: TestContext,
  server: { readonly address: string; readonly port: number; readonly name: string },
): SubnetAsker {
  const socket = createSocket('udp4');
  t.after(() => socket.close());
  const waiting = new Map<number, (address: string | undefined) => void>();
  socket.on('message', (message) => {
    const decoded = decodeMessage(message);
    assert.ok(decoded.ok);
    const { answer, id } = decoded.message;
    waiting.get(id)?.(answer[0]?.text);
    waiting.delete(id);
  });
  let nextId = 1;
  const ask = (client: number): Promise<string | undefined> => {
    const id = nextId;
    nextId = (nextId % 0xffff) + 1;
    const subnet = ecs(1, 24, 0, [80, client >> 8, client & 0xff]);
    const question = [...wireName(server.name), 0, 1, 0, 1];
    const { promise, resolve } = Promise.withResolvers<string | undefined>();
    waiting.set(id, resolve);
    const query = buildQuery({ id, question, records: [opt(subnet)] });
    socket.send(query, server.port, server.address);
    return promise;
  };
  return {
    ask,
    async addresses(clients) {
      const sent: (string | undefined)[] = [];
      for (let client = 0; client < clients; client += 1) sent.push(await ask(client));
      return sent;
    },
  };
}
