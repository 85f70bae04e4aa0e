// @fastify/http-proxy: node fastify-http-proxy.mjs PORT BACKEND_PORT
import httpProxy from '@fastify/http-proxy';
import Fastify from 'fastify';

const [port, backend] = process.argv.slice(2).map(Number);
const fastify = Fastify({ keepAliveTimeout: 3_600_000 });
await fastify.register(httpProxy, {
  upstream: `http://127.0.0.1:${backend}`,
  undici: { connections: 512, pipelining: 1 },
  // It would tell a client that asks for the end of the connection what its upstream said: keep-alive.
  replyOptions: { rewriteHeaders: ({ connection: _, 'keep-alive': _time, ...kept }) => kept },
});
await fastify.listen({ port, host: '127.0.0.1', backlog: 4096 });
