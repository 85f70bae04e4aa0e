import type { ConfigIssue } from '../../config/issue.ts';
import { validateConfig } from '../../config/validate.ts';
import type { Places } from '../../geo/places.ts';
import { createNotes, inOrder, type Notes, type Place } from '../notes.ts';
import { readTree, type TextFiles } from '../tree-reader.ts';
import { createDraft, type Draft, type DraftZone } from './draft.ts';
import { writeDraft } from './write.ts';
import { readZoneFile, zoneOfFile } from './zone-file.ts';

/**
 * Zone files of octoDNS' YamlProvider as one configuration of ours:
 *
 *   files -> trees (YAML with places) -> records -> draft -> text, which validates
 *
 * What has no counterpart is a warning, what would be something else here an error; then there is no text.
 */
export type OctodnsImport =
  | {
      readonly ok: true;
      readonly text: string;
      readonly zones: number;
      readonly records: number;
      readonly steered: number;
      readonly warnings: readonly ConfigIssue[];
    }
  | { readonly ok: false; readonly issues: readonly ConfigIssue[] };

export type OctodnsOptions = {
  /** Takes what octoDNS refuses with warnings. */
  readonly isLenient: boolean;
  /** TTL of records that state none. */
  readonly ttl: number;
  /** Names of those that are to serve the zones; [] = as the files say. */
  readonly nameservers: readonly string[];
};

/** More issues than this help nobody. */
const ISSUES_MAX = 200;

export function importOctodns(
  paths: readonly string[],
  files: TextFiles,
  places: Places,
  { isLenient, nameservers, ttl }: OctodnsOptions,
): OctodnsImport {
  const notes = createNotes();
  const draft = createDraft();
  for (const path of paths) {
    const at: Place = { file: path, line: 1, column: 1 };
    const name = zoneOfFile(path);
    if (name === undefined) {
      const hint = 'files are named as their zones: example.com.yaml';
      notes.error(at, 'the name of the file is not that of a zone', hint);
      continue;
    }
    const tree = readTree(path, files, notes);
    const zone = zoneIn(draft, name, at, nameservers);
    const reader = { name, zone, draft, notes, places, ttl, isLenient, nameservers };
    if (tree !== undefined) readZoneFile(reader, tree);
  }
  if (notes.errors.length === 0) checkNameservers(draft, notes);
  return notes.errors.length > 0 ? failed(notes) : written(draft, paths, ttl, places, notes);
}

/** Files may be parts of one zone. */
function zoneIn(
  { sources, zones }: Draft,
  name: string,
  at: Place,
  nameservers: readonly string[],
): DraftZone {
  const known = zones.get(name);
  if (known !== undefined) return known;
  const full = nameservers.map((each) => `${each.replace(/\.$/, '')}.`);
  const zone: DraftZone = {
    at,
    soa: undefined,
    nameservers: full,
    records: new Map(),
    steered: new Map(),
  };
  zones.set(name, zone);
  sources.set(`zones.${name}`, at);
  return zone;
}

function checkNameservers({ zones }: Draft, notes: Notes): void {
  for (const [name, { at, nameservers }] of zones) {
    if (nameservers.length > 0) continue;
    const hint = "give --nameserver for each, or NS at '' in the file";
    notes.error(at, `the file does not say which nameservers ${name} has`, hint);
  }
}

const failed = ({ errors }: Notes): OctodnsImport => ({
  ok: false,
  issues: inOrder(errors).slice(0, ISSUES_MAX),
});

/** A text that does not validate is none: what stands against it is said of the file that it comes from. */
function written(
  draft: Draft,
  paths: readonly string[],
  ttl: number,
  places: Places,
  notes: Notes,
): OctodnsImport {
  const file = 'meridian.yaml';
  const at = draft.sources.values().next().value ?? { file: paths[0] ?? '', line: 1, column: 1 };
  const moved = (issue: ConfigIssue): ConfigIssue => ({
    ...issue,
    ...(sourceOf(draft, issue.path) ?? at),
  });
  const first = validateConfig(writeDraft(draft, ttl, paths, []), file, {}, places);
  if (!first.ok) return { ok: false, issues: inOrder(first.issues.map(moved)) };
  const warnings = inOrder([...notes.warnings, ...first.warnings.map(moved)]);
  const zones = [...draft.zones.values()];
  return {
    ok: true,
    text: writeDraft(draft, ttl, paths, warnings),
    zones: zones.length,
    records: zones.reduce(
      (sum, { records }) => sum + [...records.values()].reduce((all, { size }) => all + size, 0),
      0,
    ),
    steered: zones.reduce((sum, { steered }) => sum + steered.size, 0),
    warnings,
  };
}

/** The place of the longest path that this one begins with. */
function sourceOf({ sources }: Draft, path: string): Place | undefined {
  for (let end = path.length; end > 0; end = path.lastIndexOf('.', end - 1)) {
    const place = sources.get(path.slice(0, end));
    if (place !== undefined) return place;
  }
  return undefined;
}
