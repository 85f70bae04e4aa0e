import assert from 'node:assert/strict';
import { test } from 'node:test';
import { abortReason, checkDrill, type DrillSituation } from '../../src/drill/guard.ts';
import type { NamePrediction } from '../../src/drill/predict.ts';

const request = { region: 'virginia', durationSeconds: 60, by: 'ana', reason: '' };
const situation: DrillSituation = {
  regions: [
    { name: 'virginia', capacity: 0 },
    { name: 'frankfurt', capacity: 0 },
  ],
  pools: [
    {
      name: 'web',
      endpoints: [
        { region: 'virginia', usable: true },
        { region: 'frankfurt', usable: true },
      ],
    },
  ],
  running: undefined,
};
const prediction: readonly NamePrediction[] = [
  {
    name: 'www',
    before: [
      { region: 'virginia', share: 0.4 },
      { region: 'frankfurt', share: 0.6 },
    ],
    during: [
      { region: 'virginia', share: 0 },
      { region: 'frankfurt', share: 1 },
    ],
  },
];
const codes = (change: Partial<DrillSituation>, asked: Partial<typeof request> = {}) =>
  checkDrill({ ...request, ...asked }, { ...situation, ...change }, prediction).refusals.map(
    ({ code }) => code,
  );
const stranded: Partial<DrillSituation> = {
  pools: [
    {
      name: 'web',
      endpoints: [
        { region: 'virginia', usable: true },
        { region: 'frankfurt', usable: false },
      ],
    },
  ],
};

test('checkDrill() lets a harmless drill start', () => {
  assert.deepEqual(checkDrill(request, situation, prediction), { refusals: [], warnings: [] });
});

test('checkDrill() refuses what makes no sense, all reasons at once', () => {
  assert.deepEqual(codes({}, { region: 'mars', durationSeconds: 0 }), [
    'unknown-region',
    'duration-out-of-range',
  ]);
  assert.deepEqual(codes({}, { durationSeconds: Number.NaN }), ['duration-out-of-range']);
  assert.deepEqual(codes({ pools: [] }), ['region-not-in-use']);
  assert.deepEqual(codes({ running: { id: 'd1', region: 'frankfurt' } }), ['drill-running']);
});

test('checkDrill() refuses to leave a pool without a usable endpoint, unless forced', () => {
  assert.deepEqual(codes(stranded), ['no-usable-endpoint']);
  const forced = checkDrill({ ...request, force: true }, { ...situation, ...stranded }, prediction);
  assert.deepEqual(forced.refusals, []);
  assert.deepEqual(forced.warnings, ['Pool web has no usable endpoint outside virginia.']);
});

test('checkDrill() holds the prediction against capacity when the demand is measured', () => {
  const regions = [
    { name: 'virginia', capacity: 1000 },
    { name: 'frankfurt', capacity: 1000 },
  ];
  assert.deepEqual(codes({ regions, demandPerSecond: 900 }), []);
  assert.deepEqual(codes({ regions, demandPerSecond: 1100 }), ['capacity-exceeded']);
});

test('checkDrill() warns of uneven load when only capacities are stated', () => {
  const regions = [
    { name: 'virginia', capacity: 1000 },
    { name: 'frankfurt', capacity: 1000 },
  ];
  assert.deepEqual(checkDrill(request, { ...situation, regions }, prediction).warnings, [
    'frankfurt would answer 100 % of the address space with 50 % of the stated capacity.',
  ]);
});

test('checkDrill() warns when the region serves nothing anyway', () => {
  const pools = [
    {
      name: 'web',
      endpoints: [
        { region: 'virginia', usable: false },
        { region: 'frankfurt', usable: true },
      ],
    },
  ];
  assert.deepEqual(checkDrill(request, { ...situation, pools }, prediction).warnings, [
    'virginia has no usable endpoint now: the drill will move nothing.',
  ]);
});

test('abortReason() stops a drill when the last other region goes, unless forced', () => {
  assert.equal(abortReason(request, situation), undefined);
  const now = { ...situation, ...stranded };
  assert.match(abortReason(request, now) ?? '', /Pool web has no usable endpoint/);
  assert.equal(abortReason({ ...request, force: true }, now), undefined);
});

test('abortReason() stops a drill when another region carries more than it can', () => {
  const now: DrillSituation = {
    ...situation,
    regions: [
      { name: 'virginia', capacity: 10 },
      { name: 'frankfurt', capacity: 1000 },
    ],
  };
  assert.equal(
    abortReason(request, now, [{ region: 'frankfurt', requestsPerSecond: 1000 }]),
    undefined,
  );
  assert.match(
    abortReason(request, now, [{ region: 'frankfurt', requestsPerSecond: 1001 }]) ?? '',
    /frankfurt carries 1001/,
  );
  assert.equal(
    abortReason(request, now, [{ region: 'virginia', requestsPerSecond: 99 }]),
    undefined,
  );
});
