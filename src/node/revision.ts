import type { Revision } from '../cluster/revisions.ts';
import type { ConfigIssue } from '../config/issue.ts';
import { createServing, type Serving } from '../control/serving.ts';
import type { Compiler } from '../workers/compiler.ts';
import { type ConfigSource, type LoadedConfig, loadConfig, revisionName } from './config-file.ts';
import type { Parts } from './parts.ts';
import { isSame, newestFirst, type Shelf } from './shelf.ts';

/**
 * The configuration that the nodes share, as one node takes it up. The last revisions that it served are
 * kept (see shelf.ts): should the newest be one that it cannot serve, it starts with one of those, and
 * with its own file only when it has never served any. None of them is ever replaced by nothing.
 */
export type StartChoice =
  | {
      readonly ok: true;
      readonly serving: Serving;
      /** What it is by; undefined = the file. */
      readonly shared: Revision | undefined;
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
  revisions: readonly Revision[],
  compiler: Pick<Compiler, 'compile'>,
): Promise<StartChoice> {
  const refused: string[] = [];
  const wanted = file.config.cluster.sharedConfig ? distinct(revisions) : [];
  for (const shared of wanted) {
    const attempt = await serve(loadConfig(source, shared), shared, compiler);
    if (attempt.ok) return attempt;
    refused.push(`${sentence(shared)} cannot be served here: ${attempt.reasons.join(' ')}`);
  }
  const last = await serve(file, undefined, compiler);
  return last.ok ? last : { ok: false, reasons: [...refused, ...last.reasons] };
}

async function serve(
  loaded: LoadedConfig,
  shared: Revision | undefined,
  compiler: Pick<Compiler, 'compile'>,
) {
  if (!loaded.ok) return { ok: false as const, reasons: loaded.issues.map(issueText) };
  const { config, revision, warnings } = loaded;
  const compiled = await compiler.compile({ config, generation: 1, revision });
  if (!compiled.ok) return compiled;
  const serving = createServing(config, compiled);
  return {
    ok: true as const,
    serving,
    shared,
    configIssues: warnings,
    geoWarnings: compiled.warnings,
  };
}

/** What the nodes share, what this one has served of it, and what the store knows of earlier ones: newest first. */
export async function startRevisions(
  { config, facts }: Pick<Parts, 'config' | 'facts'>,
  shelf: Shelf,
): Promise<readonly Revision[]> {
  if (!config.cluster.sharedConfig) return [];
  const history = await facts.revisions.history();
  const earlier = history.slice(-EARLIER_MAX).toReversed();
  const current = facts.revisions.current();
  return newestFirst([...(current ? [current] : []), ...shelf.all(), ...earlier]);
}

/** Revisions of the store's history that a start tries. */
const EARLIER_MAX = 5;

export type Followed = {
  /** What is to be served; undefined = the file. */
  latest(): Revision | undefined;
  /** What is served; undefined = the file. */
  current(): Revision | undefined;
  /** Every worker serves this one now, or the file. */
  served(shared: Revision | undefined): void;
  /** Calls back with the words for a reload when there is a revision that is not served yet. */
  onNews(hear: (by: string) => void): () => void;
};

export type FollowedFrom = {
  readonly shelf: Shelf;
  /** Newest first. */
  readonly revisions: readonly Revision[];
  /** The one of them that is served. */
  readonly shared: Revision | undefined;
};

export function followShared(
  { facts, log, registry }: Pick<Parts, 'facts' | 'log' | 'registry'>,
  { revisions, shared, shelf }: FollowedFrom,
  serving: () => Serving,
): Followed {
  let newest = facts.revisions.current() ?? revisions[0];
  let served: Revision | undefined;
  const serve = (now: Revision | undefined): void => {
    const isNew = now !== undefined && !(served && isSame(now, served));
    served = now;
    const problem = isNew ? shelf.keep(now) : undefined;
    if (problem === undefined) return;
    const what = `the shared ${revisionName(now!.revision)} is not kept here`;
    log.warn('config.unwritable', `${problem}: ${what}.`);
  };
  serve(shared);
  return {
    latest: () => newest,
    current: () => served,
    served(now) {
      // Others see at once who is behind.
      registry.renew();
      serve(now);
    },
    onNews: (hear) =>
      facts.revisions.follow((news) => {
        // A store's word may come after the same one of a peer, and never goes back.
        if (news.revision >= (newest?.revision ?? 0)) newest = news;
        const { config, snapshot } = serving();
        if (!config.cluster.sharedConfig || news.revision < snapshot.revision) return;
        // Without a store two people may give two texts one number: the facts settle on one of them.
        if (served && isSame(news, served)) return;
        hear(`${revisionName(news.revision)} of ${news.by}`);
      }),
  };
}

function distinct(revisions: readonly Revision[]): readonly Revision[] {
  return revisions.filter(
    (revision, index) => revisions.findIndex((other) => isSame(other, revision)) === index,
  );
}

const sentence = ({ by, revision }: Revision): string =>
  `The shared ${revisionName(revision)} by ${by}`;

function issueText({ column, file, hint, line, message }: ConfigIssue): string {
  return `${file}:${line}:${column}: ${message}${hint === undefined ? '' : ` (${hint})`}.`;
}
