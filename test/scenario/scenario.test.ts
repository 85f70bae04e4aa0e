import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { openApart } from '../apart.ts';
import { parseScript } from './script.ts';

/** Every .scenario file of this folder, and the reader of their language. */
const folder = new URL('./', import.meta.url);
const apart = openApart(new URL('./runner.ts', import.meta.url));
after(apart.close);
const playScenario = (text: string): Promise<void> => apart.call('playScenario', text);

for (const file of readdirSync(folder).filter((name) => name.endsWith('.scenario'))) {
  test(`scenario ${file.replace('.scenario', '').replaceAll('-', ' ')}`, async () => {
    await playScenario(readFileSync(new URL(file, folder), 'utf8'));
  });
}

test('parseScript() reads configuration and statements', () => {
  const script = parseScript(
    [
      'zones: {}',
      '----------',
      '# A comment.',
      'QUERY www.example. A FROM 192.0.2.1 SUBNET 2001:db8::/48 EXPECT ONE OF 127.0.1.1 127.0.2.1 TTL <= 5 SCOPE 48',
      'TIME PASSES 1500ms   # and another',
    ].join('\n'),
  );
  assert.equal(script.config, 'zones: {}');
  assert.deepEqual(script.steps, [
    {
      line: 4,
      text: 'QUERY www.example. A FROM 192.0.2.1 SUBNET 2001:db8::/48 EXPECT ONE OF 127.0.1.1 127.0.2.1 TTL <= 5 SCOPE 48',
      kind: 'query',
      question: { name: 'www.example.', type: 'A', from: '192.0.2.1', subnet: '2001:db8::/48' },
      expected: {
        answer: { kind: 'one-of', addresses: ['127.0.1.1', '127.0.2.1'] },
        ttl: { relation: '<=', seconds: 5 },
        scope: 48,
      },
    },
    { line: 5, text: 'TIME PASSES 1500ms', kind: 'time', ms: 1500 },
  ]);
});

test('parseScript() throws with the line when a statement is not understood', () => {
  assert.throws(() => parseScript('a: 1\n----------\nQUERRY www A'), /line 3/);
  assert.throws(() => parseScript('a: 1'), /line of dashes/);
});

test('playScenario() fails with the line of the expectation that does not hold', async () => {
  const text = readFileSync(new URL('three-continents.scenario', folder), 'utf8');
  const wrong = `${text}\nQUERY www.gslb.example A FROM 81.2.3.4 EXPECT 127.0.9.9\n`;
  await assert.rejects(playScenario(wrong), /line \d+: QUERY .* EXPECT 127\.0\.9\.9/);
});
