import { z } from 'zod';
import { hashKey } from '../balancing/hash-key.ts';
import { compilePattern } from '../http/pattern.ts';
import { extensions, namedExtension } from './extensions.ts';
import { name, network, oneOrMany, saying } from './values.ts';

/** Routes of a listener as they are written: what of a request they ask for, and where it goes. */

const HOSTS_MAX = 10_000;
/** Of one listener; each is tried in turn. */
export const PATTERNS_PER_HOST_MAX = 100;
const FILTERS_MAX = 32;
const PATH_LENGTH_MAX = 1024;
const CONDITIONS_MAX = 32;
const SOURCES_MAX = 1000;
const METHODS_MAX = 32;
const ARMS_MAX = 100;
const VALUE_LENGTH_MAX = 1024;

const host = z
  .string()
  .max(255)
  .regex(/^(\*\.)?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$|^\[[0-9A-Fa-f:.]+\]$/)
  .meta({ what: 'a host name', hint: 'www.example.com or "*.example.com", without a port' });

const path = z
  .string()
  .max(PATH_LENGTH_MAX)
  .refine((text) => text.startsWith('/'), saying('does not begin with "/"'));

const pattern = z
  .string()
  .superRefine((text, context) => {
    const compiled = compilePattern(text);
    if (typeof compiled === 'string') {
      context.addIssue({ code: 'custom', input: text, ...saying(compiled) });
    }
  })
  .meta({
    what: 'a pattern',
    hint: 'a regular expression without back references and look-around; it must match the whole text',
  });

const value = z.string().max(VALUE_LENGTH_MAX);
const valueTest = z
  .union([
    value.transform((exact) => ({ exact })),
    z.strictObject({ exact: value.describe('The whole value.') }),
    z.strictObject({
      present: z.boolean().describe('`true`: it is there, whatever its value; `false`: it is not.'),
    }),
    z.strictObject({ prefix: value.describe('What the value begins with.') }),
    z.strictObject({ regex: pattern.describe('A pattern that matches the whole value.') }),
  ])
  .meta({
    what: 'a test of a value',
    hint: 'the value itself, or one of: {exact: v}, {prefix: v}, {regex: r}, {present: true}',
  });

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const fieldName = z.string().regex(TOKEN).meta({ what: 'a header or cookie name' });
const bodyName = z.string().min(1).max(VALUE_LENGTH_MAX);
const tests = (key: z.ZodString) =>
  z
    .record(key, valueTest)
    .refine(
      (all) => Object.keys(all).length <= CONDITIONS_MAX,
      saying(`has more than ${CONDITIONS_MAX} conditions`),
    )
    .optional();

const SPLIT_META = {
  what: 'a way to split',
  hint: 'random, client, host, path, uri, connection, or query:, header: or cookie: with a name',
};
const split = z.strictObject({
  by: z
    .union([z.literal('random'), hashKey.unwrap().meta(SPLIT_META)])
    .meta(SPLIT_META)
    .default('random')
    .describe(
      '`random`: each request is drawn for itself. A key (`client`, `cookie:id`, `header:X-User`, …) keeps those who share it on one arm; raising an arm moves clients only to it.',
    ),
  arms: z
    .array(
      z.strictObject({
        upstream: name.describe('The upstream that serves this arm.'),
        weight: z.number().min(0).max(1_000_000).describe('Its share of the sum; 0 = none.'),
      }),
    )
    .min(1)
    .max(ARMS_MAX)
    .refine((arms) => arms.some(({ weight }) => weight > 0), saying('has no weight above 0'))
    .describe('Where the parts go.'),
});

export const route = z.strictObject({
  hosts: z
    .union([host.transform((one) => [one]), z.array(host).max(HOSTS_MAX)])
    .meta({ what: 'a host name or a list of them' })
    .prefault([])
    .describe('Host names; `*.example.com` matches one or more labels. Default: any host.'),
  path: path.optional().describe('Only this path.'),
  pathPrefix: path
    .optional()
    .describe('Only paths that begin so, by whole segments. Default: `/`.'),
  pathRegex: pattern
    .optional()
    .describe(
      `Only paths that this pattern matches as a whole. A host has at most ${PATTERNS_PER_HOST_MAX}.`,
    ),
  methods: oneOrMany(z.string().regex(TOKEN), METHODS_MAX, 'a method or a list of them')
    .optional()
    .describe('Only these methods, in capitals as on the wire.'),
  headers: tests(fieldName).describe('Tests of headers, by name; all must hold.'),
  cookies: tests(fieldName).describe('Tests of cookies, by name; all must hold.'),
  query: tests(z.string().min(1).max(VALUE_LENGTH_MAX)).describe(
    'Tests of parameters of the query, by name, escapes decoded; all must hold.',
  ),
  sources: oneOrMany(network, SOURCES_MAX, 'a network or a list of them')
    .optional()
    .describe(
      "Only clients with an address in these networks, as the connection's other end has it.",
    ),
  body: z
    .strictObject({
      json: tests(bodyName).describe(
        'Tests of fields of a JSON body, by their path (`user.tier`, `items.0.id`); all must hold.',
      ),
      form: tests(bodyName).describe(
        'Tests of fields of a form (urlencoded), by name; all must hold.',
      ),
    })
    .refine(
      ({ form, json }) => form === undefined || json === undefined,
      saying('has both "json" and "form"; give one'),
    )
    .optional()
    .describe('Only requests with such a body, of at most 8 KiB; it is waited for.'),
  filters: z
    .array(namedExtension('kind', extensions.filters).meta({ what: 'a filter' }))
    .max(FILTERS_MAX)
    .prefault([])
    .describe('What is done to requests and responses on the way, in order.'),
  upstream: name.optional().describe('The upstream that serves.'),
  split: split.optional().describe('Several upstreams that share the requests, in place of one.'),
  mirror: z
    .strictObject({
      upstream: name.describe('The upstream that gets the copies; its answers are dropped.'),
      percent: z
        .number()
        .min(0)
        .max(100)
        .default(100)
        .describe('How many of a hundred requests are copied.'),
    })
    .optional()
    .describe(
      'Copies requests with bodies of up to 64 KiB to another upstream, without effect on the client (docs/ROUTING.md).',
    ),
});
