import { existsSync, readFileSync } from 'node:fs';
import fc from 'fast-check';

/** Exchanges of a client with a balancer and its server, drawn: who says what, in which pieces, and how it ends. */

export type Exchange = {
  readonly requests: readonly Request[];
  readonly answers: readonly Answer[];
  /** How the client leaves; resets come after so many of its steps. */
  readonly leaves: { readonly kind: 'end' | 'reset'; readonly after: number };
};
type Request = {
  readonly kind: RequestKind;
  readonly body: number;
  readonly chunk: number;
  readonly edits: readonly Edit[];
  /** Where it is cut, in thousandths. */
  readonly cuts: readonly number[];
  /** Each piece waits until the server has said what it has to say; else it may come before an answer. */
  readonly isPatient: boolean;
  /** Meanwhile the client reads nothing. */
  readonly isSlow: boolean;
};
type RequestKind = keyof typeof HEADS;
type Edit = { readonly at: number; readonly cut: number; readonly piece: string };
export type Answer = {
  readonly status: number;
  readonly interim: readonly number[];
  readonly framing: 'length' | 'chunked' | 'close' | 'broken';
  readonly body: number;
  readonly chunk: number;
  readonly cuts: readonly number[];
  readonly leaves: 'stays' | 'announces' | 'end' | 'reset';
  /** It leaves after so many of its pieces. */
  readonly after: number;
  /** Before it has all of the request. */
  readonly isEarly: boolean;
  /** It does not read the body before all of it was sent. */
  readonly isSlow: boolean;
};

export type Step =
  | { readonly kind: 'write' | 'last'; readonly bytes: Buffer; readonly isPatient: boolean }
  | { readonly kind: 'stop' | 'read' | 'end' | 'reset'; readonly isPatient: boolean };
/** What a server does, one after the other. */
export type Act = Buffer | 'end' | 'reset';

const HEADS = {
  get: 'GET /a?b HTTP/1.1\r\nHost: a.example\r\n',
  head: 'HEAD / HTTP/1.1\r\nHost: a\r\n',
  last: 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close, X-A\r\nX-A: 1\r\n',
  old: 'GET http://b/c HTTP/1.0\r\nConnection: keep-alive\r\n',
  length: 'POST /p HTTP/1.1\r\nHost: a\r\n',
  chunked: 'PUT /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n',
  expects: 'POST /e HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n',
  upgrade: 'GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: raw\r\n',
} as const;
const WITHOUT_BODY: ReadonlySet<RequestKind> = new Set(['get', 'head', 'last', 'old']);

const PIECES = [
  '\r',
  '\n',
  '\r\n',
  '\0',
  ' ',
  ':',
  ',',
  '5',
  '\x80',
  '\r\n\r\n',
  'Host: b\r\n',
  'Content-Length: 3\r\n',
  'Transfer-Encoding: chunked\r\n',
  'Connection: close\r\n',
];
const BROKEN = [
  'HTTP/1.1 200 OK\nContent-Length: 2\n\nok',
  'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!',
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nokay',
  'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n',
  'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok and more than that',
  'no answer at all\r\n\r\n',
];

const bodySize = fc.oneof(
  { weight: 3, arbitrary: fc.nat(20) },
  { weight: 3, arbitrary: fc.nat(5_000) },
  { weight: 2, arbitrary: fc.nat(70_000) },
  { weight: 1, arbitrary: fc.nat(600_000) },
);
/** What the kernel keeps at most for somebody who does not read. */
const LIMITS = '/proc/sys/net/ipv4/tcp_wmem';
const KEPT_BYTES = Number(
  existsSync(LIMITS) ? readFileSync(LIMITS, 'utf8').trim().split(/\s+/).at(-1) : 4_194_304,
);
const stuckSize = fc.integer({ min: KEPT_BYTES + 800_000, max: KEPT_BYTES + 1_500_000 });
const chunk = fc.integer({ min: 1, max: 100_000 });
const cuts = fc.array(fc.nat(1_000), { maxLength: 5 });
const seldom = (weight: number): fc.Arbitrary<boolean> =>
  fc.oneof({ weight, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) });

const edits = fc.oneof(
  { weight: 5, arbitrary: fc.constant([]) },
  {
    weight: 1,
    arbitrary: fc.array(
      fc.record({ at: fc.nat(1_000), cut: fc.nat(3), piece: fc.constantFrom('', ...PIECES) }),
      { minLength: 1, maxLength: 3 },
    ),
  },
);
const request = fc.record<Request>({
  kind: fc.constantFrom(...(Object.keys(HEADS) as RequestKind[])),
  body: bodySize,
  chunk,
  edits,
  cuts,
  isPatient: fc.boolean(),
  isSlow: seldom(5),
});
const answer = fc.record<Answer>({
  status: fc.constantFrom(200, 200, 204, 304, 404, 503),
  interim: fc.array(fc.constantFrom(100, 103), { maxLength: 2 }),
  framing: fc.constantFrom('length', 'length', 'length', 'chunked', 'chunked', 'close', 'broken'),
  body: bodySize,
  chunk,
  cuts,
  leaves: fc.constantFrom('stays', 'stays', 'stays', 'stays', 'announces', 'end', 'reset'),
  after: fc.nat(12),
  isEarly: seldom(5),
  isSlow: seldom(5),
});
const usual = fc.record<Exchange>({
  requests: fc.array(request, { minLength: 1, maxLength: 4 }),
  answers: fc.array(answer, { minLength: 1, maxLength: 4 }),
  leaves: fc.record({
    kind: fc.constantFrom('end', 'end', 'end', 'end', 'reset'),
    after: fc.nat(20),
  }),
});
/** Somebody stops to read in the midst of a long body, this way or that. */
const stuck = fc
  .record({ exchange: usual, up: fc.boolean(), size: stuckSize })
  .map(({ exchange: { answers, leaves, requests }, size, up }): Exchange => {
    const [asked, ...more] = requests;
    const [said, ...others] = answers;
    const kind = up ? 'length' : 'get';
    const slow = { ...asked!, kind, body: up ? size : 0, isSlow: !up, edits: [] } as const;
    const long = { ...said!, status: 200, isEarly: false, isSlow: up } as const;
    const body = up ? long.body : size;
    return {
      requests: [slow, ...more],
      answers: [{ ...long, body }, ...others],
      leaves,
    };
  });
export const exchange = fc.oneof({ weight: 9, arbitrary: usual }, { weight: 1, arbitrary: stuck });

/** What bodies are made of: it repeats itself nowhere, so nothing passes for another part of it. */
const PATTERN = createPattern(KEPT_BYTES + 1_600_000);
function createPattern(octets: number): Buffer {
  const bytes = Buffer.allocUnsafe(octets);
  for (let at = 0, state = 1; at < octets; at += 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[at] = 97 + ((state >>> 27) % 26);
  }
  return bytes;
}
const content = (octets: number): Buffer => PATTERN.subarray(octets % 997, (octets % 997) + octets);

/** The client's steps. */
export function stepsOf({ leaves, requests }: Exchange): readonly Step[] {
  const steps: Step[] = [];
  let wasSlow = false;
  for (const each of requests) {
    const { isSlow } = each;
    if (isSlow) steps.push({ kind: 'stop', isPatient: true });
    for (const bytes of cut(requestBytes(each), each.cuts)) {
      // How much gets through to somebody who does not read is the engine's: all that can happen has to.
      steps.push({ kind: 'write', bytes, isPatient: isSlow || wasSlow || each.isPatient });
      wasSlow = false;
    }
    if (isSlow) steps.push({ kind: 'read', isPatient: true });
    wasSlow = isSlow;
  }
  const last = steps.at(-1);
  if (leaves.kind === 'reset') {
    steps.splice(leaves.after, steps.length, { kind: 'reset', isPatient: true });
  } else if (last?.kind === 'write' && leaves.after % 3 === 0) {
    // Its end comes in one with what it says last.
    steps.splice(-1, 1, { ...last, kind: 'last' });
  } else steps.push({ kind: 'end', isPatient: wasSlow || leaves.after % 2 === 0 });
  return steps;
}

function requestBytes({ body, chunk: size, edits: changes, kind }: Request): Buffer {
  let head: string = HEADS[kind];
  if (kind === 'length' || kind === 'expects') head += `Content-Length: ${body}\r\n`;
  head += '\r\n';
  for (const { at, cut: gone, piece } of changes) {
    const from = Math.floor((at * head.length) / 1_000);
    head = head.slice(0, from) + piece + head.slice(from + gone);
  }
  const bytes = Buffer.from(head, 'latin1');
  if (WITHOUT_BODY.has(kind)) return bytes;
  // What follows a request to upgrade is for the tunnel.
  return Buffer.concat([bytes, kind === 'chunked' ? inChunks(body, size) : content(body)]);
}

/** What a server does when it is asked. */
export function actsOf(answer: Answer, method: string, isUpgrade: boolean): readonly Act[] {
  const bytes = isUpgrade ? tunnelBytes(answer) : answerBytes(answer, method);
  const pieces = cut(bytes, answer.cuts);
  const { after, framing, leaves } = answer;
  if (leaves === 'end' || leaves === 'reset') return [...pieces.slice(0, after), leaves];
  return !isUpgrade && framing === 'close' ? [...pieces, 'end'] : pieces;
}

function tunnelBytes({ body }: Answer): Buffer {
  const head = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\n';
  return Buffer.concat([Buffer.from(head), content(body)]);
}

function answerBytes(answer: Answer, method: string): Buffer {
  const { body, chunk: size, framing, interim, leaves, status } = answer;
  const first = interim.map((each) => `HTTP/1.1 ${each} Wait\r\nLink: </a>\r\n\r\n`).join('');
  if (framing === 'broken') return Buffer.from(first + BROKEN[body % BROKEN.length]!, 'latin1');
  let head = `${first}HTTP/1.1 ${status} Word\r\nX-B: c\r\n`;
  if (framing === 'length') head += `Content-Length: ${body}\r\n`;
  if (framing === 'chunked') head += 'Transfer-Encoding: chunked\r\n';
  if (leaves === 'announces') head += 'Connection: close\r\n';
  const bytes = Buffer.from(`${head}\r\n`);
  if (method === 'HEAD' || status === 204 || status === 304) return bytes;
  return Buffer.concat([bytes, framing === 'chunked' ? inChunks(body, size) : content(body)]);
}

const CHUNKS_MAX = 50;
function inChunks(body: number, size: number): Buffer {
  const all = content(body);
  const step = Math.max(size, Math.ceil(body / CHUNKS_MAX));
  const parts: Buffer[] = [];
  for (let at = 0; at < body; at += step) {
    const part = all.subarray(at, at + step);
    parts.push(Buffer.from(`${part.length.toString(16)};x=y\r\n`), part, LINE_END);
  }
  return Buffer.concat([...parts, Buffer.from('0\r\nX-T: 1\r\n\r\n')]);
}
const LINE_END = Buffer.from('\r\n');

function cut(bytes: Buffer, places: readonly number[]): readonly Buffer[] {
  const ends = places.map((place) => Math.floor((place * bytes.length) / 1_000));
  const sorted = [...ends, bytes.length].sort((a, b) => a - b);
  return sorted
    .map((end, index) => bytes.subarray(sorted[index - 1] ?? 0, end))
    .filter(({ length }) => length > 0);
}
