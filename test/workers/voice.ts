import type { CompilerVoice } from '../../src/workers/compiler.ts';

/** Hears what threads tell: `log` lines and `record`ed events, as "kind subject: message". */
export type HeardVoice = CompilerVoice & { readonly heard: string[] };

export function createVoice(): HeardVoice {
  const heard: string[] = [];
  return {
    heard,
    log: {
      error: (event, message) => heard.push(`${event} ${message}`),
      info: (event, message) => heard.push(`${event} ${message}`),
    },
    record: (kind, subject, message) => heard.push(`${kind} ${subject}: ${message}`),
  };
}

export const fixture = (name: string): URL => new URL(`./fixtures/${name}.ts`, import.meta.url);
