/**
 * Names of a zone as a right covers them: relative to the zone, label by label. `*` stands for one label,
 * `**` for any number of them, none included; `@` is the zone itself.
 *
 *   _acme-challenge.**   the challenge of the zone itself and of every name in it
 *   *.apps               a.apps, but neither apps nor a.b.apps
 *   **                   every name
 *
 * A wildcard record speaks for names of any depth, so only a pattern that covers all of those covers it.
 */
export type NamePattern = {
  readonly before: readonly string[];
  /** Labels after `**`; undefined = there is no `**`. */
  readonly after: readonly string[] | undefined;
};

const LABEL = /^(\*|[A-Za-z0-9_-]{1,63})$/;

/** Undefined when it is no pattern: a foreign character, an empty label, more than one `**`. */
export function parseNamePattern(text: string): NamePattern | undefined {
  if (text === '@') return { before: [], after: undefined };
  const labels = text.toLowerCase().split('.');
  const at = labels.indexOf('**');
  const others = at < 0 ? labels : labels.toSpliced(at, 1);
  if (!others.every((label) => LABEL.test(label))) return undefined;
  return at < 0
    ? { before: labels, after: undefined }
    : { before: labels.slice(0, at), after: labels.slice(at + 1) };
}

/** @param name in wire form, lower case, in the zone whose name is `apex` */
export function matchesName(
  { after, before }: NamePattern,
  name: Uint8Array,
  apex: Uint8Array,
): boolean {
  const labels = labelsBelow(name, apex);
  if (labels[0] === '*') return matchesAllBelow({ after, before }, labels.slice(1));
  if (after === undefined) return labels.length === before.length && fits(before, labels);
  if (labels.length < before.length + after.length) return false;
  return fits(before, labels) && fits(after, labels.slice(labels.length - after.length));
}

/** Whether every name below `labels`, at any depth, is covered. */
function matchesAllBelow({ after, before }: NamePattern, labels: readonly string[]): boolean {
  if (after === undefined || labels.length < after.length) return false;
  const isAny = before.length === 0 || (before.length === 1 && before[0] === '*');
  return isAny && fits(after, labels.slice(labels.length - after.length));
}

const fits = (pattern: readonly string[], labels: readonly string[]): boolean =>
  pattern.every((each, index) => each === '*' || each === labels[index]);

function labelsBelow(name: Uint8Array, apex: Uint8Array): readonly string[] {
  const labels: string[] = [];
  const end = name.length - apex.length;
  for (let at = 0; at < end; at += 1 + name[at]!) {
    labels.push(Buffer.from(name.subarray(at + 1, at + 1 + name[at]!)).toString('latin1'));
  }
  return labels;
}
