/**
 * What the probes of `npm run bench -- probes` ask: one server behind all addresses of 127/8, over plain TCP
 * and HTTP. It tells its port when it listens, and how often it was asked whenever it gets SIGUSR2.
 */
import { createServer } from 'node:http';

let connections = 0;
let requests = 0;
const server = createServer((_request, response) => {
  requests += 1;
  response.end('ok');
});
server.on('connection', () => {
  connections += 1;
});
server.listen(0, '0.0.0.0', 4096, () => {
  const bound = server.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : 0;
  process.stdout.write(`port ${port}\n`);
});
process.on('SIGUSR2', () => process.stdout.write(`asked ${connections} ${requests}\n`));
