import { REVISION_KEY, type Revision, type Revisions } from '../cluster/revisions.ts';
import type { Sharing } from '../cluster/share-waiters.ts';
import type { Config } from '../config/config.ts';
import { diffConfig, guardShrink } from '../config/diff.ts';
import { withoutOwnSections } from '../config/own-sections.ts';
import type {
  ConfigIssue,
  ConfigPublication,
  ConfigRefusal,
  ConfigRevision,
  ConfigText,
  Problem,
  PublishRequest,
} from './control-plane.ts';

/**
 * What people do with the configuration that the nodes share: publish a revision, see which there were,
 * get one back. One that this node could not serve is not published, nor one that takes answers away
 * unless the person says so: what would be wrong here would be wrong everywhere.
 */
export type ConfigRevisions = {
  publish(request: PublishRequest): Promise<ConfigPublication | ConfigRefusal | Problem>;
  list(): Promise<readonly ConfigRevision[]>;
  text(revision: number): Promise<ConfigText | Problem>;
};

export type ConfigRevisionsParts = {
  readonly revisions: Revisions;
  /** Those that this node has served: they outlive a store that was emptied. */
  kept(): readonly Revision[];
  /** What this node serves. */
  current(): Config;
  /** The configuration that this text would be here; its name is for messages. */
  check(text: string, name: string): Checked;
  /** Why nothing can be compiled of it here; empty when it can. */
  compile(config: Config): Promise<readonly string[]>;
  /** The revision that this node serves when it has looked at all that it has heard of. */
  served(): Promise<number>;
  /** See cluster/facts.ts. */
  settled(key: string, timeoutMs: number): Promise<Sharing>;
};

export type Checked =
  | { readonly ok: true; readonly config: Config; readonly warnings: readonly ConfigIssue[] }
  | { readonly ok: false; readonly issues: readonly ConfigIssue[] };

/** How long somebody who publishes waits to hear whether others have it. */
const SHARE_WAIT_MS = 1000;

export function createConfigRevisions(parts: ConfigRevisionsParts): ConfigRevisions {
  const { revisions } = parts;
  return {
    async publish(request) {
      if (!parts.current().cluster.sharedConfig) return NOT_FOLLOWED;
      const checked = parts.check(request.text, request.name);
      if (!checked.ok) return { issues: checked.issues };
      const text = withoutOwnSections(request.text);
      // With its places as its author sees them first, then as it will be.
      const shared = text === undefined ? undefined : parts.check(text, request.name);
      if (text === undefined || !shared?.ok) return leansOnOwn(request.name);
      const before = parts.current();
      const shrinks = guardShrink(before, checked.config);
      const outcome = {
        changes: diffConfig(before, checked.config),
        warnings: checked.warnings,
        shrinks,
      };
      const known = revisions.current()?.revision ?? 0;
      const reasons = await parts.compile(checked.config);
      if (reasons.length > 0) return notCompiled(reasons);
      if (request.dryRun) return { ...outcome, revision: known + 1, published: false };
      if (shrinks.length > 0 && !request.force) return shrinking(shrinks);
      const draft = { text, by: request.by, note: request.note };
      const published = await revisions.publish(draft, request.replaces ?? known);
      if (!published.ok) return problemOf(published);
      const { revision } = published.revision;
      const [sharing, served] = await Promise.all([
        parts.settled(REVISION_KEY, SHARE_WAIT_MS),
        parts.served(),
      ]);
      // Without a store two may have been first; what the nodes settled on may be the other one's.
      if (revisions.current()?.sha256 !== published.revision.sha256) return OVERTAKEN;
      const isServed = served >= revision;
      return { ...outcome, revision, published: true, sharing, isServed };
    },
    async list() {
      const known = revisions.current();
      return (await allOf(parts)).map((revision) => rowOf(revision, known));
    },
    async text(wanted) {
      const found = (await allOf(parts)).find(({ revision }) => revision === wanted);
      return found === undefined ? notKept(wanted) : textOf(found, revisions.current());
    },
  };
}

/** All that the store or this node knows, newest first; of one number, the one that counts before others. */
async function allOf({ kept, revisions }: ConfigRevisionsParts): Promise<readonly Revision[]> {
  const known = revisions.current();
  const stored = (await revisions.history()).toReversed();
  const all = [...(known ? [known] : []), ...kept(), ...stored];
  const distinct = new Map<string, Revision>();
  for (const each of all) {
    const key = `${each.revision} ${each.sha256}`;
    if (!distinct.has(key)) distinct.set(key, each);
  }
  return [...distinct.values()].sort((a, b) => b.revision - a.revision);
}

function rowOf(row: Revision, current: Revision | undefined): ConfigRevision {
  const { atMs, by, note, revision, sha256 } = row;
  return {
    revision,
    sha256,
    by,
    atMs,
    note,
    isCurrent: sha256 === current?.sha256 && revision === current.revision,
  };
}

const textOf = (row: Revision, current: Revision | undefined): ConfigText => ({
  ...rowOf(row, current),
  text: row.text,
});

const NOT_FOLLOWED: Problem = {
  problem: 'refused',
  code: 'config.not-shared',
  message: 'This node does not follow a shared configuration, and could not judge one.',
  hint: 'Set `cluster: { sharedConfig: true }` in the file of every node that shall, and reload.',
};

const OVERTAKEN: Problem = {
  problem: 'conflict',
  code: 'config.conflict',
  message: 'Somebody published another configuration at the same time, and that one counts.',
  hint: 'See what has changed with "meridian config history", then publish again.',
};

function leansOnOwn(name: string): Problem {
  return {
    problem: 'invalid',
    code: 'config.leans-on-own',
    message: `${name} cannot be shared: other sections lean (by an alias) on the sections that are each node's own.`,
    hint: 'Own sections are node, dns.listeners, store, cluster, admin and log; write what they share twice.',
  };
}

function notCompiled(reasons: readonly string[]): Problem {
  return {
    problem: 'invalid',
    code: 'config.not-compiled',
    message: `This node could not serve it: ${reasons.join(' ')}`,
    hint: 'Nothing was published.',
  };
}

function shrinking(shrinks: readonly string[]): Problem {
  return {
    problem: 'refused',
    code: 'config.shrinks',
    message: `This would take answers away: ${shrinks.join('; ')}.`,
    hint: 'If that is meant, publish it with --force ("force": true).',
  };
}

function problemOf({
  message,
  problem,
}: {
  readonly problem: 'conflict' | 'too-large' | 'store-away';
  readonly message: string;
}): Problem {
  switch (problem) {
    case 'conflict':
      return {
        problem: 'conflict',
        code: 'config.conflict',
        message,
        hint: 'See what is current with "meridian config history". Then pull and change it again, or overrule it with --replaces and its number.',
      };
    case 'too-large':
      return { problem: 'invalid', code: 'config.too-large', message };
    case 'store-away':
      return {
        problem: 'unavailable',
        code: 'config.store-away',
        message,
        hint: '"meridian config history" shows what counts. Without the store two authors could overrule each other; overrides work all the while.',
      };
  }
}

function notKept(revision: number): Problem {
  return {
    problem: 'not-found',
    code: 'config.no-revision',
    message: `Revision ${revision} is not kept.`,
    hint: '"meridian config history" lists those that are.',
  };
}
