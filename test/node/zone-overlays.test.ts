import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  createWrittenConfig,
  createZoneOverlays,
  withZoneOverlays,
  writtenSerial,
} from '../../src/node/zone-overlays.ts';
import type { Compiler } from '../../src/workers/compiler.ts';
import { createConfig } from '../nameserver/fixture.ts';

const overlay = { zone: 'gslb.example', rrsets: [] };

test('what came after the first compilation is told to whoever listens later', async () => {
  const overlays = createZoneOverlays();
  const compiled: unknown[] = [];
  const compiler = {
    async compile({ overlays: these }: Parameters<Compiler['compile']>[0]) {
      compiled.push(these);
      return { ok: false, reasons: [] };
    },
  } as unknown as Compiler;
  const { compile } = withZoneOverlays(compiler, overlays);
  const request = { config: createConfig(), generation: 1, revision: 1 };
  overlays.set('a', 'gslb.example', overlay);
  await compile(request);
  let heard = 0;
  overlays.onChange(() => {
    heard += 1;
  })();
  assert.equal(heard, 0, 'all that there is was compiled');
  overlays.set('b', 'gslb.example', overlay);
  const stop = overlays.onChange(() => {
    heard += 1;
  });
  assert.equal(heard, 1, 'and this was not');
  await compile(request);
  await compile({ ...request, isPast: true });
  assert.deepEqual(compiled, [[overlay], [overlay, overlay], undefined]);
  overlays.set('b', 'gslb.example', undefined);
  assert.equal(heard, 2);
  stop();
  overlays.set('a', 'gslb.example', undefined);
  assert.equal(heard, 2);
});

test('records of a primary are as good as written; those that were added are not', () => {
  const overlays = createZoneOverlays();
  const writtenOf = createWrittenConfig(overlays);
  const config = createConfig();
  const [zone] = Object.keys(config.zones) as [string];
  const primary = { servers: [], whenExpired: 'servfail' } as const;
  const copied = { ...config, zones: { [zone]: { ...config.zones[zone]!, primary } } };
  assert.equal(writtenOf(copied), copied);
  const soa = { ...config.zones[zone]!.soa, serial: 2_026_112_101 };
  const rrset = { owner: `x.${zone}.`, type: 'TXT', ttl: 5, data: ['"copied"'] };
  overlays.set('copy', zone, { zone, soa, rrsets: [rrset] });
  overlays.set('updates', zone, { zone, serial: 5, rrsets: [rrset], yields: true });
  const written = writtenOf(copied);
  assert.deepEqual([written.zones[zone]!.soa, written.zones[zone]!.rrsets], [soa, [rrset]]);
  assert.equal(writtenOf(copied), written, 'made once');
  overlays.set('copy', zone, { zone, soa: { ...soa, serial: 3 }, rrsets: [] });
  assert.equal(writtenOf(copied).zones[zone]!.soa.serial, 3);
});

test('the serial that a zone was written with is that of its primary, if it has one, without what was added', () => {
  const overlays = createZoneOverlays();
  const config = createConfig();
  const [zone] = Object.keys(config.zones) as [string];
  const { soa } = config.zones[zone]!;
  const primary = { servers: [], whenExpired: 'servfail' } as const;
  const copied = { zones: { [zone]: { ...config.zones[zone]!, primary } } };
  overlays.set('updates', zone, { zone, serial: soa.serial + 5, rrsets: [], yields: true });
  assert.equal(writtenSerial(config, overlays, zone), soa.serial);
  assert.equal(writtenSerial(copied, overlays, zone), soa.serial, 'nothing was copied yet');
  overlays.set('copy', zone, { zone, soa: { ...soa, serial: 99 }, rrsets: [] });
  overlays.set('copy', 'z.example', { zone: 'z.example', soa: { ...soa, serial: 3 }, rrsets: [] });
  assert.equal(writtenSerial(copied, overlays, zone), 99);
  assert.equal(writtenSerial(config, overlays, zone), soa.serial, 'a zone of our own again');
  assert.equal(writtenSerial(config, overlays, 'z.example'), undefined);
});
