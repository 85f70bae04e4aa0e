import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  formatSerialMemory,
  NOTHING,
  parseSerialMemory,
  remembered,
  type SerialMemory,
  serialIncrementOf,
  united,
  type ZoneMemory,
} from '../../src/node/serial-memory.ts';
import { fuzzRuns, fuzzSeed } from './effort.ts';

const options = { seed: fuzzSeed(20261122), numRuns: fuzzRuns(300) };
const NODES = 3;

/** What happens to one of the nodes, or to all. */
const event = fc.oneof(
  fc.record({ kind: fc.constant('turn' as const), node: fc.nat(NODES - 1) }),
  fc.record({ kind: fc.constant('hear' as const), node: fc.nat(NODES - 1) }),
  fc.record({ kind: fc.constant('tell' as const), node: fc.nat(NODES - 1) }),
  fc.record({
    kind: fc.constant('key' as const),
    node: fc.nat(NODES - 1),
    key: fc.nat(3),
    count: fc.nat(5),
  }),
  fc.record({ kind: fc.constant('week' as const), node: fc.nat(NODES - 1), to: fc.nat(9) }),
  // Its folder is lost; the nodes' common memory is there.
  fc.record({ kind: fc.constant('lose' as const), node: fc.nat(NODES - 1) }),
);
type Step = typeof event extends fc.Arbitrary<infer T> ? T : never;
type Node = {
  memory: ZoneMemory | undefined;
  heard: SerialMemory | undefined;
  isSigned: boolean;
  weeks: number;
};

/** Nodes of one zone, each shown after every step, and what they have told each other. */
function world() {
  const nodes: Node[] = Array.from({ length: NODES }, () => ({
    memory: undefined,
    heard: undefined,
    isSigned: true,
    weeks: 5,
  }));
  let told: SerialMemory = NOTHING;
  const look = (node: Node, changes: SerialMemory['changes'] = {}): number => {
    const { heard, isSigned, memory, weeks } = node;
    const seen = { isSigned, weeks, changes, sinceMs: 0, isAnew: false, nowMs: 0 };
    node.memory = remembered(memory, heard, seen);
    return serialIncrementOf(node.memory);
  };
  const tell = (node: Node): void => {
    if (node.memory !== undefined) told = united(told, node.memory, node.memory.changes);
  };
  const apply = (step: Step): number => {
    const node = nodes[step.node]!;
    switch (step.kind) {
      case 'turn':
        node.isSigned = !node.isSigned;
        return look(node);
      case 'hear':
        node.heard = told;
        return look(node);
      case 'tell':
        tell(node);
        return look(node);
      case 'key':
        return look(node, { [`set ${step.key}`]: step.count });
      case 'week':
        node.weeks = step.to;
        return look(node);
      case 'lose':
        tell(node);
        Object.assign(node, { memory: undefined, heard: told });
        return look(node);
    }
  };
  const meet = (): void => {
    for (let round = 0; round < 2; round += 1) {
      for (const node of nodes) {
        node.heard = told;
        look(node);
        tell(node);
      }
    }
  };
  return { nodes, look, apply, meet };
}

test('a serial never goes back, grows with every turn, and is one where nodes have heard of each other', () => {
  fc.assert(
    fc.property(fc.array(event, { maxLength: 40 }), (steps) => {
      const { nodes, look, apply, meet } = world();
      const shown = nodes.map((node) => look(node));
      for (const step of steps) {
        const before = shown[step.node]!;
        const now = apply(step);
        assert.ok(now >= before, `${step.kind}: ${before} -> ${now}`);
        if (step.kind === 'turn') assert.ok(now > before, 'another content is another serial');
        shown[step.node] = now;
      }
      meet();
      const finals = nodes.map((node) => [String(node.isSigned), look(node)] as const);
      for (const isSigned of ['true', 'false']) {
        const serials = finals.flatMap(([of, serial]) => (of === isSigned ? [serial] : []));
        assert.ok(new Set(serials).size <= 1, `${isSigned}: ${serials.join(' ')}`);
      }
      const bySigning = new Map(finals);
      if (bySigning.size === 2) {
        assert.notEqual(bySigning.get('true'), bySigning.get('false'), 'two contents, one serial');
      }
      // All are configured alike in the end.
      for (const node of nodes) node.isSigned = true;
      for (const node of nodes) look(node);
      meet();
      assert.equal(new Set(nodes.map((node) => look(node))).size, 1);
    }),
    options,
  );
});

const memories: fc.Arbitrary<SerialMemory> = fc.record({
  weeks: fc.nat(),
  turns: fc.nat(),
  changes: fc.dictionary(fc.stringMatching(/^(set|file) [0-9. ]{1,40}$/), fc.nat(), { maxKeys: 8 }),
});

test('what was written is read, and what is not ours is not', () => {
  fc.assert(
    fc.property(memories, fc.string(), fc.nat(), (memory, noise, at) => {
      const text = formatSerialMemory(memory);
      const read = parseSerialMemory(text);
      assert.ok(read !== undefined);
      assert.equal(formatSerialMemory(read), text);
      const broken = text.slice(0, at % text.length) + noise;
      const parsed = parseSerialMemory(broken);
      if (parsed !== undefined) assert.ok(parsed.weeks >= 0 && parsed.turns >= 0);
    }),
    options,
  );
});
