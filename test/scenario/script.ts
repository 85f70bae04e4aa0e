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
 *   OVERRIDE drain region virginia FOR 60s           a person's word, said on any node, or AT va
 *   OVERRIDE drain region virginia DRILL d1          a drill's word, which goes below a person's
 *   CLEAR region virginia                            a person's word is taken back; or AT va
 *   PUBLISH /frankfurt, //                           the configuration with the one text in the place of the other,
 *                                                    FORCED or not, AT va or anywhere, EXPECT TAKEN or REFUSED; takes 2 s
 *   TIME PASSES 3s
 *   EXPECT HEALTH web/virginia down
 *
 *   NODE va RUNS virginia                            a node with these vantage points; without any, one has all
 *   NODE va DIES                                     or STARTS, with what its disk holds, or STARTS EMPTY
 *   PARTITION va | fr sg                             nothing passes between the two sides
 *   PARTITION va -> fr                               nothing passes from one to the other
 *   HEAL
 *   STORE AWAY                                       or BACK, or EMPTIED
 *   CLOCK va +1h                                     its clock steps
 *   AGENT virginia NOT READY "no server is usable"   or READY: what the region's balancer reports
 *   EXPECT EVENT pool.frozen web                     since the last TIME PASSES before which events were asked for
 *   EXPECT NO EVENT endpoint.down
 *   EXPECT PART 5..20 OF www.gslb.example FROM 17.0.0.0 GETS 127.0.1.1   per cent of 256 networks from there on
 *
 * PROBE … SEES `monitor/NAME` is about all that the monitor asks, `canary/ADDRESS:PORT` about a canary.
 * QUERY and EXPECT HEALTH ask every living node, or one: `AT va` at the end; EXPECT HEALTH may end in
 * `NEAR frankfurt`. EXPECT lists the addresses of the answer in any order, `ONE OF` some of them, `ANY`, or an RCODE.
 */
export type Script = { readonly config: string; readonly steps: readonly Step[] };

export type Step = { readonly line: number; readonly text: string } & Action;

export type Action =
  | {
      readonly kind: 'query';
      readonly question: ScenarioQuestion;
      readonly expected: Expected;
      readonly node?: string;
    }
  | {
      readonly kind: 'probe';
      /** undefined = every vantage point. */
      readonly vantage: string | undefined;
      readonly endpoint: string | undefined;
      readonly result: 'ok' | 'fail' | 'slow';
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
      readonly drill?: string;
      readonly node?: string;
    }
  | { readonly kind: 'clear'; readonly target: ScenarioTarget; readonly node?: string }
  | {
      readonly kind: 'publish';
      readonly from: string;
      readonly to: string;
      readonly isForced: boolean;
      readonly node?: string;
      readonly isTaken: boolean;
    }
  | { readonly kind: 'time'; readonly ms: number }
  | {
      readonly kind: 'health';
      readonly endpoint: string;
      readonly state: string;
      readonly near?: string;
      readonly node?: string;
    }
  | { readonly kind: 'node'; readonly node: string; readonly vantages: readonly string[] }
  | {
      readonly kind: 'life';
      readonly node: string;
      readonly what: 'dies' | 'starts' | 'starts-empty';
    }
  | {
      readonly kind: 'partition';
      readonly groups: readonly (readonly string[])[];
      readonly oneWay: boolean;
    }
  | { readonly kind: 'heal' }
  | { readonly kind: 'store'; readonly state: 'away' | 'back' | 'emptied' }
  | { readonly kind: 'clock'; readonly node: string; readonly byMs: number }
  | {
      readonly kind: 'agent';
      readonly region: string;
      readonly ready: boolean;
      readonly reason: string;
    }
  | { readonly kind: 'event'; readonly event: string; readonly happened: boolean }
  | {
      readonly kind: 'part';
      readonly percent: readonly [number, number];
      readonly name: string;
      readonly from: string;
      readonly address: string;
    };

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
    /^QUERY (?<name>\S+) (?<type>A|AAAA|TXT|NS|SOA) FROM (?<from>\S+)(?: SUBNET (?<subnet>\S+))? EXPECT (?<answer>.+?)(?: TTL (?<relation><=|>=|=) (?<ttl>\d+))?(?: SCOPE (?<scope>\d+))?(?: AT (?<node>\S+))?$/,
    ({ name = '', type, from = '', subnet, answer = '', relation, ttl, scope, node }) => ({
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
      ...(node === undefined ? {} : { node }),
    }),
  ],
  [
    /^PROBE (?<vantage>\S+) SEES (?<endpoint>\S+) (?<result>FAIL|OK|SLOW)(?: x(?<times>\d+))?(?: "(?<reason>.*)")?$/,
    ({ vantage, endpoint, result, times, reason }) => ({
      kind: 'probe',
      vantage: vantage === 'EVERYONE' ? undefined : vantage,
      endpoint: endpoint === 'EVERYTHING' ? undefined : endpoint,
      result: result === 'FAIL' ? 'fail' : result === 'SLOW' ? 'slow' : 'ok',
      times: times === undefined ? undefined : Number(times),
      reason: reason ?? (result === 'FAIL' ? '503 Service Unavailable' : '200 OK'),
    }),
  ],
  [
    /^VANTAGE (?<vantage>\S+) (?<state>SILENT|BACK)$/,
    ({ vantage = '', state }) => ({ kind: 'vantage', vantage, silent: state === 'SILENT' }),
  ],
  [
    /^OVERRIDE (?<action>drain|up|down) (?<target>region|pool|endpoint) (?<name>\S+)(?: FOR (?<duration>\S+))?(?: DRILL (?<drill>\S+))?(?: AT (?<node>\S+))?$/,
    ({ action, target, name = '', duration, drill, node }) => ({
      kind: 'override',
      action: action as 'drain' | 'up' | 'down',
      target: { kind: target as ScenarioTarget['kind'], name },
      forMs: duration === undefined ? undefined : parseDuration(duration),
      ...(drill === undefined ? {} : { drill }),
      ...(node === undefined ? {} : { node }),
    }),
  ],
  [
    /^CLEAR (?<target>region|pool|endpoint) (?<name>\S+)(?: AT (?<node>\S+))?$/,
    ({ target, name = '', node }) => ({
      kind: 'clear',
      target: { kind: target as ScenarioTarget['kind'], name },
      ...(node === undefined ? {} : { node }),
    }),
  ],
  [
    /^PUBLISH \/(?<from>[^/]*)\/(?<to>[^/]*)\/(?<forced> FORCED)?(?: AT (?<node>\S+))? EXPECT (?<outcome>TAKEN|REFUSED)$/,
    ({ from = '', to = '', forced, node, outcome }) => ({
      kind: 'publish',
      from,
      to,
      isForced: forced !== undefined,
      isTaken: outcome === 'TAKEN',
      ...(node === undefined ? {} : { node }),
    }),
  ],
  [
    /^TIME PASSES (?<duration>\S+)$/,
    ({ duration = '' }) => ({ kind: 'time', ms: parseDuration(duration) }),
  ],
  [
    /^EXPECT HEALTH (?<endpoint>\S+) (?<state>\S+)(?: NEAR (?<near>\S+))?(?: AT (?<node>\S+))?$/,
    ({ endpoint = '', state = '', near, node }) => ({
      kind: 'health',
      endpoint,
      state,
      ...(near === undefined ? {} : { near }),
      ...(node === undefined ? {} : { node }),
    }),
  ],
  [
    /^NODE (?<node>\S+) RUNS (?<vantages>.+)$/,
    ({ node = '', vantages = '' }) => ({ kind: 'node', node, vantages: vantages.split(' ') }),
  ],
  [
    /^NODE (?<node>\S+) (?<what>DIES|STARTS|STARTS EMPTY)$/,
    ({ node = '', what = '' }) => ({
      kind: 'life',
      node,
      what: what === 'DIES' ? 'dies' : what === 'STARTS' ? 'starts' : 'starts-empty',
    }),
  ],
  [
    /^PARTITION (?<groups>.+)$/,
    ({ groups = '' }) => ({
      kind: 'partition',
      oneWay: groups.includes('->'),
      groups: groups.split(/ (?:\||->) /).map((group) => group.trim().split(' ')),
    }),
  ],
  [/^(?<word>HEAL)$/, () => ({ kind: 'heal' })],
  [
    /^STORE (?<state>AWAY|BACK|EMPTIED)$/,
    ({ state = '' }) => ({ kind: 'store', state: state.toLowerCase() as 'away' }),
  ],
  [
    /^CLOCK (?<node>\S+) (?<sign>[+-])(?<duration>\S+)$/,
    ({ node = '', sign, duration = '' }) => ({
      kind: 'clock',
      node,
      byMs: (sign === '-' ? -1 : 1) * parseDuration(duration),
    }),
  ],
  [
    /^AGENT (?<region>\S+) (?<state>READY|NOT READY)(?: "(?<reason>.*)")?$/,
    ({ region = '', state, reason = '' }) => ({
      kind: 'agent',
      region,
      ready: state === 'READY',
      reason,
    }),
  ],
  [
    /^EXPECT (?<no>NO )?EVENT (?<event>\S+(?: \S+)?)$/,
    ({ no, event = '' }) => ({ kind: 'event', event, happened: no === undefined }),
  ],
  [
    /^EXPECT PART (?<least>\d+)\.\.(?<most>\d+) OF (?<name>\S+) FROM (?<from>\S+) GETS (?<address>\S+)$/,
    ({ least, most, name = '', from = '', address = '' }) => ({
      kind: 'part',
      percent: [Number(least), Number(most)],
      name,
      from,
      address,
    }),
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
