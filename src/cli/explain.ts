import type { Command } from 'commander';
import type { Explanation } from '../control/control-plane.ts';
import { parseInstant } from './at-time.ts';
import { type CliContext, examples } from './context.ts';
import { addExplainRequest } from './explain-request.ts';
import type { Handlers } from './io.ts';
import { type Paint, percent, revisionText, spanText, stateText, timeText } from './output.ts';
import { formatFacts, formatTable } from './table.ts';

type Options = {
  readonly client?: string;
  readonly resolver?: string;
  readonly type: string;
  /** Milliseconds. */
  readonly at?: number;
};

/** `meridian explain`: why a client gets its answer, now or at any instant of the record. */
export function addExplain(program: Command, context: CliContext, handlers: Handlers): void {
  const explain = program
    .command('explain')
    .description('Why a client gets, or got, the answer that it gets, step by step')
    .argument('<name>', 'the name asked for')
    .option('--client <network>', "the client's address or network, as its resolver would send it")
    .option('--resolver <address>', "the resolver's address, when it sends no client network")
    .option('--type <type>', 'A or AAAA', 'A')
    .option(
      '--at <time>',
      'as it was then: 5m (ago), 03:12, 2026-11-20T03:12:00Z (times are UTC), or seconds since 1970',
      (text) => parseInstant(text, context.io.nowMs()),
    )
    .addHelpText(
      'after',
      examples(
        'meridian explain www.gslb.example --client 203.0.113.7',
        'meridian explain www.gslb.example --client 2001:db8::/48 --type AAAA',
        'meridian explain www.gslb.example --client 203.0.113.7 --at 5m',
        'meridian explain www.gslb.example --client 203.0.113.7 --at 2026-11-20T03:12:00Z',
        'meridian explain request http://www.gslb.example/path',
      ),
    )
    .action(
      context.action(async (name: string, options: Options) => {
        const explanation = await context.api().explain({ name, ...options });
        const output = context.output();
        const nowMs = options.at === undefined ? undefined : context.io.nowMs();
        await output.result(explanation, () => explanationText(explanation, output.paint, nowMs));
        return 0;
      }),
    );
  addExplainRequest(explain, context, handlers);
}

/** `nowMs` when the explanation is of another instant. */
function explanationText(explanation: Explanation, paint: Paint, nowMs?: number): string {
  return [
    headingText(explanation, paint, nowMs),
    formatFacts(factsOf(explanation, paint)),
    candidatesText(explanation, paint),
    outcomesText(explanation, paint),
    stepsText(explanation, paint),
    explanation.notes.map((note) => `${paint('yellow', 'note')}  ${note}\n`).join(''),
  ]
    .filter((part) => part !== '')
    .join('\n');
}

function headingText(
  { atMs, client, name, type }: Explanation,
  paint: Paint,
  nowMs: number | undefined,
): string {
  const from = client.from === 'client-subnet' ? 'client subnet' : "the resolver's address";
  const near = client.near === undefined ? '' : `; near ${client.near}`;
  const heading = `${paint('bold', `${name} ${type}`)} for ${client.network} (${from}; ${client.place}${near})\n`;
  if (nowMs === undefined) return heading;
  return `${heading}as it was at ${paint('bold', timeText(atMs))}, ${spanText(nowMs - atMs)} ago\n`;
}

function factsOf(explanation: Explanation, paint: Paint): readonly (readonly [string, string])[] {
  const { answer, draw, region, scope, ttl } = explanation;
  const network = scope.network === undefined ? '' : ` (${scope.network})`;
  const due = ttl.endpoints.length === 0 ? '' : ` (${ttl.endpoints.join(', ')})`;
  return [
    ['answer', answerText(answer, region, paint)],
    ['found', foundText(explanation)],
    ...(draw === undefined ? [] : [['draw', drawText(draw)] as const]),
    ['ttl', `${ttl.seconds} s. ${ttl.why}${due}`],
    ['scope', `/${scope.prefixLength}${network}. ${scope.why}`],
    ['served', servedText(explanation)],
  ];
}

const answerText = (answer: readonly string[], region: string | undefined, paint: Paint): string =>
  answer.length === 0
    ? paint('yellow', 'none')
    : `${paint('bold', answer.join(' '))}${region === undefined ? '' : ` (region ${region})`}`;

function foundText({ outcome, policy, pool, classId, rung }: Explanation): string {
  const parts = [outcome];
  if (policy !== undefined) parts.push(`policy ${policy}`);
  if (pool !== undefined) parts.push(`pool ${pool}`);
  if (classId !== undefined) parts.push(`client class ${classId}`);
  if (rung !== undefined) parts.push(`rung ${rung}`);
  return parts.join(', ');
}

function drawText({ outcome, slot, why }: NonNullable<Explanation['draw']>): string {
  return outcome.of === 1 ? why : `${why}; the next slot begins at ${timeText(slot.endsAtMs)}`;
}

/** Digits of a hash that people compare. */
const HASH_DIGITS = 12;

function servedText({ served }: Explanation): string {
  const { config, generation, node, revision } = served;
  const parts = [`generation ${generation}`, revisionText(revision)];
  if (node !== undefined) parts.unshift(`by ${node}`);
  if (config !== undefined) parts.push(`configuration ${config.slice(0, HASH_DIGITS)}`);
  return parts.join(', ');
}

function candidatesText({ candidates, region }: Explanation, paint: Paint): string {
  if (candidates.length === 0) return '';
  return formatTable(
    [
      { title: '' },
      { title: 'ENDPOINT' },
      { title: 'TIER', align: 'right' },
      { title: 'STATE' },
      { title: 'WEIGHT', align: 'right' },
      { title: 'DISTANCE', align: 'right' },
      { title: 'SHARE', align: 'right' },
      { title: 'TTL', align: 'right' },
      { title: 'REASON' },
    ],
    candidates.map((candidate) => [
      candidate.region === region ? paint('bold', '>') : ' ',
      candidate.name,
      candidate.tier === 0 ? '-' : String(candidate.tier),
      stateText(candidate.state, paint),
      String(candidate.weight),
      candidate.distanceKm === undefined ? '-' : `${candidate.distanceKm} km`,
      candidate.answerShare === 0 ? '-' : percent(candidate.answerShare),
      candidate.ttlSeconds >= TTL_LONG_SECONDS ? '-' : `${candidate.ttlSeconds}s`,
      [
        ...(candidate.seenFrom === undefined ? [] : [`as ${candidate.seenFrom} sees it:`]),
        ...(candidate.share === 1 ? [] : [`${percent(candidate.share)} returned;`]),
        candidate.reason,
      ].join(' '),
    ]),
    (heading) => paint('bold', heading),
  );
}

/** What nothing foreseeable changes has a word that holds for days. */
const TTL_LONG_SECONDS = 86_400;

/** Only when a draw decides: one outcome with all the share is the answer itself. */
function outcomesText({ outcomes }: Explanation, paint: Paint): string {
  if (outcomes.length < 2) return '';
  return formatTable(
    [{ title: 'DRAWN', align: 'right' }, { title: 'ANSWER' }, { title: 'ENDPOINTS' }],
    outcomes.map(({ addresses, endpoints, share }) => [
      percent(share),
      addresses.join(' '),
      endpoints.join(' '),
    ]),
    (heading) => paint('bold', heading),
  );
}

function stepsText({ steps }: Explanation, paint: Paint): string {
  return steps
    .map(({ step, note, kept, dropped }, index) =>
      [
        `${index + 1}. ${paint('bold', step)}${note === '' ? '' : `  ${note}`}\n`,
        ...(kept.length === 0 ? [] : [`     ${paint('green', '+')} ${kept.join(' ')}\n`]),
        ...dropped.map(({ name, reason }) => `     ${paint('red', '-')} ${name}: ${reason}\n`),
      ].join(''),
    )
    .join('');
}
