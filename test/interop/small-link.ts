import { createSocket } from 'node:dgram';
import { decodeMessage } from '../../src/dns/decode.ts';
import { parseName } from '../../src/dns/name.ts';
import { buildQuery, opt, word } from '../dns/query-builder.ts';
import { ask } from './ask.ts';
import { startWorldNode, zone } from './world-node.ts';

/** Run in a network namespace of its own, by udp-size.test.ts: what clients get of a node over the loopback there. */
const PORT = 5300;
const TYPE_TXT = 16;
const BURST = 24;
const large = { TXT: Array.from({ length: 12 }, (_, index) => `${index} ${'x'.repeat(200)}`) };
const node = await startWorldNode(
  [`127.0.0.1:${PORT}`, `[::1]:${PORT}`],
  { 'gslb.example': { ...zone, records: { ...zone.records, large } } },
  { udpSizeMax: 4096 },
);

async function byDig(address: string): Promise<readonly unknown[]> {
  const told = [];
  for (const [name, ...how] of [['middle'], ['large', '+ignore'], ['large']] as const) {
    const words = ['+bufsize=4096', ...how, `${name}.gslb.example`, 'TXT'];
    const { answer, flags, hasEdns, transport } = await ask(
      'dig',
      { address, port: PORT },
      ...words,
    );
    told.push({ name, records: answer.length, isCut: flags.includes('tc'), hasEdns, transport });
  }
  return told;
}

/** Large and small answers in one batch; what each kind of reply had, and how many were like that. */
async function inBursts(address: string): Promise<Readonly<Record<string, number>>> {
  const socket = createSocket(address === '::1' ? 'udp6' : 'udp4');
  const tally: Record<string, number> = {};
  const { promise: all, resolve } = Promise.withResolvers<void>();
  let came = 0;
  socket.on('message', (bytes) => {
    const decoded = decodeMessage(bytes);
    const { answer, edns, id, question, truncated } = decoded.ok ? decoded.message : failed(bytes);
    const isOurs = question[0]?.name === `${nameOf(id)}.gslb.example.` && edns !== undefined;
    const kind = `${nameOf(id)}: ${answer.length}${truncated ? ' cut' : ''}${isOurs ? '' : ' wrong'}`;
    tally[kind] = (tally[kind] ?? 0) + 1;
    came += 1;
    if (came === BURST) resolve();
  });
  for (let id = 0; id < BURST; id += 1) {
    const wire = parseName(`${nameOf(id)}.gslb.example.`)!;
    const question = [...wire, ...word(TYPE_TXT), ...word(1)];
    socket.send(buildQuery({ id, question, records: [opt([], 4096)] }), PORT, address);
  }
  await all;
  socket.close();
  return tally;
}

const nameOf = (id: number): string => (id % 3 === 1 ? 'large' : 'middle');
function failed(bytes: Uint8Array): never {
  throw new Error(`not a message: ${Buffer.from(bytes).toString('hex')}`);
}

const told = [];
for (const address of ['127.0.0.1', '::1']) {
  told.push({ dig: await byDig(address), bursts: await inBursts(address) });
}
await node.stop();
process.stdout.write(JSON.stringify(told));
process.exit(0);
