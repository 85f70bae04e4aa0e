import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { REVISION_BYTES_MAX } from '../cluster/revisions.ts';
import type { ConfigIssue } from '../config/issue.ts';
import { createServing, type Serving } from '../control/serving.ts';
import type { Compiler } from '../workers/compiler.ts';
import {
  type ConfigSource,
  type LoadedConfig,
  loadConfig,
  revisionName,
  type SharedRevision,
} from './config-file.ts';
import type { Parts } from './parts.ts';

/**
 * The configuration that the nodes share, as one node takes it up. The last revision that it served is
 * kept on its disk: should the newest be one that it cannot serve, it starts with that one, and with
 * its own file only when it has never served any. None of them is ever replaced by nothing.
 */
export type StartChoice =
  | {
      readonly ok: true;
      readonly serving: Serving;
      readonly configIssues: readonly ConfigIssue[];
      readonly geoWarnings: readonly string[];
    }
  | { readonly ok: false; readonly reasons: readonly string[] };

/**
 * What a node starts with: the first of these revisions that can be served, or else its file. What
 * is wrong with a newer one is told by the reload that tries it again.
 * @param file what the file says by itself
 * @param revisions newest first
 */
export async function chooseServing(
  source: ConfigSource,
  file: LoadedConfig & { readonly ok: true },
  revisions: readonly SharedRevision[],
  compiler: Pick<Compiler, 'compile'>,
): Promise<StartChoice> {
  const refused: string[] = [];
  const wanted = file.config.cluster.sharedConfig ? distinct(revisions) : [];
  for (const shared of wanted) {
    const attempt = await serve(loadConfig(source, shared), compiler);
    if (attempt.ok) return attempt;
    refused.push(`${sentence(shared)} cannot be served here: ${attempt.reasons.join(' ')}`);
  }
  const last = await serve(file, compiler);
  return last.ok ? last : { ok: false, reasons: [...refused, ...last.reasons] };
}

async function serve(loaded: LoadedConfig, compiler: Pick<Compiler, 'compile'>) {
  if (!loaded.ok) return { ok: false as const, reasons: loaded.issues.map(issueText) };
  const { config, revision, warnings } = loaded;
  const compiled = await compiler.compile({ config, generation: 1, revision });
  if (!compiled.ok) return compiled;
  const serving = createServing(config, compiled);
  return { ok: true as const, serving, configIssues: warnings, geoWarnings: compiled.warnings };
}

/** The same, and what there was before as far as the store knows: for a node without a disk of its own. */
export async function startRevisions(
  parts: Pick<Parts, 'config' | 'facts'>,
): Promise<readonly SharedRevision[]> {
  if (!parts.config.cluster.sharedConfig) return [];
  const history = await parts.facts.revisions.history();
  const earlier = history.slice(-EARLIER_MAX).toReversed();
  return [...knownRevisions(parts), ...earlier].sort((a, b) => b.revision - a.revision);
}

/** Revisions of the store's history that a start tries. */
const EARLIER_MAX = 5;

/** Newest first: what the nodes share, and what this one has served of it. */
function knownRevisions({
  config,
  facts,
}: Pick<Parts, 'config' | 'facts'>): readonly SharedRevision[] {
  const { stateDirectory } = config.node;
  const served = stateDirectory === undefined ? undefined : readServed(stateDirectory);
  return [facts.revisions.current(), served]
    .flatMap((revision) => revision ?? [])
    .sort((a, b) => b.revision - a.revision);
}

export type Followed = {
  /** What is to be served; undefined = the file. */
  latest(): SharedRevision | undefined;
  /** Every worker serves it; 0 = the file. */
  served(revision: number): void;
  /** Calls back with the words for a reload when there is a revision that is not served yet. */
  onNews(hear: (by: string) => void): () => void;
};

export function followShared(
  { config, facts, log, registry }: Pick<Parts, 'config' | 'facts' | 'log' | 'registry'>,
  serving: () => Serving,
): Followed {
  const { stateDirectory } = config.node;
  let known = knownRevisions({ config, facts });
  const textOf = (revision: number): string | undefined =>
    known.find((each) => each.revision === revision)?.text;
  let servedText = textOf(serving().snapshot.revision);
  return {
    latest: () => known[0],
    served(revision) {
      // Others see at once who is behind.
      registry.renew();
      const shared = known.find((each) => each.revision === revision);
      servedText = shared?.text;
      if (shared === undefined || stateDirectory === undefined) return;
      const problem = keepServed(stateDirectory, shared);
      if (problem !== undefined)
        log.warn(
          'config.unwritable',
          `${problem}: the shared ${revisionName(revision)} is not kept here.`,
        );
    },
    onNews: (hear) =>
      facts.revisions.follow((news) => {
        known = [news, ...known].sort((a, b) => b.revision - a.revision).slice(0, 2);
        const { config: now, snapshot } = serving();
        if (!now.cluster.sharedConfig || news.revision < snapshot.revision) return;
        // Without a store two people may give two texts one number: the facts settle on one of them.
        if (news.revision === snapshot.revision && news.text === servedText) return;
        hear(`${revisionName(news.revision)} of ${news.by}`);
      }),
  };
}

function distinct(revisions: readonly SharedRevision[]): readonly SharedRevision[] {
  return revisions.filter(
    ({ revision }, index) => revisions.findIndex((other) => other.revision === revision) === index,
  );
}

const sentence = ({ by, revision }: SharedRevision): string =>
  `The shared ${revisionName(revision)} by ${by}`;

function issueText({ column, file, hint, line, message }: ConfigIssue): string {
  return `${file}:${line}:${column}: ${message}${hint === undefined ? '' : ` (${hint})`}.`;
}

const FILE_NAME = 'shared-config.json';
const savedSchema = z.object({
  revision: z.int().min(1),
  text: z.string().max(REVISION_BYTES_MAX),
  by: z.string(),
});

/** The last revision that this node has served, as far as its disk knows. */
export function readServed(directory: string): SharedRevision | undefined {
  try {
    return savedSchema.safeParse(JSON.parse(readFileSync(join(directory, FILE_NAME), 'utf8'))).data;
  } catch {
    // None yet, or damaged: then the newest or the file must do.
    return undefined;
  }
}

/** Keeps it in one step; returns why it could not, in words. */
export function keepServed(directory: string, served: SharedRevision): string | undefined {
  try {
    mkdirSync(directory, { recursive: true });
    const file = join(directory, FILE_NAME);
    const { by, revision, text } = served;
    // Only for us: headers of monitors may hold secrets.
    writeFileSync(`${file}.next`, JSON.stringify({ revision, by, text }), { mode: 0o600 });
    renameSync(`${file}.next`, file);
    return undefined;
  } catch (error) {
    return `${directory} cannot be written (${(error as NodeJS.ErrnoException).code})`;
  }
}
