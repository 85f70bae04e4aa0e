import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';
import type { TestContext } from 'node:test';
import { decode, encode, type Packet, streamDecode, streamEncode } from 'dns-packet';
import { freePort, loopbackAddress } from '../node/free-addresses.ts';

/**
 * A parent and two nameservers of a delegated zone, with a second codec on real sockets. Each is a value
 * that a test may change while it runs, to break it in one way.
 */
export const ZONE = 'gslb.example';

export type Node = {
  readonly name: string;
  readonly address: string;
  serial: number;
  /** RCODE of every answer. */
  rcode: number;
  authoritative: boolean;
  tcp: boolean;
  edns: boolean;
  ecs: boolean;
  /** The zone's NS and the addresses of its nameservers, as this node has them. */
  names: readonly string[];
  addresses: Record<string, string>;
  /** Of its clock. */
  aheadSeconds: number;
  soaMinimum: number;
};
export type Parent = {
  readonly address: string;
  names: readonly string[];
  glue: Record<string, string>;
  ds: readonly object[];
  delegates: boolean;
};
export type DoctorWorld = {
  readonly port: number;
  readonly parent: Parent;
  readonly nodes: readonly [Node, Node];
  /** Address of a resolver that knows where the parent is. */
  readonly resolver: string;
};

type Query = Packet & { readonly id: number };
type Reply = { readonly rcode?: number; readonly aa?: boolean } & Partial<Packet>;

/** @param nowMs the doctor's clock, which nodes share */
export async function openDoctorWorld(t: TestContext, nowMs: number): Promise<DoctorWorld> {
  const [parentAddress, ...addresses] = distantAddresses(4);
  const port = await freePort(parentAddress!);
  const names = [`ns1.${ZONE}`, `ns2.${ZONE}`];
  const own = Object.fromEntries(names.map((name, index) => [name, addresses[index]!]));
  const parent: Parent = {
    address: parentAddress!,
    names,
    glue: { ...own },
    ds: [],
    delegates: true,
  };
  const node = (index: number): Node => ({
    name: names[index]!,
    address: addresses[index]!,
    serial: 7,
    rcode: 0,
    authoritative: true,
    tcp: true,
    edns: true,
    ecs: true,
    names,
    addresses: { ...own },
    aheadSeconds: 0,
    soaMinimum: 60,
  });
  const nodes: readonly [Node, Node] = [node(0), node(1)];
  await serve(
    t,
    parent.address,
    port,
    () => true,
    (query) => parentReply(parent, query),
  );
  for (const one of nodes) {
    await serve(
      t,
      one.address,
      port,
      () => one.tcp,
      (query) => nodeReply(one, query, nowMs),
    );
  }
  const resolver = addresses[2]!;
  await serve(
    t,
    resolver,
    port,
    () => true,
    (query) => resolverReply(parent, query),
  );
  return { port, parent, nodes, resolver };
}

/** Loopback addresses of which no two are in one /24. */
function distantAddresses(count: number): readonly string[] {
  const byNetwork = new Map<string, string>();
  while (byNetwork.size < count) {
    const address = loopbackAddress();
    byNetwork.set(address.slice(0, address.lastIndexOf('.')), address);
  }
  return [...byNetwork.values()];
}

async function serve(
  t: TestContext,
  address: string,
  port: number,
  hasTcp: () => boolean,
  answer: (query: Query) => Packet,
): Promise<void> {
  const udp = createSocket('udp4');
  udp.on('message', (message, from) => {
    udp.send(encode(answer(decode(message) as Query)), from.port, from.address);
  });
  const tcp = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (data) => {
      if (hasTcp()) socket.end(streamEncode(answer(streamDecode(data as Buffer) as Query)));
      else socket.resetAndDestroy();
    });
  });
  await new Promise<void>((resolve) => udp.bind(port, address, resolve));
  t.after(() => udp.close());
  await new Promise<void>((resolve) => tcp.listen(port, address, resolve));
  t.after(() => tcp.close());
}

const reply = (query: Query, { aa = true, rcode = 0, ...more }: Reply): Packet => ({
  type: 'response',
  id: query.id,
  flags: (aa ? 0x0400 : 0) | rcode,
  questions: query.questions ?? [],
  ...more,
});

const ns = (zone: string, names: readonly string[]) =>
  names.map((data) => ({ name: zone, type: 'NS' as const, ttl: 3600, data }));
const hostRecords = (addresses: Record<string, string>) =>
  Object.entries(addresses).map(([name, data]) => ({ name, type: 'A' as const, ttl: 3600, data }));

function parentReply({ delegates, ds, glue, names }: Parent, query: Query): Packet {
  const { type } = query.questions![0]!;
  if (!delegates) return reply(query, { rcode: 3 });
  if (type === 'DS') return reply(query, { answers: ds as never });
  return reply(query, { aa: false, authorities: ns(ZONE, names), additionals: hostRecords(glue) });
}

/** Knows `example`, whose only nameserver is the parent. */
function resolverReply({ address }: Parent, query: Query): Packet {
  const { name, type } = query.questions![0]!;
  if (name === 'example' && type === 'NS') {
    return reply(query, { aa: false, answers: ns('example', ['a.parent.test']) });
  }
  const isHost = name === 'a.parent.test' && type === 'A';
  const answers = isHost ? hostRecords({ 'a.parent.test': address }) : [];
  return reply(query, { aa: false, answers, rcode: name.startsWith('gslb') ? 3 : 0 });
}

type Edns = {
  readonly ednsVersion: number;
  readonly options: readonly { readonly code: number; readonly data: Buffer }[];
};

function nodeReply(node: Node, query: Query, nowMs: number): Packet {
  const { name, type } = query.questions![0]!;
  const edns = (query.additionals ?? []).find((one) => one.type === 'OPT') as unknown as Edns;
  const opt = edns === undefined || !node.edns ? [] : [optOf(node, edns, nowMs)];
  if (edns?.ednsVersion === 1 && node.edns) return reply(query, { aa: false, additionals: opt });
  const { authoritative: aa, rcode } = node;
  if (rcode !== 0 || !aa) return reply(query, { aa, rcode, additionals: opt });
  const soa = { name: ZONE, type: 'SOA' as const, ttl: 300, data: soaOf(node) };
  const answers = answersOf(node, name, type as string, soa, edns);
  if (answers.length > 0) return reply(query, { answers: answers as never, additionals: opt });
  const isThere = name === ZONE || name in node.addresses;
  return reply(query, { rcode: isThere ? 0 : 3, authorities: [soa], additionals: opt });
}

function answersOf(
  node: Node,
  name: string,
  type: string,
  soa: object,
  edns: Edns | undefined,
): readonly object[] {
  if (name === ZONE && type === 'SOA') return [soa];
  if (name === ZONE && type === 'NS') return ns(ZONE, node.names);
  if (type !== 'A') return [];
  if (name === `www.${ZONE}`) {
    const subnet = edns?.options.find(({ code }) => code === 8);
    // By the first octet of the client's network: two regions.
    const isFar = (subnet?.data[4] ?? 0) > 195;
    return [{ name, type: 'A', ttl: 30, data: isFar ? '198.51.100.1' : '192.0.2.1' }];
  }
  const address = node.addresses[name];
  return address === undefined ? [] : hostRecords({ [name]: address });
}

const soaOf = ({ serial, soaMinimum }: Node) => ({
  mname: `ns1.${ZONE}`,
  rname: `hostmaster.${ZONE}`,
  serial,
  refresh: 3600,
  retry: 600,
  expire: 1_209_600,
  minimum: soaMinimum,
});

function optOf(node: Node, { ednsVersion, options }: Edns, nowMs: number) {
  const replied = options.flatMap(({ code, data }) => {
    if (code === 3) return [{ code, data: Buffer.from(node.name) }];
    if (code === 8 && node.ecs) {
      const subnet = Buffer.from(data);
      subnet[3] = subnet[2]!; // SCOPE PREFIX-LENGTH (RFC 7871 6).
      return [{ code, data: subnet }];
    }
    if (code !== 10) return [];
    const cookie = Buffer.alloc(24, 1);
    data.copy(cookie);
    cookie.writeUInt32BE(0x01000000, 8);
    cookie.writeUInt32BE(Math.floor(nowMs / 1000) + node.aheadSeconds, 12);
    return [{ code, data: cookie }];
  });
  return {
    type: 'OPT',
    name: '.',
    udpPayloadSize: 1232,
    extendedRcode: ednsVersion === 1 ? 1 : 0,
    ednsVersion: 0,
    flags: 0,
    flag_do: false,
    options: replied,
  } as never;
}
