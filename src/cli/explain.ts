import type { Command } from 'commander';
import type { Explanation } from '../control/control-plane.ts';
import { type CliContext, examples } from './context.ts';
import { type Paint, percent } from './output.ts';
import { formatFacts } from './table.ts';

/** `meridian explain`: why a client gets its answer, step by step. */
export function addExplain(program: Command, context: CliContext): void {
  program
    .command('explain')
    .description('Why a client gets the answer that it gets, step by step')
    .argument('<name>', 'the name asked for')
    .option('--client <network>', "the client's address or network, as its resolver would send it")
    .option('--resolver <address>', "the resolver's address, when it sends no client network")
    .option('--type <type>', 'A or AAAA', 'A')
    .addHelpText(
      'after',
      examples(
        'meridian explain www.gslb.example --client 203.0.113.7',
        'meridian explain www.gslb.example --client 2001:db8::/48 --type AAAA',
      ),
    )
    .action(
      context.action(
        async (name: string, options: { client?: string; resolver?: string; type: string }) => {
          const explanation = await context.api().explain({ name, ...options });
          const output = context.output();
          await output.result(explanation, () => explanationText(explanation, output.paint));
          return 0;
        },
      ),
    );
}

function explanationText(explanation: Explanation, paint: Paint): string {
  const { name, type, client, ttl, scope, answer, region } = explanation;
  const from = client.from === 'client-subnet' ? 'client subnet' : "the resolver's address";
  const heading = `${paint('bold', `${name} ${type}`)} for ${client.network} (${from}; ${client.place})\n`;
  const facts: [string, string][] = [['found', foundText(explanation)]];
  if (explanation.rung !== undefined) facts.push(['rung', explanation.rung]);
  facts.push(['answer', answerText(answer, region, paint)]);
  facts.push(['ttl', `${ttl.seconds} s. ${ttl.why}`]);
  facts.push(['scope', `/${scope.prefixLength}. ${scope.why}`]);
  return [heading, stepsText(explanation, paint), outcomesText(explanation), formatFacts(facts)]
    .filter((part) => part !== '')
    .join('\n');
}

function foundText({ outcome, policy, pool, classId }: Explanation): string {
  const parts = [outcome];
  if (policy !== undefined) parts.push(`policy ${policy}`);
  if (pool !== undefined) parts.push(`pool ${pool}`);
  if (classId !== undefined) parts.push(`client class ${classId}`);
  return parts.join(', ');
}

const answerText = (answer: readonly string[], region: string | undefined, paint: Paint): string =>
  answer.length === 0
    ? paint('yellow', 'none')
    : `${paint('bold', answer.join(' '))}${region === undefined ? '' : ` (region ${region})`}`;

function stepsText({ steps }: Explanation, paint: Paint): string {
  return steps
    .map(({ step, note, kept, dropped }, index) =>
      [
        `${index + 1}. ${paint('bold', step)}${note === '' ? '' : `  ${note}`}\n`,
        ...kept.map((name) => `     ${paint('green', '+')} ${name}\n`),
        ...dropped.map(({ name, reason }) => `     ${paint('red', '-')} ${name}: ${reason}\n`),
      ].join(''),
    )
    .join('');
}

/** Only when a draw decides: one outcome with all the share is the answer itself. */
function outcomesText({ outcomes }: Explanation): string {
  if (outcomes.length < 2) return '';
  const lines = outcomes.map(
    ({ share, endpoints, addresses }) =>
      `  ${percent(share).padStart(7)}  ${endpoints.join(' ')}  ${addresses.join(' ')}\n`,
  );
  return `Answers and how often each is drawn:\n${lines.join('')}`;
}
