import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { loadConfig } from '../../src/node/config-file.ts';
import { eventLines, type Welcomed, welcome } from '../../src/node/quickstart.ts';
import { createConfig } from '../nameserver/fixture.ts';

const SHIPPED = fileURLToPath(new URL('../../config/quickstart.yaml', import.meta.url));
const README = new URL('../../README.md', import.meta.url);

test('welcome() of the shipped configuration shows the commands that the README shows', () => {
  const text = welcome(shipped(), [
    { region: 'virginia', listen: ['127.0.1.1:9001', '127.0.1.1:9002'], pid: 4711 },
  ]);
  const commands = text.split('\n').flatMap((line) => /^ {4}(\S.*)$/.exec(line)?.[1] ?? []);
  assert.equal(commands.length, 8);
  assert.ok(commands.includes('kill 4711'));
  assert.ok(commands.includes('npx meridian origin virginia 127.0.1.1:9001 127.0.1.1:9002'));
  const readme = readFileSync(README, 'utf8');
  for (const start of [
    'dig @',
    'npx meridian explain',
    'npx meridian drain',
    'npx meridian drill',
  ]) {
    const command = commands.find((each) => each.startsWith(start)) ?? '';
    assert.ok(command !== '' && readme.includes(command), `${command} is in the README`);
  }
  assert.match(text, /page +http:\/\/127\.0\.0\.1:8053\//);
});

test('welcome() lists only what there is', () => {
  const bare: Welcomed = {
    config: createConfig({ zones: {}, regions: {}, pools: {} }),
    dns: [],
    adminUrl: undefined,
  };
  const text = welcome(bare, []);
  assert.doesNotMatch(text, /undefined|DNS|VIPs|page|dig|drain|drill|curl/);
  const { regions } = createConfig();
  const one = welcome({ ...bare, config: createConfig({ regions: { us: regions['us']! } }) }, []);
  assert.doesNotMatch(one, /drain|drill/);
});

test('welcome() writes IPv6 in brackets and names an API that is elsewhere', () => {
  const node = shipped();
  const text = welcome(
    {
      ...node,
      dns: [{ address: '::1', port: 5300 }],
      adminUrl: 'http://[::1]:9000',
      config: {
        ...node.config,
        balancer: {
          ...node.config.balancer,
          listeners: node.config.balancer.listeners.map((each) => ({ ...each, address: '::2' })),
        },
      },
    },
    [],
  );
  assert.match(text, /DNS +\[::1\]:5300 /);
  assert.match(text, /curl http:\/\/\[::2\]:8080\//);
  assert.match(text, /npx meridian --admin http:\/\/\[::1\]:9000 drain /);
});

test('eventLines() turns events into short lines and leaves other lines alone', () => {
  const written: string[] = [];
  const { write } = eventLines((text) => written.push(text));
  const time = '2026-11-21T01:02:03.456Z';
  write(
    JSON.stringify({ level: 'warn', time, event: 'endpoint.down', subject: 'web/eu', msg: 'x' }),
  );
  write(JSON.stringify({ level: 'info', time, event: 'node.stop', msg: 'Stopping.' }));
  write(JSON.stringify({ level: 'info', time, msg: 'of a library' }));
  write('not JSON\n');
  assert.deepEqual(written, [
    '01:02:03 ! endpoint.down    web/eu: x\n',
    '01:02:03   node.stop        Stopping.\n',
    'not JSON\n',
  ]);
});

function shipped(): Welcomed {
  const loaded = loadConfig({ file: SHIPPED, environment: {} });
  assert.ok(loaded.ok);
  const { config } = loaded;
  return { config, dns: config.dns.listeners, adminUrl: 'http://127.0.0.1:8053' };
}
