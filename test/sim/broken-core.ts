import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';

/**
 * The simulation on a core that is broken on purpose. A check that cannot fail is worth nothing, and
 * what it would catch is best shown on the real code: one place of one source file is changed while it
 * is loaded, and everything that stands on it is loaded anew beside the sound one.
 */
export type Breakage = {
  /** Names the variant. */
  readonly name: string;
  /** From the root of the project. */
  readonly file: string;
  /** Stands in the file exactly once, or the breakage is out of date. */
  readonly from: string;
  readonly to: string;
};

type Simulation = typeof import('./simulate.ts');

const ROOT = new URL('../../', import.meta.url);
const MARK = 'broken';

/** Loads the simulation with this change. */
export async function loadBroken({ file, from, name, to }: Breakage): Promise<Simulation> {
  const broken = new URL(file, ROOT).href;
  const parts = readFileSync(fileURLToPath(broken), 'utf8').split(from);
  if (parts.length !== 2) throw new Error(`${file} has ${parts.length - 1} times: ${from}`);
  const hooks = registerHooks({
    resolve(specifier, context, next) {
      const found = next(specifier, context);
      const mark = context.parentURL && new URL(context.parentURL).searchParams.get(MARK);
      if (mark !== name || !isOurs(found.url)) return found;
      return { ...found, url: marked(found.url, name) };
    },
    load(url, context, next) {
      const loaded = next(url, context);
      return url === marked(broken, name) ? { ...loaded, source: parts.join(to) } : loaded;
    },
  });
  try {
    return await import(marked(new URL('simulate.ts', import.meta.url).href, name));
  } finally {
    hooks.deregister();
  }
}

/** Packages have nothing of ours in them: one copy serves all. */
const isOurs = (url: string): boolean =>
  url.startsWith(ROOT.href) && !url.includes('/node_modules/');

function marked(url: string, name: string): string {
  const address = new URL(url);
  address.searchParams.set(MARK, name);
  return address.href;
}
