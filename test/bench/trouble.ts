/**
 * `npm run bench -- trouble`: what clients notice when servers are slow, fail or hang, when clients are hostile, and
 * while a configuration changes, through Meridian beside HAProxy.
 */
import { parseArgs } from 'node:util';
import { chooseCores, say } from './dns-drive.ts';
import { HAPROXY, isInstalled } from './http-peers.ts';
import { type Facts, machineFacts, versionOf } from './machine.ts';
import { checkNames, wholeNumber } from './option-values.ts';
import type { Scratch } from './scratch.ts';
import { TROUBLED_PROXIES, type TroubledProxyKind } from './trouble-proxies.ts';
import { SCENARIOS, type Scenario, type Trouble } from './trouble-scenarios.ts';
import { troubleGoals, troubleTable } from './trouble-table.ts';

export const TROUBLE_SUMMARY = 'failing servers, hostile clients and reloads, beside HAProxy';
export const TROUBLE_USAGE = `npm run bench -- trouble [options]

  --seconds N        length of each trouble (10)
  --rate N           requests a second of normal clients (1000)
  --scenario NAME    may be repeated (all):
${SCENARIOS.map(({ name, summary }) => `                       ${name.padEnd(14)}${summary}\n`).join('')}\
  --server NAME      ${TROUBLED_PROXIES.map(({ name }) => name).join(', ')};
                     may be repeated (all)
`;

/** Of one scenario with one proxy, beside three times its trouble. */
const EACH_SECONDS_MAX = 120;
const TROUBLE_FACTOR = 6;

type Options = {
  readonly seconds: number;
  readonly rate: number;
  readonly scenarios: readonly Scenario[];
  readonly proxies: readonly TroubledProxyKind[];
};

export async function troubleBench(words: readonly string[], scratch: Scratch): Promise<number> {
  if (process.platform !== 'linux') throw new Error('this bench reads memory from Linux /proc');
  const { proxies, rate, scenarios, seconds } = readOptions(words);
  const hasHaproxy = proxies.some(({ name }) => name === HAPROXY);
  if (hasHaproxy && !isInstalled('haproxy')) {
    throw new Error('haproxy is missing: apt-get install haproxy');
  }
  const runs = scenarios.length * proxies.length;
  scratch.endAfter(
    runs * (EACH_SECONDS_MAX + TROUBLE_FACTOR * seconds),
    'bench trouble: not finished.',
  );
  const versions: Facts = hasHaproxy ? [[HAPROXY, versionOf('haproxy', ['-v'])]] : [];
  const facts = machineFacts(versions, ['npm run bench -- trouble', ...words].join(' '));
  const [core, clientCore] = chooseCores();
  const troubles: Trouble[] = [];
  for (const scenario of scenarios) {
    for (const proxy of proxies) {
      const place = { scratch, core, clientCore, seconds, rate };
      const trouble = await scenario.run(proxy, place);
      troubles.push(trouble);
      say(troubleTable([trouble]).at(-1)!);
    }
  }
  const goals = troubleGoals(troubles);
  const lines = [
    '',
    ...facts.map(([name, value]) => `- ${name}: ${value}`),
    `- load: ${rate} requests a second, each trouble for ${seconds} s; proxies on core ${core}, servers and clients on core ${clientCore}`,
    '',
    ...troubleTable(troubles),
    ...(goals.length === 0 ? [] : ['', ...goals]),
    '',
  ];
  process.stdout.write(lines.join('\n'));
  return 0;
}

function readOptions(words: readonly string[]): Options {
  const scenarios = SCENARIOS.map(({ name }) => name);
  const servers = TROUBLED_PROXIES.map(({ name }) => name);
  const { values } = parseArgs({
    args: [...words],
    options: {
      seconds: { type: 'string', default: '10' },
      rate: { type: 'string', default: '1000' },
      scenario: { type: 'string', multiple: true, default: scenarios },
      server: { type: 'string', multiple: true, default: servers },
    },
  });
  checkNames('scenario', values.scenario, scenarios);
  checkNames('server', values.server, servers);
  return {
    seconds: wholeNumber('seconds', values.seconds),
    rate: wholeNumber('rate', values.rate),
    scenarios: SCENARIOS.filter(({ name }) => values.scenario.includes(name)),
    proxies: TROUBLED_PROXIES.filter(({ name }) => values.server.includes(name)),
  };
}
