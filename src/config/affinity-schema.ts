import { z } from 'zod';
import { duration } from './values.ts';

/** What keeps a client on its server, of an upstream. */

const SECRET_LENGTH_MIN = 16;
const TEXT_LENGTH_MAX = 256;

const secret = z
  .string()
  .min(SECRET_LENGTH_MIN)
  .max(TEXT_LENGTH_MAX)
  .meta({ what: `a secret of ${SECRET_LENGTH_MIN} characters or more`, secret: true });

const tokenName = (what: string) =>
  z
    .string()
    .max(TEXT_LENGTH_MAX)
    .regex(/^[!#$%&'*+\-.^_`|~\w]+$/)
    .meta({ what, hint: 'letters, digits, "-", "_"' });

const cookie = z
  .strictObject({
    name: tokenName('a name of a cookie')
      .default('MERIDIAN')
      .describe('Name of the cookie. Applications never see it.'),
    secret: secret.describe('What cookies are signed with; the same on all nodes.'),
    formerSecret: secret
      .optional()
      .describe(
        'The secret before this one: cookies signed with it are still believed, and made anew.',
      ),
    maxAge: duration('1m', '365d')
      .optional()
      .describe(
        'How long a cookie lasts; it is made anew when half of it is over. Default: until the browser is closed.',
      ),
    maxLife: duration('1m', '365d')
      .optional()
      .describe(
        'How long a client keeps its server at most, however much it comes back; then the algorithm chooses anew. Default: as long as the cookie is used.',
      ),
    path: z
      .string()
      .max(TEXT_LENGTH_MAX)
      .regex(/^\/[\x21-\x3a\x3c-\x7e]*$/)
      .meta({ what: 'a path', hint: '"/" or "/shop"' })
      .default('/')
      .describe('Path of the cookie.'),
    secure: z
      .boolean()
      .default(false)
      .describe('Browsers send it over HTTPS only: true when clients come by HTTPS.'),
    httpOnly: z.boolean().default(true).describe('Scripts of a page cannot read it.'),
    sameSite: z
      .enum(['Lax', 'Strict', 'None'])
      .default('Lax')
      .describe('Whether requests that other sites caused carry it; `None` needs `secure`.'),
  })
  .refine(({ sameSite, secure }) => sameSite !== 'None' || secure, {
    path: ['sameSite'],
    error: 'is refused by browsers without `secure: true`',
  });

/** Of tables of sessions: 17 octets for each of the places, which are one and a half to three times as many. */
const SESSIONS_MAX = 10_000_000;
export const SESSIONS_DEFAULT = 100_000;
export const SESSION_IDLE_DEFAULT_MS = 30 * 60_000;

const source = z.strictObject({
  ipv4Bits: z
    .int()
    .min(8)
    .max(32)
    .default(32)
    .describe('Leading bits of an IPv4 address: clients that share them are one session.'),
  ipv6Bits: z
    .int()
    .min(16)
    .max(128)
    .default(64)
    .describe('Leading bits of an IPv6 address. One household has the last 64.'),
});

/** What a session may be found by, one of them. */
const SESSION_KEYS = ['source', 'header', 'parameter', 'applicationCookie'] as const;
/** What is said of sessions that are found so. */
const SESSION_WORDS = ['idleTimeout', 'sessionsMax', 'shared', 'secret'] as const;

export const affinity = z
  .strictObject({
    cookie: cookie
      .optional()
      .describe('A signed cookie names the server (docs/SESSIONS.md). Nothing is stored.'),
    source: source
      .optional()
      .describe(
        "A session is the network of the client's address; which server it is on, is in a table.",
      ),
    header: tokenName('a name of a header')
      .optional()
      .describe('A session is the value of this header: `X-User`.'),
    parameter: tokenName('a name of a parameter')
      .optional()
      .describe('A session is the value of this parameter of the query: `sid`.'),
    applicationCookie: tokenName('a name of a cookie')
      .optional()
      .describe(
        'A session is the value of this cookie, which the application sets: `JSESSIONID`. The server that sets it keeps the client.',
      ),
    loadFactor: z
      .number()
      .min(1)
      .max(100)
      .optional()
      .describe(
        'A server with more than this many times its share of the requests in flight is spared: a request of a session that it has is answered by another one, and the session stays. For applications that find sessions of other servers, too; 2 is a careful value. Default: sessions stay whatever the load.',
      ),
    idleTimeout: duration('10s', '30d')
      .optional()
      .describe('A session in the table ends when it was not used for so long. Default: 30m.'),
    sessionsMax: z
      .int()
      .min(1)
      .max(SESSIONS_MAX)
      .optional()
      .describe(
        `Sessions in the table of this node, 26 to 52 octets each; those that were used once leave first. Default: ${SESSIONS_DEFAULT}.`,
      ),
    shared: z
      .boolean()
      .optional()
      .describe(
        'Whether nodes share these sessions through the `store`, which has to be Redis. Default: whether it is.',
      ),
    secret: secret
      .optional()
      .describe(
        'What keys of sessions are hashed with, so that nobody can aim at a place in the table; the same on all nodes.',
      ),
  })
  .check((ctx) => {
    const written = SESSION_KEYS.filter((word) => ctx.value[word] !== undefined);
    const report = (path: string[], error: string): void => {
      ctx.issues.push({ code: 'custom', input: ctx.value, path, message: error });
    };
    if (written.length > 1) {
      report(
        [written[1]!],
        `cannot stand beside \`${written[0]}\`: a session is found by one thing`,
      );
    }
    const { applicationCookie, cookie } = ctx.value;
    if (cookie !== undefined && applicationCookie === cookie.name) {
      report(
        ['applicationCookie'],
        'is the name of our own `cookie`, which applications never see',
      );
    }
    if (written.length === 0 && cookie === undefined) {
      report(
        [],
        `needs \`cookie\`, or one of ${SESSION_KEYS.map((word) => `\`${word}\``).join(', ')}`,
      );
    }
    for (const word of written.length === 0 ? SESSION_WORDS : []) {
      if (ctx.value[word] === undefined) continue;
      report([word], `is said of sessions in a table: it needs one of ${SESSION_KEYS.join(', ')}`);
    }
  })
  .optional()
  .describe(
    'Keeps a client on its server while that is usable. Default: the algorithm alone chooses.',
  );
