import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parse, stringify } from 'yaml';
import { validateConfig } from '../../src/config/validate.ts';
import { composeGeo, type GeoDatabase } from '../../src/geo/database.ts';
import { createSystemNumbers, type SystemTable } from '../../src/geo/systems.ts';
import { DEGRADED, DOWN, FORCED } from '../../src/health/health-word.ts';
import { parsePrefix } from '../../src/ip/prefix.ts';
import { overlayPrefixes, uniformRanges } from '../../src/ip/ranges.ts';
import { compileSnapshot } from '../../src/nameserver/compile.ts';
import { type Explanation, explain } from '../../src/nameserver/explain.ts';
import { steeringSteps } from '../../src/steering/steps/registry.ts';
import { readPlaces } from '../../src/workers/geo-files.ts';
import { healthOf, UP } from '../nameserver/fixture.ts';

/**
 * Every example of docs/POLICIES.md is compiled for the world that the page begins with, and has to answer as the page
 * says. An example is a fenced block of YAML with a block of answers behind it, or a row of a table with a chain
 * and answers in it. `Berlin, eu down -> us 50 %, ap 50 % (by client)`.
 */
const PAGE = readFileSync(new URL('../../docs/POLICIES.md', import.meta.url), 'utf8');
const places = readPlaces();

type Example = {
  /** Where it stands, for people. */
  readonly where: string;
  readonly policies: Readonly<Record<string, unknown>>;
  readonly pools: Readonly<Record<string, unknown>>;
  readonly pool: string;
  readonly answers: readonly string[];
};
type World = { readonly policies: object; readonly pools: object };
type Page = {
  readonly world: World;
  readonly clients: ReadonlyMap<string, Person>;
  readonly examples: readonly Example[];
};
type Person = { readonly address: string; readonly system: number };

/** A place where something is wrong with the page itself. */
const fault = (where: string, what: string): never => assert.fail(`${where}: ${what}`);

function readPage(text: string): Page {
  const examples: Example[] = [];
  const clients = new Map<string, Person>();
  let world: World | undefined;
  let heading = 'the beginning';
  let pending: string | undefined;
  const blocks = text.split(/^(```[a-z]*\n[\s\S]*?^```)$/m);
  for (const block of blocks) {
    const [, language, body = ''] = /^```([a-z]*)\n([\s\S]*?)^```$/m.exec(block) ?? [];
    if (language === undefined) {
      for (const line of block.split('\n')) {
        heading = /^#+ (.*)/.exec(line)?.[1] ?? heading;
        readPerson(line, clients);
        const row = readRow(line, heading);
        if (row !== undefined) examples.push(row);
      }
    } else if (language === 'yaml' && world === undefined) world = parse(body) as World;
    else if (language === 'yaml')
      pending = pending === undefined ? body : fault(heading, 'no answers');
    else if (language === 'text' && pending !== undefined) {
      examples.push(readBlock(pending, body, heading));
      pending = undefined;
    }
  }
  if (pending !== undefined) fault(heading, 'an example without answers');
  return { world: world ?? fault('the page', 'no world'), clients, examples };
}

/** `| Berlin | 192.0.2.1 | … | AS64496 |` */
function readPerson(line: string, clients: Map<string, Person>): void {
  const [, name, address, rest = ''] = /^\| ([A-Za-z ]+) \| ([0-9.]+) \|(.*)/.exec(line) ?? [];
  if (name === undefined || address === undefined) return;
  clients.set(name, { address, system: Number(/AS([0-9]+)/.exec(rest)?.[1] ?? 0) });
}

/** A row of a table: what is between the first marks that begins with `chain:`, and all that has an arrow. */
function readRow(line: string, heading: string): Example | undefined {
  if (!line.startsWith('|')) return undefined;
  const spans = [...line.matchAll(/`([^`]+)`/g)].map(([, span]) => span!);
  const chain = spans.find((span) => span.startsWith('chain: '));
  if (chain === undefined) return undefined;
  const where = `${heading}: ${line.split('|')[1]!.trim()}`;
  const answers = spans.filter((span) => span.includes(' -> '));
  if (answers.length === 0) fault(where, 'a chain without answers');
  const pool = spans.find((span) => span.startsWith('pool: '))?.slice('pool: '.length) ?? 'web';
  return { where, policies: { www: parse(`{ ${chain} }`) }, pools: {}, pool, answers };
}

/** The first policy is asked for; `# pool: stacks` says of which pool, if not of `web` or the block's own. */
function readBlock(yaml: string, text: string, heading: string): Example {
  const { policies = {}, pools = {} } = parse(yaml) as Partial<Example>;
  const [first] = Object.keys(policies);
  if (first === undefined) fault(heading, 'an example without a policy');
  const [own = 'web'] = Object.keys(pools);
  const pool = /^# pool: (\S+)/m.exec(yaml)?.[1] ?? own;
  return { where: heading, policies, pools, pool, answers: text.trim().split('\n') };
}

const { clients, examples, world } = readPage(PAGE);

/** Whose network is in which system, as a file of them would say. */
function systemTable(): SystemTable {
  const { indexOf, systems } = createSystemNumbers();
  const overlays = [...clients.values()]
    .filter(({ system }) => system > 0)
    .map(({ address, system }) => ({
      prefix: parsePrefix(address)!,
      value: indexOf({ number: system, name: '' }),
    }));
  return { systems, ranges: overlayPrefixes(uniformRanges(0), overlays) };
}

type Served = Omit<Parameters<typeof explain>[0], 'health'>;

/** A file that says what the example says, of the world; without a word against it. */
function serve({ policies, pool, pools, where }: Example): Served {
  const [policy] = Object.keys(policies);
  const file = {
    ...world,
    policies: { ...world.policies, ...policies },
    pools: { ...world.pools, ...pools },
    zones: {
      'g.example': { nameservers: 'ns.other.example.', steered: { www: { pool, policy } } },
    },
  };
  const result = validateConfig(stringify(file), where, {}, places);
  const said = result.ok ? result.warnings : result.issues;
  const lines = said.filter(({ message }) => !/^nothing uses/.test(message));
  assert.deepEqual(
    lines.map(({ hint, message, path }) => `${path} ${message} (${hint})`),
    [],
    where,
  );
  if (!result.ok) return fault(where, 'not valid');
  const geo: GeoDatabase = {
    ...composeGeo([], result.config.geo.overrides),
    systems: systemTable(),
  };
  const compiled = compileSnapshot(result.config, geo, 1, 1);
  return compiled.ok
    ? { snapshot: compiled.snapshot, geo }
    : fault(where, JSON.stringify(compiled.issues));
}

/** Monday is the first of June 2026; without a day it is Wednesday noon. */
const DAYS = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'];
const timeOf = (day: string, hours: number, minutes: number): number =>
  Date.UTC(2026, 5, 1 + DAYS.indexOf(day), hours, minutes);
const STATES: Readonly<Record<string, number>> = {
  down: DOWN,
  degraded: (DEGRADED | 20) >>> 0,
  drained: (DOWN | FORCED) >>> 0,
};

/** `Berlin, eu down, Mon 12:00` */
function readQuestion(text: string, { snapshot }: Served, { pool, where }: Example) {
  const words = new Uint32Array(snapshot.endpoints.length).fill(UP);
  let person: Person | undefined;
  let nowMs = timeOf('Wed', 12, 0);
  for (const part of text.split(', ')) {
    const [, day, hours, minutes] = /^([A-Z][a-z]{2}) ([0-9]{2}):([0-9]{2})$/.exec(part) ?? [];
    const [, label, state = ''] = /^(\S+) ([a-z]+)$/.exec(part) ?? [];
    if (clients.has(part)) person = clients.get(part);
    else if (day !== undefined) nowMs = timeOf(day, Number(hours), Number(minutes));
    else if (label !== undefined && state in STATES) {
      const hit = snapshot.endpoints.filter(
        ({ name }) =>
          name === `${pool}/${label}` || (label === 'all' && name.startsWith(`${pool}/`)),
      );
      if (hit.length === 0) fault(where, `no endpoint "${label}" in "${pool}"`);
      for (const each of hit) words[snapshot.endpoints.indexOf(each)] = STATES[state]!;
    } else fault(where, `"${part}" says nothing`);
  }
  return { client: (person ?? fault(where, `nobody asks in "${text}"`)).address, nowMs, words };
}

/** `us 50 %, eu+ap 50 % (by client)` */
function answerText({ draw, outcomes, rung }: Explanation): string {
  if (rung === 'sorry') return 'sorry';
  const shares = new Map<string, number>();
  for (const { endpoints, share } of outcomes) {
    const labels = endpoints.map((name) => name.slice(name.indexOf('/') + 1)).join('+');
    shares.set(labels, (shares.get(labels) ?? 0) + share);
  }
  const texts = [...shares].map(([labels, share]) =>
    shares.size === 1 ? labels : `${labels} ${Math.round(share * 1000) / 10} %`,
  );
  const hows = [
    ...(draw!.part.of > 1 ? ['by client'] : []),
    ...(draw!.why.includes('the name draws') ? ['by name'] : []),
    ...(draw!.why.includes('each query draws') ? ['each query'] : []),
  ];
  return hows.length === 0 || shares.size === 1
    ? texts.join(', ')
    : `${texts.join(', ')} (${hows.join(', ')})`;
}

for (const example of examples) {
  test(`docs/POLICIES.md: ${example.where}`, () => {
    const served = serve(example);
    for (const line of example.answers) {
      const [question = '', expected, ...more] = line.split(' -> ');
      if (expected === undefined || more.length > 0) fault(example.where, `"${line}" is no answer`);
      const { client, nowMs, words } = readQuestion(question, served, example);
      const asked = { name: 'www.g.example', client };
      const said = explain({ ...served, health: healthOf(words) }, asked, nowMs);
      assert.ok('draw' in said, example.where);
      assert.equal(answerText(said), expected, `${example.where}: ${question}`);
    }
  });
}

test('docs/POLICIES.md has examples of every step, and nothing that is not tried', () => {
  const written = JSON.stringify(examples.map(({ policies }) => policies));
  for (const { kind } of steeringSteps) {
    assert.ok(PAGE.includes(`\`${kind}\``), `the page does not say what "${kind}" is`);
    if (['latency', 'capacity'].includes(kind)) continue;
    assert.ok(written.includes(`"${kind}"`), `no example of "${kind}"`);
  }
  assert.ok(examples.length > 60, `${examples.length} examples`);
  const loose = PAGE.match(/`(\{ step:|- \{ step)[^`]*`/g) ?? [];
  assert.deepEqual(loose, [], 'steps outside of a chain are not tried');
});

test('the reader of the page notices what is missing', () => {
  const start = '# Page\n```yaml\nregions: {}\n```\n';
  const noted = (text: string): string => {
    try {
      readPage(start + text);
    } catch (error) {
      return (error as Error).message;
    }
    return '';
  };
  const yaml = '```yaml\npolicies: { a: { chain: [healthy] } }\n```\n';
  assert.match(noted(`## Alone\n${yaml}`), /^Alone: an example without answers/);
  assert.match(noted(`## Twice\n${yaml}\n${yaml}`), /^Twice: no answers/);
  assert.match(noted('## Row\n| it | `chain: [first]` | nothing |\n'), /^Row: it: a chain without/);
  assert.equal(noted(`## Good\n${yaml}\n\`\`\`text\nBerlin -> eu\n\`\`\`\n`), '');
});
