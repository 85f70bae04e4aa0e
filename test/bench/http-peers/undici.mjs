// undici behind node:http, with the least that forwards: node undici.mjs PORT BACKEND_PORT
import { createServer } from 'node:http';
import { Pool } from 'undici';

const [port, backend] = process.argv.slice(2).map(Number);
const pool = new Pool(`http://127.0.0.1:${backend}`, { connections: 512, pipelining: 1 });
const server = createServer((request, response) => {
  const { headers, method, url: path } = request;
  const { connection: _, 'keep-alive': _time, ...forwarded } = headers;
  forwarded['x-forwarded-for'] = request.socket.remoteAddress;
  const body = method === 'GET' || method === 'HEAD' ? null : request;
  pool.stream(
    { path, method, headers: forwarded, body },
    ({ headers: { connection: _own, 'keep-alive': _idle, ...kept }, statusCode }) =>
      response.writeHead(statusCode, kept),
    (error) => {
      if (error === null) return;
      if (response.headersSent) response.destroy();
      else response.writeHead(502).end();
    },
  );
});
server.keepAliveTimeout = 3_600_000;
server.listen(port, '127.0.0.1', 4096);
