/**
 * The language of scenarios: what happens to a small world and what it must answer, in text.
 *
 *   # A comment.
 *   regions: …            the configuration, as in a real file, up to the line of dashes
 *   ----------
 *   QUERY www.gslb.example A FROM 198.51.100.9 SUBNET 133.11.0.0/16 EXPECT 127.0.3.1 TTL <= 5 SCOPE 16
 *   QUERY nowhere.gslb.example A FROM 198.51.100.9 EXPECT NXDOMAIN
 *   PROBE frankfurt SEES web/virginia FAIL x2        two failures, then as before
 *   PROBE EVERYONE SEES web/virginia FAIL            from now on
 *   VANTAGE frankfurt SILENT                         or BACK
 *   OVERRIDE drain region virginia FOR 60s
 *   CLEAR region virginia
 *   TIME PASSES 3s
 *   EXPECT HEALTH web/virginia down
 *
 * EXPECT lists the addresses of the answer in any order, `ONE OF` some of them, `ANY`, or an RCODE.
 */
export type Script = { readonly config: string; readonly steps: readonly Step[] };

export type Step = { readonly line: number; readonly text: string } & Action;

export type Action =
  | {
      readonly kind: 'query';
      readonly question: ScenarioQuestion;
      readonly expected: Expected;
    }
  | {
      readonly kind: 'probe';
      /** undefined = every vantage point. */
      readonly vantage: string | undefined;
      readonly endpoint: string | undefined;
      readonly ok: boolean;
      /** undefined = from now on. */
      readonly times: number | undefined;
      readonly reason: string;
    }
  | { readonly kind: 'vantage'; readonly vantage: string; readonly silent: boolean }
  | {
      readonly kind: 'override';
      readonly action: 'drain' | 'up' | 'down';
      readonly target: ScenarioTarget;
      readonly forMs: number | undefined;
    }
  | { readonly kind: 'clear'; readonly target: ScenarioTarget }
  | { readonly kind: 'time'; readonly ms: number }
  | { readonly kind: 'health'; readonly endpoint: string; readonly state: string };

export type ScenarioTarget = {
  readonly kind: 'region' | 'pool' | 'endpoint';
  readonly name: string;
};
export type ScenarioQuestion = {
  readonly name: string;
  readonly type: 'A' | 'AAAA' | 'TXT' | 'NS' | 'SOA';
  readonly from: string;
  readonly subnet: string | undefined;
};
export type Expected = {
  readonly answer:
    | { readonly kind: 'all'; readonly addresses: readonly string[] }
    | { readonly kind: 'one-of'; readonly addresses: readonly string[] }
    | { readonly kind: 'any' }
    | { readonly kind: 'rcode'; readonly rcode: string };
  readonly ttl: { readonly relation: '<=' | '>=' | '='; readonly seconds: number } | undefined;
  readonly scope: number | undefined;
};

/** Reads a scenario; throws with the line when a statement is not understood. */
export function parseScript(text: string): Script {
  const lines = text.split('\n');
  const divider = lines.findIndex((line) => /^-{10,}$/.test(line));
  if (divider === -1) throw new Error('a scenario needs a line of dashes after its configuration');
  const steps = lines.slice(divider + 1).flatMap((raw, index): Step[] => {
    const statement = raw.replace(/\s+#.*$|^#.*$/, '').trim();
    if (statement === '') return [];
    const line = divider + 2 + index;
    const action = parseAction(statement);
    if (action === undefined) throw new Error(`line ${line} is not understood: ${statement}`);
    return [{ line, text: statement, ...action }];
  });
  return { config: lines.slice(0, divider).join('\n'), steps };
}

/** `1500ms`, `3s`, `2m`, `1h` in milliseconds. */
function parseDuration(text: string): number {
  const [, amount = '', unit = ''] = /^(\d+)(ms|s|m|h)$/.exec(text) ?? [];
  const factor = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }[unit];
  if (factor === undefined) throw new Error(`not a duration: ${text}`);
  return Number(amount) * factor;
}

function parseAction(statement: string): Action | undefined {
  for (const [pattern, build] of GRAMMAR) {
    const groups = pattern.exec(statement)?.groups;
    if (groups !== undefined) return build(groups);
  }
  return undefined;
}

type Groups = Readonly<Record<string, string | undefined>>;

const GRAMMAR: readonly (readonly [RegExp, (groups: Groups) => Action])[] = [
  [
    /^QUERY (?<name>\S+) (?<type>A|AAAA|TXT|NS|SOA) FROM (?<from>\S+)(?: SUBNET (?<subnet>\S+))? EXPECT (?<answer>.+?)(?: TTL (?<relation><=|>=|=) (?<ttl>\d+))?(?: SCOPE (?<scope>\d+))?$/,
    ({ name = '', type, from = '', subnet, answer = '', relation, ttl, scope }) => ({
      kind: 'query',
      // The pattern lets only these types and relations through.
      question: { name, type: type as ScenarioQuestion['type'], from, subnet },
      expected: {
        answer: parseAnswer(answer),
        ttl:
          ttl === undefined
            ? undefined
            : { relation: relation as '<=' | '>=' | '=', seconds: Number(ttl) },
        scope: scope === undefined ? undefined : Number(scope),
      },
    }),
  ],
  [
    /^PROBE (?<vantage>\S+) SEES (?<endpoint>\S+) (?<result>FAIL|OK)(?: x(?<times>\d+))?(?: "(?<reason>.*)")?$/,
    ({ vantage, endpoint, result, times, reason }) => ({
      kind: 'probe',
      vantage: vantage === 'EVERYONE' ? undefined : vantage,
      endpoint: endpoint === 'EVERYTHING' ? undefined : endpoint,
      ok: result === 'OK',
      times: times === undefined ? undefined : Number(times),
      reason: reason ?? (result === 'OK' ? '200 OK' : '503 Service Unavailable'),
    }),
  ],
  [
    /^VANTAGE (?<vantage>\S+) (?<state>SILENT|BACK)$/,
    ({ vantage = '', state }) => ({ kind: 'vantage', vantage, silent: state === 'SILENT' }),
  ],
  [
    /^OVERRIDE (?<action>drain|up|down) (?<target>region|pool|endpoint) (?<name>\S+)(?: FOR (?<duration>\S+))?$/,
    ({ action, target, name = '', duration }) => ({
      kind: 'override',
      action: action as 'drain' | 'up' | 'down',
      target: { kind: target as ScenarioTarget['kind'], name },
      forMs: duration === undefined ? undefined : parseDuration(duration),
    }),
  ],
  [
    /^CLEAR (?<target>region|pool|endpoint) (?<name>\S+)$/,
    ({ target, name = '' }) => ({
      kind: 'clear',
      target: { kind: target as ScenarioTarget['kind'], name },
    }),
  ],
  [
    /^TIME PASSES (?<duration>\S+)$/,
    ({ duration = '' }) => ({ kind: 'time', ms: parseDuration(duration) }),
  ],
  [
    /^EXPECT HEALTH (?<endpoint>\S+) (?<state>\S+)$/,
    ({ endpoint = '', state = '' }) => ({ kind: 'health', endpoint, state }),
  ],
];

function parseAnswer(text: string): Expected['answer'] {
  if (text === 'ANY') return { kind: 'any' };
  if (/^(NXDOMAIN|NODATA|REFUSED|SERVFAIL|FORMERR)$/.test(text)) {
    return { kind: 'rcode', rcode: text };
  }
  if (text.startsWith('ONE OF ')) return { kind: 'one-of', addresses: text.slice(7).split(' ') };
  return { kind: 'all', addresses: text.split(' ') };
}
