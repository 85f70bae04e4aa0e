import assert from 'node:assert/strict';
import { test } from 'node:test';
import { reportDrill } from '../../src/drill/report.ts';

const prediction = {
  region: 'virginia',
  names: [
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
  ],
};
const counts = (virginia: number, frankfurt: number) => [
  { region: 'virginia', answers: virginia },
  { region: 'frankfurt', answers: frankfurt },
];

test('reportDrill() sets observed shares beside predicted ones', () => {
  const report = reportDrill(prediction, {
    before: counts(30, 70),
    during: counts(0, 50),
    after: counts(10, 30),
  });
  assert.deepEqual(report.rows, [
    {
      region: 'virginia',
      predictedBefore: 0.4,
      observedBefore: 0.3,
      predictedDuring: 0,
      observedDuring: 0,
      observedAfter: 0.25,
    },
    {
      region: 'frankfurt',
      predictedBefore: 0.6,
      observedBefore: 0.7,
      predictedDuring: 1,
      observedDuring: 1,
      observedAfter: 0.75,
    },
  ]);
  assert.deepEqual(report.sentences, [
    'While drained, virginia was in no answer.',
    'frankfurt went from 70 % to 100 % of the answers; 100 % of the address space was predicted.',
    'After the drill, virginia was in 25 % of the answers again.',
  ]);
});

test('reportDrill() says when the region did not fall silent or did not come back', () => {
  const { sentences } = reportDrill(prediction, {
    before: counts(30, 70),
    during: counts(5, 45),
    after: counts(0, 40),
  });
  assert.equal(sentences[0], 'While drained, virginia was still in 5 answers (10 %).');
  assert.equal(
    sentences.at(-1),
    'virginia has not come back: it was in no answer after the drill.',
  );
});

test('reportDrill() says when nobody asked', () => {
  const none = counts(0, 0);
  assert.deepEqual(reportDrill(prediction, { before: none, during: none, after: none }).sentences, [
    'No query came while virginia was drained: only the prediction is known.',
  ]);
});
