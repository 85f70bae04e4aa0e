// fast-proxy over its undici pool: node fast-proxy.mjs PORT BACKEND_PORT
import { createServer } from 'node:http';
import createFastProxy from 'fast-proxy';

const [port, backend] = process.argv.slice(2).map(Number);
const { proxy } = createFastProxy({
  base: `http://127.0.0.1:${backend}`,
  undici: { connections: 512, pipelining: 1 },
});
const server = createServer((request, response) => proxy(request, response, request.url, {}));
server.keepAliveTimeout = 3_600_000;
server.listen(port, '127.0.0.1', 4096);
