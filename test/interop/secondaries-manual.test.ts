import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { validateConfig } from '../../src/config/validate.ts';
import { centroids } from '../config/centroids.ts';
import { run } from './ask.ts';

/** docs/SECONDARIES.md: each piece of configuration is one that its program takes. */
const manual = readFileSync(new URL('../../docs/SECONDARIES.md', import.meta.url), 'utf8');
const directory = mkdtempSync(join(tmpdir(), 'meridian-manual-'));
after(() => rmSync(directory, { recursive: true, force: true }));
const SECRET = Buffer.alloc(32, 1).toString('base64');

const [here = '', there = ''] = manual.split('## Meridian copies others');
/** The code below a line that begins with this word. */
function codeOf(text: string, word: string): string {
  const found = text
    .split(new RegExp(`^${word}[^\\n]*:\\n\\n\`\`\`\\w*\\n`, 'm'))[1]
    ?.split('```')[0];
  assert.ok(found, word);
  return found.replaceAll('…', SECRET);
}

const CHECKS: Readonly<Record<string, readonly string[]>> = {
  BIND: ['named-checkconf'],
  NSD: ['nsd-checkconf'],
  Knot: ['knotc', '-c', 'FILE', 'conf-check'],
};

for (const [word, [command = '', ...words]] of Object.entries(CHECKS)) {
  test(`${word} takes what the manual has for it`, async () => {
    for (const text of [here, there]) {
      const file = join(directory, `${word}.conf`);
      writeFileSync(file, codeOf(text, word));
      const all =
        words.length === 0 ? [file] : words.map((each) => (each === 'FILE' ? file : each));
      const { code, output } = await run(command, all);
      assert.equal(code, 0, output);
      assert.doesNotMatch(output, /error|invalid/i);
    }
  });
}

test('Meridian takes what the manual has for it', () => {
  for (const text of [here, there]) {
    const own = /```yaml\n((?:node|dns):\n[\s\S]*?)```/.exec(text)![1]!.replaceAll('…', SECRET);
    const rest = `
regions: { us: { location: { latitude: 39, longitude: -77 }, vips: 192.0.2.1 } }
pools: { web: { endpoints: [us] } }
`;
    // Of a zone of our own the addresses are left to the reader.
    const whole = own.replace('[ns1, ns.secondary.example.]', 'ns.secondary.example.');
    const result = validateConfig(`${whole}${rest}`, 'manual.yaml', {}, centroids);
    assert.ok(result.ok, JSON.stringify(result));
  }
});
