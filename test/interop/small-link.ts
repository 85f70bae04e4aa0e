import { ask } from './ask.ts';
import { startWorldNode, zone } from './world-node.ts';

/** Run in a network namespace of its own, by udp-size.test.ts: what dig gets of a node over the loopback there. */
const PORT = 5300;
const large = { TXT: Array.from({ length: 12 }, (_, index) => `${index} ${'x'.repeat(200)}`) };
const node = await startWorldNode(
  [`127.0.0.1:${PORT}`, `[::1]:${PORT}`],
  { 'gslb.example': { ...zone, records: { ...zone.records, large } } },
  { udpSizeMax: 4096 },
);
const told = [];
for (const address of ['127.0.0.1', '::1']) {
  for (const [name, ...how] of [['middle'], ['large', '+ignore'], ['large']] as const) {
    const words = ['+bufsize=4096', ...how, `${name}.gslb.example`, 'TXT'];
    const { answer, flags, hasEdns, transport } = await ask(
      'dig',
      { address, port: PORT },
      ...words,
    );
    told.push({ name, records: answer.length, isCut: flags.includes('tc'), hasEdns, transport });
  }
}
await node.stop();
process.stdout.write(JSON.stringify(told));
process.exit(0);
