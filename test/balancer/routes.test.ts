import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { RouteSnapshot } from '../../src/balancer/snapshot.ts';
import type { RawOrigin, Rig } from './rig.ts';
import { startRawOrigin, startRig, talk } from './rig.ts';

/** Routes over real sockets: each answers with its own status, or sends on to the one server. */

const marked = (mark: string, route: Partial<RouteSnapshot>): RouteSnapshot => {
  const edits = { set: { 'X-Route': mark }, add: {}, remove: [] };
  const none = { set: {}, add: {}, remove: [] };
  const filters = [{ kind: 'headers', options: { request: none, response: edits } }];
  return { hosts: [], pathPrefix: '/', filters, upstream: 0, ...route };
};
const ROUTES: readonly RouteSnapshot[] = [
  marked('rest', {}),
  marked('exact', { path: '/exact' }),
  marked('pattern', { pathRegex: '/v\\d+/.*' }),
  marked('beta', { headers: { 'X-Beta': { present: true } } }),
  marked('cookie', { pathPrefix: '/c', cookies: { lane: { exact: 'canary' } } }),
  marked('query', { pathPrefix: '/q', query: { lang: { prefix: 'de' } } }),
  marked('post', { pathPrefix: '/m', methods: ['POST'] }),
  marked('here', { pathPrefix: '/s', sources: ['127.0.0.0/8'] }),
  marked('elsewhere', { pathPrefix: '/s/x', sources: ['192.0.2.0/24'] }),
  marked('split', {
    pathPrefix: '/split',
    upstream: -1,
    split: { by: 'client', arms: [{ name: 'web', upstream: 0, weight: 1 }] },
  }),
];
let origin: RawOrigin;
let rig: Rig;
before(async () => {
  origin = await startRawOrigin((socket) =>
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'),
  );
  rig = await startRig({ servers: [origin.port], routes: ROUTES });
});
after(async () => {
  await rig.close();
  origin.close();
});

for (const [asked, fields, mark] of [
  ['GET /', '', 'rest'],
  ['GET /exact', '', 'exact'],
  ['GET /exact?x=1', '', 'exact'],
  ['GET /exact/', '', 'rest'],
  ['GET /./exact', '', 'exact'],
  ['GET http://other.example', '', 'rest'],
  ['OPTIONS *', '', 'rest'],
  ['GET /v12/x', '', 'pattern'],
  ['GET /%76%31/x', '', 'pattern'],
  ['GET /v/x', '', 'rest'],
  ['GET /x', 'x-beta: \r\n', 'beta'],
  ['GET /c/x', 'Cookie: a=b; lane=canary\r\n', 'cookie'],
  ['GET /c/x', 'Cookie: a=b; lane=canary2\r\n', 'rest'],
  ['GET /q?x&l%61ng=de-AT', '', 'query'],
  ['GET /q?lang=en', '', 'rest'],
  ['POST /m', 'Content-Length: 0\r\n', 'post'],
  ['GET /m', '', 'rest'],
  ['GET /s/x', '', 'here'],
  ['GET /split', '', 'split'],
] as const) {
  test(`${asked} ${fields.trim()} takes the route "${mark}"`, async () => {
    const { text } = await talk(
      rig.port,
      `${asked} HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n${fields}\r\n`,
    );
    assert.match(text, /^HTTP\/1\.1 200 /);
    assert.equal(/^x-route: (.*)\r$/im.exec(text)?.[1], mark);
  });
}
