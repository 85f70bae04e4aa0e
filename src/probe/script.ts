import { z } from 'zod';
import { runProgram } from './child.ts';
import { runCourse } from './course.ts';
import { shorten } from './failure.ts';
import type { ProbeKind } from './probe.ts';

/** Scripts at once on one node: a process costs what hundreds of sockets do. */
export const SCRIPTS_MAX = 16;
const ARGUMENTS_MAX = 64;

const NO_NUL = /^[^\0]*$/;

const scriptOptions = z.strictObject({
  path: z
    .string()
    .max(4096)
    .regex(/^\/[^\0]+$/, 'an absolute path')
    .describe('The program: an absolute path. No shell is involved.'),
  args: z
    .array(z.string().max(4096).regex(NO_NUL, 'a text without NUL'))
    .max(ARGUMENTS_MAX)
    .default([])
    .describe('Its arguments.'),
  env: z
    .record(
      z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'a variable name'),
      z.string().max(4096).regex(NO_NUL, 'a text without NUL'),
    )
    .default({})
    .describe(
      'Its whole environment, to which only MERIDIAN_TARGET_ADDRESS, MERIDIAN_TARGET_PORT and, where the vantage point has one, MERIDIAN_SOURCE_ADDRESS are added.',
    ),
});
export type ScriptProbeOptions = z.infer<typeof scriptOptions>;

/**
 * Runs a program: exit status 0 is a success, the first line that it writes is the reason. It has no
 * more rights than this process and is trusted like the configuration that names it; what it writes
 * is not.
 */
export const script: ProbeKind<ScriptProbeOptions> = {
  kind: 'script',
  summary: 'Runs a program; status 0 is a success, its first line is the reason',
  options: scriptOptions,
  inFlightMax: SCRIPTS_MAX,
  run: (target, { args, env, path }, signal) =>
    runCourse(target, signal, async (course) => {
      const { address, port, sourceAddress } = target;
      const ran = await runProgram(course, path, args, {
        ...env,
        MERIDIAN_TARGET_ADDRESS: address,
        MERIDIAN_TARGET_PORT: String(port),
        ...(sourceAddress === undefined ? {} : { MERIDIAN_SOURCE_ADDRESS: sourceAddress }),
      });
      if (ran === 'too much output') return { ok: false, reason: 'it writes more than 16 KiB' };
      const said = firstLine(ran.output) || firstLine(ran.errors);
      if (ran.exitCode === 0) return { ok: true, reason: shorten(said || 'exit 0') };
      const end = ran.signal === undefined ? `exit ${ran.exitCode}` : `ended by ${ran.signal}`;
      return { ok: false, reason: shorten(said === '' ? end : `${end}: ${said}`) };
    }),
};

function firstLine(text: string): string {
  return /[^\s].*/.exec(text)?.[0] ?? '';
}
