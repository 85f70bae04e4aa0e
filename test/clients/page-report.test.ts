import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { REPORT_LENGTH_MAX, readPageReport } from '../../src/clients/page-report.ts';
import { RTT_MS_MAX } from '../../src/clients/rtt-collector.ts';
import { fuzzParameters } from '../ip/range-oracle.ts';

const regions = new Set(['frankfurt', 'us-east.1', 'toString']);

test('a report has regions and milliseconds', () => {
  assert.deepEqual(readPageReport('frankfurt=12.3&us-east.1=180', regions), [
    { region: 'frankfurt', rttMs: 12.3 },
    { region: 'us-east.1', rttMs: 180 },
  ]);
});

test('what is not wholly a report is none', () => {
  for (const text of [
    ...['', '&', '=', 'frankfurt', 'frankfurt=', 'frankfurt=12.3&', 'frankfurt=1=2'],
    ...['singapore=12', 'frankfurt=1&singapore=12', 'frankfurt=1&frankfurt=2', '__proto__=1'],
    ...['frankfurt=-1', 'frankfurt=1e1', 'frankfurt=0x10', 'frankfurt=NaN', 'frankfurt=Infinity'],
    ...['frankfurt=0', 'frankfurt=0.05', 'frankfurt=4001', 'frankfurt=99999', 'frankfurt=1.0001'],
    ...['frankfurt= 1', 'frankfurt=%31', 'frankfurt=1#x', 'Frankfurt=1', 'frankfurt=\u0661'],
    `frankfurt=1&${'x'.repeat(REPORT_LENGTH_MAX)}`,
  ]) {
    assert.equal(readPageReport(text, regions), undefined, text.slice(0, 60));
  }
});

test('readPageReport() never throws, and tells only regions that there are and times within bounds', () => {
  const piece = fc.constantFrom(
    ...['frankfurt', 'us-east.1', 'toString', 'constructor', '=', '=', '&', '&', '1', '12.5', '0'],
    ...['.', '-', 'e', '%', '+', ' ', '4000', '4001', '\u0000', '\u00e9'],
  );
  const text = fc.array(piece, { maxLength: 30 }).map((pieces) => pieces.join(''));
  fc.assert(
    fc.property(fc.oneof(text, fc.string()), (sent) => {
      const readings = readPageReport(sent, regions);
      if (readings === undefined) return;
      assert.ok(readings.length > 0 && readings.length <= regions.size);
      for (const { region, rttMs } of readings) {
        assert.ok(regions.has(region) && rttMs >= 0.1 && rttMs <= RTT_MS_MAX);
      }
    }),
    fuzzParameters(3000),
  );
});
