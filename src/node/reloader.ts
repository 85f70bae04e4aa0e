import type { Config } from '../config/config.ts';
import { diffConfig, guardShrink } from '../config/diff.ts';
import { systemClock } from '../control/clock.ts';
import type { ConfigIssue, ReloadResult } from '../control/control-plane.ts';
import type { Events } from '../control/events.ts';
import { createServing, type Serving } from '../control/serving.ts';
import type { Compiler } from '../workers/compiler.ts';
import { fileVersion, geoPaths } from '../workers/geo-files.ts';
import { type ConfigSource, loadConfig } from './config-file.ts';

/**
 * A configuration change: validate, diff, compile, swap. Whatever fails before the swap changes
 * nothing, and the swap is one assignment. One reload at a time; geo files are looked at now and
 * then, and a new one is a reload of the same configuration.
 */
export type Reloader = {
  reload(by: string): Promise<ReloadResult>;
  last(): ReloadResult | undefined;
  close(): void;
};

export type ReloaderParts = {
  readonly source: ConfigSource;
  readonly compiler: Compiler;
  readonly events: Events;
  current(): Serving;
  /** Serves it; settles when every worker does. */
  swap(next: Serving): Promise<void>;
};

const GEO_POLL_MS = 30_000;

export function createReloader(parts: ReloaderParts): Reloader {
  let last: ReloadResult | undefined;
  let running: Promise<unknown> = Promise.resolve();
  let geoVersions = geoVersionsOf(parts.current().config);

  const oneAtATime = <T>(act: () => Promise<T>): Promise<T> => {
    const result = running.then(act);
    running = result.catch(() => {});
    return result;
  };
  const compileAndSwap = async (config: Config): Promise<readonly string[] | undefined> => {
    const { generation, revision } = parts.current().snapshot;
    const request = { config, generation: generation + 1, revision: revision + 1 };
    const compiled = await parts.compiler.compile(request);
    if (!compiled.ok) return compiled.reasons;
    for (const warning of compiled.warnings) {
      parts.events.record('geo.unreadable', 'geo', warning, 'warn');
    }
    geoVersions = geoVersionsOf(config);
    await parts.swap(createServing(config, compiled.snapshot, compiled.geo));
    return undefined;
  };
  const reload = async (by: string): Promise<ReloadResult> => {
    const before = parts.current().config;
    const loaded = loadConfig(parts.source);
    if (!loaded.ok) return refuse(loaded.issues);
    const changes = [...diffConfig(before, loaded.config), ...restartNotes(before, loaded.config)];
    const reasons = await compileAndSwap(withoutRestart(before, loaded.config));
    if (reasons) return refuse(reasons.map((message) => issueOf(parts.source.file, message)));
    for (const warning of guardShrink(before, loaded.config)) {
      parts.events.record('config.shrink', 'config', warning, 'warn');
    }
    const summary = changes.length === 0 ? 'nothing changed' : changes.slice(0, 5).join('; ');
    parts.events.record('config.reload', 'config', `Reloaded by ${by}: ${summary}.`);
    return done(true, changes, loaded.warnings);
  };
  const refuse = (issues: readonly ConfigIssue[]): ReloadResult => {
    const [first] = issues;
    const where = first ? `${first.file}:${first.line}:${first.column}: ${first.message}` : '';
    const message = `Reload refused, nothing changed: ${issues.length} problem(s), first ${where}`;
    parts.events.record('config.refused', 'config', message, 'warn');
    return done(false, [], issues);
  };
  const done = (ok: boolean, changes: readonly string[], issues: readonly ConfigIssue[]) => {
    const { revision } = parts.current().snapshot;
    last = { ok, atMs: systemClock.nowMs(), revision, changes, issues };
    return last;
  };
  const pollGeo = async (): Promise<void> => {
    const { config } = parts.current();
    if (geoVersionsOf(config) === geoVersions) return;
    geoVersions = geoVersionsOf(config);
    const reasons = await compileAndSwap(config);
    const message = reasons ? `Geo data not reloaded: ${reasons.join(' ')}` : 'Geo data reloaded.';
    parts.events.record('geo.reload', 'geo', message, reasons ? 'warn' : 'info');
  };
  const timer = setInterval(() => void oneAtATime(pollGeo), GEO_POLL_MS);
  timer.unref();

  return {
    reload: (by) => oneAtATime(() => reload(by)),
    last: () => last,
    close: () => clearInterval(timer),
  };
}

function geoVersionsOf({ geo }: Config): string {
  return geoPaths(geo).map(fileVersion).join('|');
}

/** Sections whose sockets, threads or connections are made once, at start. */
const RESTART_SECTIONS = ['dns.listeners', 'dns.tcp', 'node', 'admin', 'store', 'log'] as const;

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
    case 'node':
      return { ...config.node, vantages: [] };
    case 'admin':
      return config.admin;
    case 'store':
      return config.store;
    case 'log':
      return config.log;
  }
}

/** The new configuration with the old one's word on what this process cannot change while it runs. */
function withoutRestart(before: Config, after: Config): Config {
  const { admin, log, store } = before;
  const node = { ...before.node, vantages: after.node.vantages };
  const dns = { ...after.dns, listeners: before.dns.listeners, tcp: before.dns.tcp };
  return { ...after, admin, log, store, node, dns };
}

function issueOf(file: string, message: string): ConfigIssue {
  return { file, line: 1, column: 1, path: '', message };
}
