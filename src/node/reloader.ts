import type { Revision } from '../cluster/revisions.ts';
import type { Config } from '../config/config.ts';
import { diffConfig, guardShrink } from '../config/diff.ts';
import { type Clock, repeat } from '../control/clock.ts';
import type { ConfigIssue, ReloadResult } from '../control/control-plane.ts';
import type { Events } from '../control/events.ts';
import { createServing, type Serving } from '../control/serving.ts';
import type { SocketProblem } from '../io/sockets.ts';
import type { Compiler } from '../workers/compiler.ts';
import { fileVersion, geoPaths } from '../workers/geo-files.ts';
import { type ConfigSource, loadConfig, revisionName } from './config-file.ts';
import type { ZoneOverlays } from './zone-overlays.ts';
import { replaceZone } from './zone-replacer.ts';

/**
 * A configuration change: validate, diff, compile, swap. Whatever fails before the swap changes
 * nothing, and the swap is one assignment. One reload at a time; those asked for while one runs
 * are one reload after it, as all would read the same file. Geo files are looked at now and then, and
 * a new one is a reload of the same configuration.
 */
export type Reloader = {
  /** @param zone only the file of this zone is said to have changed, and only that is read, if that will do */
  reload(by: string, zone?: string): Promise<ReloadResult>;
  /** Serves the same configuration compiled anew, with what has come to its zones; why not, else []. */
  refresh(): Promise<readonly string[]>;
  last(): ReloadResult | undefined;
  /** Settles when all that was asked for by now is done. */
  settled(): Promise<unknown>;
  /** Settles when no reload runs any more. */
  close(): Promise<void>;
};

export type ReloaderParts = {
  readonly source: ConfigSource;
  readonly clock: Clock;
  readonly compiler: Pick<Compiler, 'compile'> & Partial<Pick<Compiler, 'replace'>>;
  /** What has come to a zone. */
  readonly overlays: Pick<ZoneOverlays, 'current'>;
  readonly events: Pick<Events, 'record'>;
  current(): Serving;
  /** What the nodes share, when there is something: the newest, and what is served of it. */
  readonly shared: {
    latest(): Revision | undefined;
    current(): Revision | undefined;
  };
  /** Serves other records of a zone; settles when every worker does. */
  swapZone(next: Serving): Promise<void>;
  /**
   * Serves it; settles when every worker does, with the listeners that could not be opened.
   * @param shared what it is by; undefined = the file
   */
  swap(next: Serving, shared: Revision | undefined): Promise<readonly SocketProblem[]>;
};

export const GEO_POLL_MS = 30_000;

export function createReloader(parts: ReloaderParts): Reloader {
  const { clock, events, source } = parts;
  let last: ReloadResult | undefined;
  const queue = createQueue();
  const swapper = createSwapper(parts);
  const { compileAndSwap } = swapper;
  const reload = async (by: string): Promise<ReloadResult> => {
    const before = parts.current().config;
    const latest = parts.shared.latest();
    const loaded = loadConfig(source, latest);
    if (!loaded.ok) return refuse(loaded.issues);
    const shared = loaded.revision === 0 ? undefined : latest;
    const changes = [...diffConfig(before, loaded.config), ...restartNotes(before, loaded.config)];
    const swapped = await compileAndSwap(withoutRestart(before, loaded.config), shared);
    if (!swapped.ok) {
      const { file } = source;
      const blamed = shared === undefined ? file : revisionName(shared.revision);
      return refuse(swapped.reasons.map((message) => issueOf(blamed, message)));
    }
    recordLosses(events, swapped.leftOut, guardShrink(before, loaded.config));
    events.record('config.reload', 'config', reloadText(changes, by));
    return done(true, changes, [...loaded.warnings, ...unopened(source, swapped.problems)]);
  };
  const reloadZone = async (zone: string, by: string): Promise<ReloadResult> => {
    const replaced = await replaceZone(parts, zone);
    if (replaced === undefined) return reload(by);
    events.record('config.reload', 'config', reloadText(replaced.changes, by, zone));
    return done(true, replaced.changes, []);
  };
  const refuse = (issues: readonly ConfigIssue[]): ReloadResult => {
    events.record('config.refused', 'config', refusalText(issues), 'warn');
    return done(false, [], issues);
  };
  const done = (ok: boolean, changes: readonly string[], issues: readonly ConfigIssue[]) => {
    const { generation, revision } = parts.current().snapshot;
    last = { ok, atMs: clock.nowMs(), generation, revision, changes, issues };
    return last;
  };
  const refresh = async (): Promise<readonly string[]> => {
    const swapped = await compileAndSwap(parts.current().config, parts.shared.current(), true);
    return swapped.ok ? swapped.leftOut : swapped.reasons;
  };
  const stopPolling = repeat(clock, GEO_POLL_MS, () =>
    queue.run(swapper.pollGeo).catch(swapper.unread),
  );

  const reloadAll = queue.merged(reload);
  return {
    reload: (by, zone) =>
      zone === undefined ? reloadAll(by) : queue.run(() => reloadZone(zone, by)),
    refresh: queue.merged(refresh),
    last: () => last,
    settled: queue.settled,
    async close() {
      stopPolling();
      await queue.settled();
    },
  };
}

/** What changes what is served. */
function createSwapper(parts: ReloaderParts) {
  const { events } = parts;
  let geoVersions = geoVersionsOf(parts.current().config);

  const compileAndSwap = async (
    config: Config,
    shared: Revision | undefined,
    isUnasked = false,
  ): Promise<Swapped> => {
    const { generation } = parts.current().snapshot;
    // Before they are read: a file that changes meanwhile is then read again.
    const versions = geoVersionsOf(config);
    const revision = shared?.revision ?? 0;
    const request = { config, generation: generation + 1, revision, isUnasked };
    const compiled = await parts.compiler.compile(request);
    if (!compiled.ok) return compiled;
    geoVersions = versions;
    recordRefusedGeo(events, compiled.geoRefused);
    for (const warning of compiled.warnings) {
      events.record('geo.unreadable', 'geo', warning, 'warn');
    }
    const problems = await parts.swap(createServing(config, compiled), shared);
    for (const { hint, message } of problems) {
      events.record('balancer.listener', 'balancer', `${message} ${hint}`, 'warn');
    }
    const isGeoRefused = compiled.geoRefused !== undefined;
    return { ok: true, problems, leftOut: compiled.leftOut ?? [], isGeoRefused };
  };
  const unread = (error: unknown): void => {
    events.record('geo.reload', 'geo', `Geo data not reloaded: ${String(error)}`, 'warn');
  };
  const pollGeo = async (): Promise<void> => {
    const { config } = parts.current();
    const versions = geoVersionsOf(config);
    if (versions === geoVersions) return;
    const swapped = await compileAndSwap(config, parts.shared.current(), true);
    if (swapped.ok && swapped.isGeoRefused) return;
    if (swapped.ok) events.record('geo.reload', 'geo', 'Geo data reloaded.');
    else {
      geoVersions = versions;
      unread(swapped.reasons.join(' '));
    }
  };
  return { compileAndSwap, pollGeo, unread };
}

function recordRefusedGeo(events: ReloaderParts['events'], reason: string | undefined): void {
  if (reason === undefined) return;
  const text = `New geo data are not used: ${reason}. Those before stay in force; a reload takes them all the same.`;
  events.record('geo.refused', 'geo', text, 'warn');
}

/** What is not answered any more, or not yet. */
function recordLosses(
  events: ReloaderParts['events'],
  leftOut: readonly string[],
  shrunk: readonly string[],
): void {
  for (const reason of leftOut) {
    events.record('zone.refused', 'zones', leftOutText(reason), 'warn');
  }
  for (const warning of shrunk) events.record('config.shrink', 'config', warning, 'warn');
}

const unopened = ({ file }: ConfigSource, problems: readonly SocketProblem[]) =>
  problems.map(({ hint, message }) => issueOf(file, message, hint));

function reloadText(changes: readonly string[], by: string, zone?: string): string {
  const summary = changes.length === 0 ? 'nothing changed' : changes.slice(0, 5).join('; ');
  return `${zone === undefined ? 'Reloaded' : `Zone ${zone} reloaded`} by ${by}: ${summary}.`;
}

const leftOutText = (reason: string): string => `What was added to a zone is left out: ${reason}.`;

function refusalText(issues: readonly ConfigIssue[]): string {
  const [first] = issues;
  const where = first ? `${first.file}:${first.line}:${first.column}: ${first.message}` : '';
  return `Reload refused, nothing changed: ${issues.length} problem(s), first ${where}`;
}

type Swapped =
  | {
      readonly ok: true;
      readonly problems: readonly SocketProblem[];
      /** Why what was added to some zones is not served. */
      readonly leftOut: readonly string[];
      readonly isGeoRefused: boolean;
    }
  | { readonly ok: false; readonly reasons: readonly string[] };

/** Acts come one after the other, also after one that failed. */
function createQueue() {
  let running: Promise<unknown> = Promise.resolve();
  const run = <T>(act: () => Promise<T>): Promise<T> => {
    const result = running.then(act);
    running = result.catch(() => {});
    return result;
  };
  return {
    run,
    /** The act, to be called in its turn: all calls before that are one. */
    merged<Args extends readonly unknown[], T>(
      act: (...args: Args) => Promise<T>,
    ): (...args: Args) => Promise<T> {
      let next: Promise<T> | undefined;
      return (...args) => {
        next ??= run(() => {
          next = undefined;
          return act(...args);
        });
        return next;
      };
    },
    settled: () => running,
  };
}

function geoVersionsOf({ geo }: Config): string {
  return geoPaths(geo).map(fileVersion).join('|');
}

/** Sections whose sockets, threads or connections are made once, at start. */
const RESTART_SECTIONS = [
  'dns.listeners',
  'dns.tcp',
  'dns.udpEngine',
  'dns.udpGatherMicroseconds',
  'balancer.engine',
  'node',
  'admin',
  'store',
  'cluster',
  'log',
] as const;

/** Says of each such section that changed that it waits for a restart. */
function restartNotes(before: Config, after: Config): readonly string[] {
  return RESTART_SECTIONS.filter(
    (section) =>
      JSON.stringify(sectionOf(before, section)) !== JSON.stringify(sectionOf(after, section)),
  ).map((section) => `${section} changed: takes effect when the node is restarted`);
}

function sectionOf(config: Config, section: (typeof RESTART_SECTIONS)[number]): unknown {
  switch (section) {
    case 'dns.listeners':
      return config.dns.listeners;
    case 'dns.tcp':
      return config.dns.tcp;
    case 'dns.udpEngine':
      return config.dns.udpEngine;
    case 'dns.udpGatherMicroseconds':
      return config.dns.udpGatherUs;
    case 'balancer.engine':
      return config.balancer.engine;
    case 'node':
      return { ...config.node, vantages: [], canaries: [] };
    case 'admin':
      return config.admin;
    case 'store':
      return config.store;
    case 'cluster':
      return { ...config.cluster, sharedConfig: false };
    case 'log':
      return config.log;
  }
}

/** The new configuration with the old one's word on what this process cannot change while it runs. */
function withoutRestart(before: Config, after: Config): Config {
  const { admin, log, store } = before;
  const { canaries, vantages } = after.node;
  const node = { ...before.node, canaries, vantages };
  const dns = { ...after.dns, listeners: before.dns.listeners, tcp: before.dns.tcp };
  const { sharedConfig } = after.cluster;
  return { ...after, admin, log, store, node, dns, cluster: { ...before.cluster, sharedConfig } };
}

function issueOf(file: string, message: string, hint?: string): ConfigIssue {
  return { file, line: 1, column: 1, path: '', message, ...(hint === undefined ? {} : { hint }) };
}
