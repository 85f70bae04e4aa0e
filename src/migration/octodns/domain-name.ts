import type { Notes } from '../notes.ts';
import { type Tree, textOf } from '../tree.ts';
import type { RecordContext } from './record-context.ts';

/** Names as octoDNS takes them: in any script, and in full where they are data. */

/** In the letters that DNS has (RFC 5891); undefined when there is no such form. */
export function asciiName(name: string): string | undefined {
  if (/^\p{ASCII}*$/u.test(name)) return name;
  const labels = name.split('.').map(asciiLabel);
  return labels.includes(undefined) ? undefined : labels.join('.');
}

function asciiLabel(label: string): string | undefined {
  if (/^\p{ASCII}*$/u.test(label)) return label;
  const url = URL.parse(`http://${label}.example/`);
  const [first = '', ...rest] = url?.hostname.split('.') ?? [];
  return rest.join('.') === 'example' && first.startsWith('xn--') ? first : undefined;
}

/** A name that is data, with its last dot. */
export function targetName(tree: Tree | undefined, context: RecordContext): string | undefined {
  const text = textOf(tree);
  if (tree === undefined || text === undefined) return undefined;
  const name = asciiName(text);
  if (name === undefined) {
    context.notes.error(tree.at, `"${text}" is not a domain name`);
    return undefined;
  }
  if (name.endsWith('.')) return name;
  const message = `"${text}" has no dot at its end, without which octoDNS refuses it`;
  context.sayStrict(tree.at, message, `write "${text}.", if that is the whole name`);
  return `${name}.`;
}

/** The name of a record in its zone: '' is the zone itself. */
export function ownerName(name: string, at: Tree['at'], notes: Notes): string | undefined {
  const ascii = asciiName(name);
  if (ascii !== undefined && !/\s/.test(ascii) && name !== '@') return ascii;
  const hint = name === '@' ? "the zone itself is '' in octoDNS" : undefined;
  notes.error(at, `"${name}" is not a name that a record can have`, hint);
  return undefined;
}
