/** Sends every datagram back over node:dgram and looks at nothing: nothing that uses it can be cheaper. */
import { createSocket } from 'node:dgram';

const udp = createSocket({
  type: 'udp4',
  // As the portable engine: the default look-up costs a turn of the event loop.
  lookup: (name, _options, done) => done(null, name, 4),
});
udp.on('message', (packet, { address, port }) => udp.send(packet, 0, packet.length, port, address));
udp.bind(Number(process.argv[2]), '127.0.0.1');
