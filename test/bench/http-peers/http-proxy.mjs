// http-proxy with a keep-alive agent: node http-proxy.mjs PORT BACKEND_PORT
import { Agent, createServer } from 'node:http';
import httpProxy from 'http-proxy';

const [port, backend] = process.argv.slice(2).map(Number);
const proxy = httpProxy.createProxyServer({
  target: `http://127.0.0.1:${backend}`,
  agent: new Agent({ keepAlive: true, maxFreeSockets: 512 }),
  xfwd: true,
});
proxy.on('error', (_error, _request, response) => response.writeHead(502).end());
const server = createServer((request, response) => proxy.web(request, response));
server.keepAliveTimeout = 3_600_000;
server.listen(port, '127.0.0.1', 4096);
