import assert from 'node:assert/strict';
import { test } from 'node:test';
import { vantagesText } from '../../src/cli/status-vantages.ts';
import type {
  EndpointStatus,
  RegionStatus,
  VantageStatus,
} from '../../src/control/control-plane.ts';
import { openCli } from './cli-harness.ts';

const NOW_MS = 1_780_000_000_000;
const plain = (_style: unknown, text: string): string => text;

const said = (vantage: string, changes: Partial<VantageStatus> = {}): VantageStatus => ({
  vantage,
  verdict: 'up',
  slow: false,
  abstains: '',
  sinceMs: NOW_MS - 200_000,
  recent: [{ atMs: NOW_MS - 1000, ok: true, rttMs: 12.3, reason: 'HTTP 200' }],
  ...changes,
});

function region(endpoints: readonly Partial<EndpointStatus>[]): RegionStatus {
  return {
    name: 'eu',
    location: {},
    vips: [],
    capacity: 0,
    state: 'up',
    addressShare: 1,
    answersTotal: 0,
    agents: [],
    endpoints: endpoints.map((changes) => ({
      name: 'web/eu',
      pool: 'web',
      region: 'eu',
      addresses: [],
      weight: 1,
      state: 'up',
      judged: 'up',
      reason: '',
      ttlSeconds: 30,
      share: 1,
      answersTotal: 0,
      near: [],
      vantages: [],
      ...changes,
    })),
  };
}

test('vantagesText() is a matrix of endpoints and vantage points, with the last result of each', () => {
  const failed = { atMs: NOW_MS, ok: false, rttMs: 5, reason: 'connection refused' };
  const text = vantagesText(
    [
      region([
        { name: 'web/eu', vantages: [said('fra'), said('iad', { slow: true })] },
        {
          name: 'web/us',
          state: 'down',
          vantages: [
            said('fra', {
              verdict: 'down',
              sinceMs: NOW_MS - 4000,
              recent: [...said('fra').recent, failed, failed, failed],
            }),
          ],
        },
      ]),
    ],
    NOW_MS,
    plain,
  );
  const rows = text.split('\n').map((line) => line.replaceAll(/\s{2,}/g, '|'));
  assert.deepEqual(rows.slice(0, 3), [
    'ENDPOINT|STATE|fra|iad',
    'web/eu|+ up|+ up 3m20s, 12 ms|+ up, slow or degraded 3m20s, 12 ms',
    'web/us|x down|x down 4s, connection refused|-',
  ]);
  assert.ok(rows.includes('web/us from fra: + 12 ms, 3 times x connection refused'), text);
});

test('vantagesText() says why somebody abstains, and what clients near a region are steered by', () => {
  const abstains = 'it distrusts itself: 4 of 4 unrelated things fail';
  const text = vantagesText(
    [
      region([
        {
          vantages: [said('fra', { verdict: 'abstains', abstains, recent: [] })],
          near: [{ region: 'ap', state: 'down', reason: 'ap cannot reach it' }],
        },
      ]),
    ],
    NOW_MS,
    plain,
  );
  assert.match(text, /\? abstains 3m20s, no result/);
  assert.match(text, /^web\/eu from fra abstains: it distrusts itself: 4 of 4/m);
  assert.match(text, /^web\/eu for clients near ap: x down, ap cannot reach it$/m);
});

test('vantagesText() has words for a node that has heard nothing', () => {
  assert.equal(
    vantagesText([region([{}])], NOW_MS, plain),
    'No vantage point has said anything yet.\n',
  );
});

test('status --vantages asks for the regions and nothing else', async (t) => {
  const { plane, run } = await openCli(t);
  const { code, stdout } = await run('status', '--vantages');
  assert.equal(code, 0);
  assert.match(stdout, /^ENDPOINT +STATE/);
  const json = await run('status', '--vantages', '-o', 'json');
  assert.equal(JSON.parse(json.stdout).length, plane.regions().length);
});
