import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Config } from '../../src/config/config.ts';
import { validateConfig } from '../../src/config/validate.ts';
import {
  type ConfigRevisionsParts,
  createConfigRevisions,
} from '../../src/control/config-revisions.ts';
import { createFactWorld } from '../cluster/fact-world.ts';
import { sharedRevision } from '../cluster/revision-fixture.ts';
import { centroids } from '../config/centroids.ts';
import { problemIn } from './plane-fixture.ts';

const TEXT = `cluster: { sharedConfig: true }
# where we are
regions:
  eu: { location: DE, vips: 192.0.2.1 }
  us: { location: US, vips: 192.0.2.2 }
pools: { web: { endpoints: [eu, us] } }
zones:
  gslb.example:
    nameservers: [ns1]
    records: { ns1: { A: 192.0.2.53 } }
    steered: { www: { pool: web } }
admin: { tokens: [a-token-that-is-nobodys-business] }
`;
const ASKED = { name: 'm.yaml', note: '', by: 'ann' };

test('publish() shares all but own sections, and has the node serve it', async () => {
  const { parts, revisions } = await open();
  const control = createConfigRevisions(parts);
  const text = TEXT.replace('192.0.2.1 ', '192.0.2.9 ');
  const outcome = await control.publish({ ...ASKED, text, note: 'moved' });
  assert.ok('published' in outcome, JSON.stringify(outcome));
  assert.deepEqual([outcome.published, outcome.revision, outcome.shrinks], [true, 1, []]);
  assert.match(outcome.changes.join(), /region eu/);
  assert.deepEqual(outcome.sharing, { shared: true, detail: 'the store has it' });
  assert.equal(outcome.isServed, true);
  const shared = revisions.current()?.text ?? '';
  assert.match(shared, /# where we are/);
  assert.doesNotMatch(shared, /token|sharedConfig/);
  assert.deepEqual(
    (await control.list()).map(({ isCurrent, note, revision }) => [revision, note, isCurrent]),
    [[1, 'moved', true]],
  );
  const found = await control.text(1);
  assert.ok('text' in found && found.text === shared);
  assert.equal(problemIn(await control.text(2)).code, 'config.no-revision');
});

test('publish() refuses what this node could not serve, with its places', async () => {
  const { parts, revisions } = await open();
  const control = createConfigRevisions(parts);
  const text = TEXT.replace('[eu, us]', '[eu, mars]');
  const outcome = await control.publish({ ...ASKED, text });
  assert.ok('issues' in outcome);
  assert.deepEqual(
    outcome.issues.map(({ file, line }) => [file, line]),
    [['m.yaml', 6]],
  );
  const leaning = TEXT.replace('{ sharedConfig: true }', '&c { sharedConfig: true }').concat(
    'log: *c\n',
  );
  assert.ok('issues' in (await control.publish({ ...ASKED, text: leaning })));
  assert.equal(revisions.current(), undefined);
});

test('publish() takes no answers away unless the person says so', async () => {
  const { parts } = await open();
  const control = createConfigRevisions(parts);
  const text = TEXT.replace('{ www: { pool: web } }', '{ app: { pool: web } }');
  assert.equal(problemIn(await control.publish({ ...ASKED, text })).code, 'config.shrinks');
  const dry = await control.publish({ ...ASKED, text, dryRun: true });
  assert.ok('shrinks' in dry && !dry.published && dry.shrinks.length === 1);
  const forced = await control.publish({ ...ASKED, text, force: true });
  assert.ok('published' in forced && forced.published);
});

test('publish() against another revision than the current one is a conflict', async () => {
  const { parts } = await open();
  const control = createConfigRevisions(parts);
  await control.publish({ ...ASKED, text: TEXT });
  const late = await control.publish({ ...ASKED, text: TEXT, replaces: 0 });
  assert.equal(problemIn(late).code, 'config.conflict');
  const next = await control.publish({ ...ASKED, text: TEXT, replaces: 1 });
  assert.ok('revision' in next && next.revision === 2);
});

test('publish() shares nothing that cannot be compiled', async () => {
  const { parts, revisions } = await open();
  const control = createConfigRevisions({ ...parts, compile: async () => ['No geo data.'] });
  const problem = problemIn(await control.publish({ ...ASKED, text: TEXT }));
  assert.equal(problem.code, 'config.not-compiled');
  assert.match(problem.message, /No geo data\./);
  assert.equal(revisions.current(), undefined);
});

test('list() and text() know what the node has kept when the store was emptied', async () => {
  const { parts, revisions } = await open();
  const [older, newer] = [sharedRevision(1, 'first'), sharedRevision(2, 'second')];
  const other = sharedRevision(2, 'lost against the second');
  const history = async () => [other, newer];
  const control = createConfigRevisions({
    ...parts,
    kept: () => [newer, older],
    revisions: { ...revisions, current: () => newer, history },
  });
  assert.deepEqual(
    (await control.list()).map(({ isCurrent, revision, sha256 }) => [revision, sha256, isCurrent]),
    [
      [2, newer.sha256, true],
      [2, other.sha256, false],
      [1, older.sha256, false],
    ],
  );
  const texts = await Promise.all([control.text(1), control.text(2)]);
  assert.deepEqual(
    texts.map((found) => ('text' in found ? found.text : found)),
    ['first', 'second'],
  );
});

test('publish() says when this node cannot serve it after all', async () => {
  const { parts } = await open();
  const control = createConfigRevisions({ ...parts, served: async () => 0 });
  const outcome = await control.publish({ ...ASKED, text: TEXT });
  assert.ok('isServed' in outcome && outcome.published && outcome.isServed === false);
});

test('publish() without the store, or on a node that follows nobody, says so', async () => {
  const { node, parts } = await open();
  const control = createConfigRevisions(parts);
  node.cut(true);
  const away = problemIn(await control.publish({ ...ASKED, text: TEXT }));
  assert.deepEqual([away.problem, away.code], ['unavailable', 'config.store-away']);
  const current = (): Config => {
    const config = parts.current();
    return { ...config, cluster: { ...config.cluster, sharedConfig: false } };
  };
  const alone = createConfigRevisions({ ...parts, current });
  const refused = problemIn(await alone.publish({ ...ASKED, text: TEXT }));
  assert.equal(refused.code, 'config.not-shared');
});

async function open() {
  const world = await createFactWorld();
  const node = await world.node('one');
  const { facts } = node;
  const check = (text: string, name: string) => validateConfig(text, name, {}, centroids);
  const first = check(TEXT, 'first.yaml');
  assert.ok(first.ok, JSON.stringify(first));
  const parts: ConfigRevisionsParts = {
    revisions: facts.revisions,
    kept: () => [],
    current: () => first.config,
    check,
    compile: async () => [],
    async served() {
      return facts.revisions.current()?.revision ?? 0;
    },
    settled: facts.settled,
  };
  return { node, parts, revisions: facts.revisions };
}
