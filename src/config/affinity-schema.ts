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

const cookie = z
  .strictObject({
    name: z
      .string()
      .max(TEXT_LENGTH_MAX)
      .regex(/^[!#$%&'*+\-.^_`|~\w]+$/)
      .meta({ what: 'a name of a cookie', hint: 'letters, digits, "-", "_"' })
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

export const affinity = z
  .strictObject({
    cookie: cookie.describe('A signed cookie names the server (docs/SESSIONS.md).'),
  })
  .optional()
  .describe(
    'Keeps a client on its server while that is usable. Default: the algorithm alone chooses.',
  );
