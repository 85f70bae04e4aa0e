import dnsPacket from 'dns-packet';
import { parseAddress } from '../../src/ip/address.ts';
import { createClient, TRANSPORT_UDP } from '../../src/nameserver/client.ts';
import { respond } from '../../src/nameserver/respond.ts';
import type { WorkerState } from '../../src/nameserver/worker-state.ts';
import type { ScenarioQuestion } from './script.ts';

export type Answer = {
  readonly rcode: string;
  readonly addresses: readonly string[];
  readonly ttls: readonly number[];
  readonly scope: number | undefined;
};

const UDP_SIZE = 1232;

/** Sends a query through `respond` as a datagram from the resolver's address. */
export function ask(worker: WorkerState, question: ScenarioQuestion, nowMs: number): Answer {
  const { name, type, from, subnet } = question;
  const resolver = parseAddress(from);
  if (resolver === undefined) throw new Error(`not an address: ${from}`);
  const client = createClient(TRANSPORT_UDP);
  client.family = resolver.family;
  client.address.set(resolver.bytes);
  client.port = 5300;
  const query = encodeQuery(name, type, subnet);
  const reply = new Uint8Array(UDP_SIZE);
  const length = respond(worker, client, query, query.length, nowMs, reply);
  if (length <= 0) throw new Error(`no response (${length})`);
  return decodeReply(reply.subarray(0, length));
}

function encodeQuery(name: string, type: ScenarioQuestion['type'], subnet?: string): Uint8Array {
  const [ip, bits] = subnet?.split('/') ?? [];
  const options = [{ code: 8 as const, ip, sourcePrefixLength: Number(bits) }];
  return dnsPacket.encode({
    type: 'query',
    id: 4711,
    questions: [{ type, name }],
    additionals: [
      {
        type: 'OPT',
        name: '.',
        udpPayloadSize: UDP_SIZE,
        extendedRcode: 0,
        ednsVersion: 0,
        flags: 0,
        flag_do: false,
        options: subnet === undefined ? [] : options,
      },
    ],
  });
}

function decodeReply(bytes: Uint8Array): Answer {
  const packet = dnsPacket.decode(Buffer.from(bytes));
  const answers = packet.answers ?? [];
  const addresses = answers.flatMap((record) =>
    record.type === 'A' || record.type === 'AAAA' ? [record.data] : [],
  );
  const opt = packet.additionals?.find((record) => record.type === 'OPT');
  const ecs = opt?.options.find((option) => option.code === 8);
  // The type declarations leave out what the decoder adds.
  const { rcode } = packet as { rcode?: string };
  return {
    rcode: rcode === 'NOERROR' && answers.length === 0 ? 'NODATA' : String(rcode),
    addresses,
    ttls: answers.flatMap((record) => ('ttl' in record ? [record.ttl ?? 0] : [])),
    scope: ecs !== undefined && 'scopePrefixLength' in ecs ? ecs.scopePrefixLength : undefined,
  };
}
