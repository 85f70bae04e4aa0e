import type { Command } from 'commander';
import type {
  RequestExplanation,
  RequestProblem,
  RequestQuestion,
} from '../control/control-plane.ts';
import { validateFile } from './config-file.ts';
import { type CliContext, examples } from './context.ts';
import { CliExit, EXIT_CONFIG, EXIT_NO } from './exit.ts';
import type { Handlers } from './io.ts';
import { type Paint, percent, stateText } from './output.ts';
import { formatFacts, formatTable } from './table.ts';

type Options = {
  readonly method: string;
  readonly header: readonly string[];
  readonly data?: string;
  readonly from?: string;
  readonly listener?: string;
  readonly config?: string;
};

/** `meridian explain request`: what becomes of a request, by a running node or by a file alone. */
export function addExplainRequest(explain: Command, context: CliContext, handlers: Handlers): void {
  explain
    .command('request')
    .description(
      'What the balancer does with a request: which route takes it and why no earlier one, its filters, its server',
    )
    .argument('<url>', 'what is asked for, for instance http://www.example.com/path')
    .option('--method <method>', 'the method', 'GET')
    .option('--header <header>', '"Name: value"; several times for several', gather, [])
    .option('--data <text>', 'its body; the type is a header')
    .option('--from <address>', "the client's address (default: 127.0.0.1)")
    .option('--listener <name>', "the listener (default: the one on the URL's port)")
    .option('-c, --config <file>', 'by this configuration file, without a running node')
    .addHelpText(
      'after',
      examples(
        'meridian explain request http://shop.example.com/api/cart',
        "meridian explain request --method POST --header 'Cookie: lane=canary' --from 203.0.113.7 http://shop.example.com/api/cart",
        'meridian explain request --config meridian.yaml http://shop.example.com/old',
      ),
    )
    .action(
      context.action(async (url: string, options: Options) => {
        const { config, data, from, header, listener, method } = options;
        const question: RequestQuestion = {
          ...{ method, url, headers: header },
          ...(data === undefined ? {} : { body: data }),
          ...(from === undefined ? {} : { from }),
          ...(listener === undefined ? {} : { listener }),
        };
        const explained =
          config === undefined
            ? await context.api().explainRequest(question)
            : await explainOffline(context, handlers, config, question);
        const output = context.output();
        await output.result(explained, () => requestText(explained, output.paint));
        return 0;
      }),
    );
}

const gather = (header: string, before: readonly string[]): readonly string[] => [
  ...before,
  header,
];

async function explainOffline(
  { io }: CliContext,
  handlers: Handlers,
  file: string,
  question: RequestQuestion,
): Promise<RequestExplanation> {
  const result = await validateFile(io, file);
  if (!result.ok) {
    throw new CliExit(EXIT_CONFIG, `${file} is not valid.`, undefined, result.issues);
  }
  const explained = handlers.explainRequest(result.config, question);
  if (!isProblem(explained)) return explained;
  const { hint, wrong } = explained;
  const words = wrong.slice(0, 1).toUpperCase() + wrong.slice(1);
  throw new CliExit(EXIT_NO, `${words}.`, hint);
}

const isProblem = (explained: RequestExplanation | RequestProblem): explained is RequestProblem =>
  'wrong' in explained;

function requestText(explained: RequestExplanation, paint: Paint): string {
  const { request } = explained;
  return [
    `${paint('bold', `${request.method} ${request.target}`)} of ${request.host || 'no host'}, from ${request.from}\n`,
    formatFacts(factsOf(explained, paint)),
    routesText(explained, paint),
    serversText(explained, paint),
  ]
    .filter((part) => part !== '')
    .join('\n');
}

function factsOf(explained: RequestExplanation, paint: Paint) {
  const {
    answer,
    asked,
    filters,
    listener,
    mirror,
    request,
    routes,
    routesTotal,
    split,
    upstream,
  } = explained;
  const facts: (readonly [string, string])[] = [
    ['listener', `${listener.name}, region ${listener.region} (${listener.why})`],
    ['path', request.path === '' ? 'none' : request.path],
  ];
  const taken = routes.find(({ verdict }) => verdict === 'taken');
  const text = taken === undefined ? 'none' : `routes[${taken.index}] of ${routesTotal}`;
  facts.push(['route', `${paint('bold', text)}${taken ? ` (${taken.why})` : ''}`]);
  for (const { effects, kind } of filters) {
    facts.push(['filter', `${kind}: ${effects.length === 0 ? 'nothing' : effects.join('; ')}`]);
  }
  if (answer) facts.push(['answer', `${paint('bold', String(answer.status))}, ${answer.why}`]);
  if (split) {
    const arms = split.arms.map((arm) => `${arm.upstream} ${percent(arm.share)}`);
    facts.push(['split', `${arms.join(', ')} (${split.why})`]);
  }
  if (mirror) facts.push(['mirror', `${mirror.percent} % are copied to ${mirror.upstream}`]);
  if (asked) facts.push(['asks for', `${asked.target} of ${asked.host || 'no host'}`]);
  if (upstream) facts.push(['upstream', `${paint('bold', upstream.name)}: ${upstream.why}`]);
  if (upstream?.session !== undefined) facts.push(['session', upstream.session.why]);
  if (upstream?.tableVersion !== undefined) facts.push(['table', upstream.tableVersion]);
  if (upstream?.hedging !== undefined) facts.push(['hedging', upstream.hedging]);
  return facts;
}

/** Those up to the one taken, and those behind it that would take the request as well. */
function routesText({ routes }: RequestExplanation, paint: Paint): string {
  const taken = routes.findIndex(({ verdict }) => verdict === 'taken');
  const shown = routes.filter(
    ({ verdict }, place) => taken < 0 || place <= taken || verdict === 'later',
  );
  if (shown.length === 0) return '';
  return formatTable(
    [{ title: '' }, { title: 'ROUTE' }, { title: 'HOSTS' }, { title: 'PATH' }, { title: 'WHY' }],
    shown.map(({ hosts, index, path, verdict, why }) => [
      verdict === 'taken' ? paint('bold', '>') : ' ',
      `routes[${index}]`,
      hostsText(hosts),
      path,
      why,
    ]),
    (heading) => paint('bold', heading),
  );
}

/** More hosts than this make no column. */
const HOSTS_SHOWN_MAX = 3;

function hostsText(hosts: readonly string[]): string {
  if (hosts.length === 0) return 'any';
  const more = hosts.length - HOSTS_SHOWN_MAX;
  return `${hosts.slice(0, HOSTS_SHOWN_MAX).join(' ')}${more > 0 ? ` and ${more} more` : ''}`;
}

function serversText({ upstream }: RequestExplanation, paint: Paint): string {
  if (upstream === undefined) return '';
  return formatTable(
    [
      { title: '' },
      { title: 'SERVER' },
      { title: 'STATE' },
      { title: 'WEIGHT', align: 'right' },
      { title: 'REASON' },
    ],
    upstream.servers.map(({ isPicked, name, reason, state, weight }) => [
      isPicked ? paint('bold', '>') : ' ',
      name,
      stateText(state, paint),
      String(weight),
      reason,
    ]),
    (heading) => paint('bold', heading),
  );
}
