import type { Config, PrimaryServerConfig } from '../config/config.ts';
import type { ZoneOverlay } from '../config/overlay.ts';
import type { Clock } from '../control/clock.ts';
import type { CopyStatus } from '../control/control-plane.ts';
import type { Events } from '../control/events.ts';
import { equalNames, parseName } from '../dns/name.ts';
import type { TsigKey } from '../dns/tsig.ts';
import type { Address } from '../ip/address.ts';
import { containsAddress } from '../ip/prefix.ts';
import { formatSocketAddress } from '../ip/socket-address.ts';
import { hostOf } from '../nameserver/zone-standing.ts';
import {
  confirmedAtMs,
  decideLook,
  expiresAtMs,
  lookBegins,
  lookFailed,
  lookSucceeded,
  type Schedule,
  startSchedule,
} from '../secondary/schedule.ts';
import { overlayOf, soaOf } from '../secondary/zone-copy.ts';
import type { Log } from '../telemetry/log.ts';
import type { ZoneContent } from '../zone/zone-content.ts';
import type { CopyFacts } from './copy-alterations.ts';
import type { CopyFiles } from './copy-files.ts';
import type { LookAnswer, Primary } from './primary-look.ts';
import type { ZoneOverlays } from './zone-overlays.ts';

/** One zone that is copied: what is done when it is time to, and with what comes of it. */
export type Copied = {
  readonly zone: string;
  readonly apex: Uint8Array;
  servers: readonly PrimaryServerConfig[];
  schedule: Schedule;
  /** A person wants all of it, whatever its serial: until it has come. */
  isWantedAnew: boolean;
  /** Who says that there is something new. */
  notifiedBy: Address | undefined;
  content: ZoneContent | undefined;
  /** The same as it is served. */
  overlay: ZoneOverlay | undefined;
  /** RRsets of it, the SOA's included. */
  rrsets: number;
  /** What is on disk is not known yet: nothing is done before. */
  isOpening: boolean;
  /** Where it came from, or was confirmed, last. */
  primary: string | undefined;
  /** Why the last look was in vain. */
  problem: string | undefined;
  /** What of it is not served, as it was told. */
  altered: string;
  /** Nobody looks after it any more. */
  isGone: boolean;
  cancel(): void;
  /** Who waits for the end of the next look. */
  waiting: (() => void)[];
  /** Settles when all of it is on disk. */
  keeping: Promise<void>;
};

/** What copying takes. */
export type CopyParts = {
  readonly clock: Clock;
  /** Seconds since 1970, for signatures. */
  wallSeconds(): number;
  /** 0..1 */
  draw(): number;
  look(primary: Primary, apex: Uint8Array, copy: ZoneContent | undefined): Promise<LookAnswer>;
  /** Undefined when they cannot be had. */
  factsOf(
    config: Config | undefined,
    zone: string,
    content: ZoneContent,
  ): Promise<CopyFacts | undefined>;
  /** Why this cannot be served; [] = it can. */
  check(config: Config, overlay: ZoneOverlay): Promise<readonly string[]>;
  readonly files: CopyFiles;
  readonly overlays: Pick<ZoneOverlays, 'set'>;
  readonly events: Pick<Events, 'record'>;
  readonly log: Pick<Log, 'warn'>;
};

export type Copying = CopyParts & {
  /** Waits for its turn, among others that ask the same server and among all. */
  run(server: string, act: () => Promise<void>): Promise<void>;
  /** Of all copies but this one. */
  recordsBeside(copied: Copied): number;
  /** Undefined before anything is. */
  served(): { readonly config: Config; readonly keys: readonly TsigKey[] } | undefined;
};

/** Of all copies: what they are compiled with has them all in memory, and one primary must not take it from others. */
export const COPIED_RECORDS_MAX = 2_000_000;

/** Whose the overlays are. */
const SOURCE = 'primary';

/** Without the copy on disk, which takeUp() brings; nothing is done before. */
export function openCopied(
  { clock }: Copying,
  zone: string,
  servers: readonly PrimaryServerConfig[],
): Copied | undefined {
  const apex = parseName(zone === '.' ? zone : `${zone}.`);
  if (apex === undefined) return undefined;
  return {
    ...{ zone, apex, servers, content: undefined, primary: undefined },
    schedule: startSchedule(clock.nowMs(), undefined),
    overlay: undefined,
    rrsets: 0,
    isOpening: true,
    isWantedAnew: false,
    problem: undefined,
    notifiedBy: undefined,
    altered: '',
    isGone: false,
    cancel: () => {},
    waiting: [],
    keeping: Promise.resolve(),
  };
}

/** Serves the copy on disk, if there is one. */
export async function takeUp(parts: Copying, copied: Copied): Promise<void> {
  const { apex, zone } = copied;
  const kept = await parts.files.read(apex);
  const facts = kept && (await parts.factsOf(undefined, zone, kept.content));
  copied.isOpening = false;
  if (kept === undefined || facts === undefined || copied.isGone) return;
  const { confirmedMs, content, primary } = kept;
  const nowMs = parts.clock.nowMs();
  copied.schedule = startSchedule(nowMs, { ...scheduledOf(content), confirmedMs });
  copied.content = content;
  copied.primary = primary;
  copied.rrsets = facts.rrsets + 1;
  const isExpired = decideLook(copied.schedule, nowMs).standing === 'expired';
  put(parts, copied, overlayOf(zone, content, facts.ttlMax, isExpired));
}

/** Lets go of the copy, for as long as this node runs. */
export function dropCopy({ clock, overlays }: Copying, copied: Copied): void {
  copied.content = undefined;
  copied.overlay = undefined;
  copied.rrsets = 0;
  copied.schedule = startSchedule(clock.nowMs(), undefined);
  overlays.set(SOURCE, copied.zone, undefined);
}

/** Looks after it no more. */
export function closeCopied({ overlays }: Copying, copied: Copied, isStopping: boolean): void {
  copied.isGone = true;
  copied.cancel();
  for (const done of copied.waiting.splice(0)) done();
  // A node that stops goes on serving to its end.
  if (!isStopping) overlays.set(SOURCE, copied.zone, undefined);
}

/** Does what is due, and comes back when something is. */
export function turn(parts: Copying, copied: Copied): void {
  copied.cancel();
  copied.cancel = () => {};
  if (copied.isGone || copied.isOpening) return;
  const nowMs = parts.clock.nowMs();
  const { isDue, standing, wakeMs } = decideLook(copied.schedule, nowMs);
  const { overlay } = copied;
  if (overlay !== undefined && standing === 'expired' && overlay.isExpired !== true) {
    tellExpired(parts, copied);
    put(parts, copied, { ...overlay, isExpired: true });
  }
  if (isDue) {
    copied.schedule = lookBegins(copied.schedule, nowMs);
    const { waiting } = copied;
    copied.waiting = [];
    void parts
      .run(copied.servers[0]?.address ?? '', () => look(parts, copied))
      .then(() => {
        for (const done of waiting) done();
        turn(parts, copied);
      });
  }
  if (wakeMs === Number.POSITIVE_INFINITY) return;
  copied.cancel = parts.clock.setTimer(wakeMs - nowMs, () => turn(parts, copied));
}

/**
 * Asks primaries in turn until one has something newer: those that have the same may just not have heard of it yet.
 * Who said that there is something is asked first (RFC 1996 3.11).
 */
async function look(parts: Copying, copied: Copied): Promise<void> {
  try {
    const reasons: string[] = [];
    let confirmedBy: string | undefined;
    let expireSeconds: number | undefined;
    const servers = inTurn(copied);
    copied.notifiedBy = undefined;
    for (const server of servers) {
      const keys = parts.served()?.keys ?? [];
      const primary = { ...server, key: keyOf(server, keys) };
      if (copied.isGone) return;
      const answer = await parts.look(primary, copied.apex, comparedWith(parts, copied));
      const who = formatSocketAddress(server);
      if (answer.kind === 'current') {
        // Of several the one that has it from nearer to its source.
        const isFirst = confirmedBy === undefined;
        const { expireSeconds: told = Number.POSITIVE_INFINITY } = answer;
        expireSeconds = Math.max(told, isFirst ? 0 : (expireSeconds ?? 0));
        confirmedBy ??= who;
      } else {
        const refusal = await take(parts, copied, who, answer);
        if (refusal === undefined) return;
        reasons.push(`${who}: ${refusal}`);
      }
    }
    if (confirmedBy === undefined) fail(parts, copied, reasons.join('; '));
    else confirm(parts, copied, confirmedBy, false, expireSeconds);
  } catch (error) {
    // A bug in a look is a look in vain: the next one may meet another zone.
    fail(parts, copied, String(error));
  }
}

function inTurn({ notifiedBy, servers }: Copied): readonly PrimaryServerConfig[] {
  if (notifiedBy === undefined) return servers;
  const isFirst = ({ address }: PrimaryServerConfig): boolean => {
    const host = hostOf(address);
    return host !== undefined && containsAddress(host, notifiedBy);
  };
  return [...servers.filter(isFirst), ...servers.filter((server) => !isFirst(server))];
}

/** An expired copy is no copy (RFC 1034 4.3.5): the primary's is taken whatever its serial, even one of a backup. */
function comparedWith(
  { clock }: Copying,
  { content, isWantedAnew, schedule }: Copied,
): ZoneContent | undefined {
  const isExpired = decideLook(schedule, clock.nowMs()).standing === 'expired';
  return isExpired || isWantedAnew ? undefined : content;
}

function keyOf({ key }: PrimaryServerConfig, keys: readonly TsigKey[]): TsigKey | undefined {
  const name = key === undefined ? undefined : parseName(key);
  return name && keys.find((each) => equalNames(each.name, name));
}

function fail(parts: Copying, copied: Copied, reason: string): void {
  copied.schedule = lookFailed(copied.schedule, parts.clock.nowMs(), parts.draw());
  if (copied.problem === undefined && !copied.isGone) tellFailed(parts, copied, reason);
  copied.problem = reason;
}

/** Why the answer is refused; undefined = it is what is kept and served from now on. */
async function take(
  parts: Copying,
  copied: Copied,
  who: string,
  answer: Exclude<LookAnswer, { readonly kind: 'current' }>,
): Promise<string | undefined> {
  if (answer.kind === 'failed') return answer.reason;
  const { zone } = copied;
  const { content, way } = answer;
  const served = parts.served();
  const facts = await parts.factsOf(served?.config, zone, content);
  if (facts === undefined) return 'it cannot be read here';
  const overlay = overlayOf(zone, content, facts.ttlMax, false);
  const problems = served === undefined ? [] : await parts.check(served.config, overlay);
  if (copied.isGone) return undefined;
  if (content.count + parts.recordsBeside(copied) > COPIED_RECORDS_MAX) {
    return `with its ${content.count} records all copies would have more than ${COPIED_RECORDS_MAX}`;
  }
  if (problems.length > 0) return `its zone cannot be served: ${problems.join(' ')}`;
  copied.content = content;
  copied.isWantedAnew = false;
  copied.rrsets = facts.rrsets + 1;
  put(parts, copied, overlay);
  tellAltered(parts, copied, facts.altered);
  const message = `${zone} has the serial ${content.serial} now, from ${who} (${way}).`;
  parts.events.record('zone.transferred', zone, message);
  confirm(parts, copied, who, true, answer.expireSeconds);
  return undefined;
}

/** What is there is what a primary has. */
function confirm(
  parts: Copying,
  copied: Copied,
  who: string,
  isNew: boolean,
  expireSeconds: number | undefined,
): void {
  const { overlay, schedule, zone } = copied;
  const content = copied.content!;
  const nowMs = parts.clock.nowMs();
  const timers = scheduledOf(content);
  const confirmedMs = confirmedAtMs(schedule, timers, expireSeconds, isNew, nowMs);
  copied.schedule = lookSucceeded(schedule, timers, nowMs, parts.draw(), confirmedMs);
  copied.primary = who;
  // It expired while the primary was asked.
  const isGood = decideLook(copied.schedule, nowMs).standing === 'current';
  if (overlay?.isExpired === true && isGood) put(parts, copied, { ...overlay, isExpired: false });
  if (copied.problem !== undefined) {
    parts.events.record('zone.refreshed', zone, `${zone} can be refreshed again, from ${who}.`);
  }
  copied.problem = undefined;
  keep(parts, copied, content, confirmedMs);
}

/** What the next looks depend on. */
const scheduledOf = ({ count, soa }: ZoneContent) => ({ ...soaOf(soa), records: count });

/** On disk, one after the other; nobody waits for it. */
function keep(
  { files, log }: Copying,
  copied: Copied,
  content: ZoneContent,
  confirmedMs: number,
): void {
  const primary = copied.primary ?? '';
  copied.keeping = copied.keeping.then(async () => {
    const problem = await files.keep({ content, confirmedMs, primary });
    if (problem === undefined) return;
    log.warn('zone.copy-unwritable', `${problem}: the copy of ${copied.zone} is not kept.`);
  });
}

function put({ overlays }: Copying, copied: Copied, overlay: ZoneOverlay): void {
  copied.overlay = overlay;
  overlays.set(SOURCE, copied.zone, overlay);
}

/** What is steered may change with the configuration too. */
export async function lookForAlterations(parts: Copying, copied: Copied): Promise<void> {
  const { content, zone } = copied;
  const config = parts.served()?.config;
  if (config === undefined || content === undefined) return;
  const facts = await parts.factsOf(config, zone, content);
  // Else what is newer tells for itself.
  const isStill = copied.content === content && parts.served()?.config === config;
  if (facts !== undefined && isStill && !copied.isGone) tellAltered(parts, copied, facts.altered);
}

/** Once of each. */
function tellAltered({ events }: Copying, copied: Copied, altered: string): void {
  const { zone } = copied;
  if (altered !== '' && altered !== copied.altered) {
    const message = `${zone} is not served as its primary has it: ${altered}.`;
    events.record('zone.altered', zone, message, 'warn');
  }
  copied.altered = altered;
}

function tellFailed({ events }: Copying, { schedule, zone }: Copied, reason: string): void {
  const expiresMs = expiresAtMs(schedule);
  const then =
    expiresMs === undefined
      ? 'there is no copy yet'
      : `the copy is good until ${new Date(expiresMs).toISOString()}`;
  const message = `${zone} cannot be refreshed, ${then}: ${reason}.`;
  events.record('zone.refresh-failed', zone, message, 'warn');
}

function tellExpired({ events }: Copying, { content, schedule, zone }: Copied): void {
  const since = new Date(schedule.copy?.confirmedMs ?? 0).toISOString();
  const message = `The copy of ${zone}, serial ${content?.serial}, has expired: no primary has confirmed it since ${since}.`;
  events.record('zone.expired', zone, message, 'warn');
}

export function copyStatusOf(
  { content, primary, problem, rrsets, schedule }: Copied,
  nowMs: number,
): CopyStatus {
  return {
    standing: decideLook(schedule, nowMs).standing,
    serial: content?.serial,
    rrsets,
    primary,
    confirmedAtMs: schedule.copy?.confirmedMs,
    nextLookAtMs: schedule.isLooking ? nowMs : schedule.nextMs,
    expiresAtMs: expiresAtMs(schedule),
    problem,
  };
}
