import { createExchange, type Exchange } from '../../src/cluster/exchange.ts';
import type { FactExchange } from '../../src/cluster/fact-talk.ts';
import { deriveSessionKey } from '../../src/cluster/session.ts';
import type { AgentReport, Statement, VantageWord } from '../../src/health/statement.ts';
import type { HeldJudgement } from '../../src/monitoring/health-table.ts';
import type { MovedClock } from '../monitoring/moved-clock.ts';
import type { VirtualNetwork } from './virtual-network.ts';

/** A node that only exchanges: what it hears is kept to be looked at. */
export type RigNode = {
  readonly name: string;
  readonly address: string;
  readonly exchange: Exchange;
  /** By vantage point and key. */
  readonly heard: Map<string, Statement>;
  readonly vantages: Map<string, VantageWord>;
  readonly reports: Map<string, AgentReport>;
  readonly held: HeldJudgement[];
  readonly lines: string[];
  readonly nodes: Map<string, string>;
  stop(): void;
};

export type RigOptions = {
  readonly clock: MovedClock;
  readonly network: VirtualNetwork;
  readonly draw: () => number;
  readonly keys?: readonly string[];
  readonly incarnation?: number;
  readonly address?: string;
  readonly facts?: FactExchange;
};

export const KEY = 'a cluster key that is long enough to be one';

export function startRigNode(name: string, seeds: readonly string[], options: RigOptions): RigNode {
  const { clock, draw, network, address = `${name}:1`, incarnation = 1, keys = [KEY] } = options;
  const heard = new Map<string, Statement>();
  const vantages = new Map<string, VantageWord>();
  const reports = new Map<string, AgentReport>();
  const held: HeldJudgement[] = [];
  const lines: string[] = [];
  const nodes = new Map<string, string>();
  const transport = network.attach(address);
  const exchange = createExchange({
    clock,
    name,
    incarnation,
    direct: {
      transport,
      keys: keys.map(deriveSessionKey),
      randomBytes: (size) => Buffer.from(Array.from({ length: size }, () => draw() * 256)),
    },
    log: {
      info: (event, message) => lines.push(`${event} ${message}`),
      warn: (event, message) => lines.push(`${event} ${message}`),
    },
    ears: {
      observe: (statement) => heard.set(`${statement.vantage} ${statement.key}`, statement),
      withdraw: (vantage, key) => heard.delete(`${vantage} ${key}`),
      hear: (word) => vantages.set(word.vantage, word),
      report: (report) => reports.set(`${report.node} ${report.address}`, report),
      hearJudgement: (judgement) => held.push(judgement),
    },
    heldJudgements: () => [
      { id: `${name} holds`, health: 'down', decidedAtMs: clock.nowMs() - 50 },
    ],
    describe: () => JSON.stringify({ name }),
    onNode: (from, text) => nodes.set(from, text),
    ...(options.facts === undefined ? {} : { facts: options.facts }),
  });
  exchange.setVantages([name]);
  exchange.setVantage({
    vantage: name,
    group: `region-${name}`,
    node: name,
    heardAtMs: 0,
    trusted: true,
    reason: '',
  });
  exchange.setSeeds(seeds.filter((seed) => seed !== address));
  const stop = (): void => {
    exchange.close();
    void transport.close();
  };
  return { name, address, exchange, heard, vantages, reports, held, lines, nodes, stop };
}

/** Of something that is looked at seldom, so that nobody has to put it again and again. */
export function statement(vantage: string, key: string, more: Partial<Statement> = {}): Statement {
  return {
    vantage,
    key,
    verdict: 'up',
    slow: false,
    failing: false,
    sinceMs: 0,
    secondsToChange: 3,
    leaseMs: 600_000,
    heardAtMs: 0,
    reason: '200 OK',
    recent: [{ atMs: 0, ok: true, rttMs: 12.34, reason: '200 OK' }],
    ...more,
  };
}
