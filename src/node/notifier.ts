import type { Config, NotifyConfig } from '../config/config.ts';
import type { Clock } from '../control/clock.ts';
import type { Events } from '../control/events.ts';
import { RCODE_NOERROR } from '../dns/constants.ts';
import { rcodeName } from '../dns/mnemonic.ts';
import { equalNames, formatName, parseName } from '../dns/name.ts';
import { type NotifySignature, readNotifyReply, writeNotify } from '../dns/notify.ts';
import { signTsig, type TsigKey } from '../dns/tsig.ts';
import { formatSocketAddress } from '../ip/socket-address.ts';
import type { Snapshot } from '../nameserver/snapshot.ts';
import { changedSilently } from '../nameserver/zone-contents.ts';
import type { ZoneContent } from '../zone/zone-content.ts';
import type { OpenDatagrams } from './datagrams.ts';

/**
 * Tells secondaries of new serials (RFC 1996): each when it was not told of this serial yet, and all of them
 * once at start. Told again until it answers, ever more seldom, for a bounded time: who does not hear it
 * comes by itself when its refresh timer says so.
 */
export type Notifier = {
  /** What is served from now on. */
  serve(config: Pick<Config, 'zones'>, snapshot: Snapshot): void;
  close(): void;
};

export type NotifierParts = {
  readonly clock: Clock;
  /** Seconds since 1970, for signatures. */
  wallSeconds(): number;
  /** 16 random bits: a guessed reply is to be a wrong one. */
  drawId(): number;
  readonly events: Pick<Events, 'record'>;
  readonly open: OpenDatagrams;
};

/** RFC 1996 3.6 has a constant 60 s; most lost datagrams are noticed earlier. Doubled each time. */
export const NOTIFY_RETRY_MS = 1000;
export const NOTIFY_RETRIES_MAX = 5;
/** Each has a socket of its own, so that its port is one more thing that a forger has to guess. */
export const NOTIFY_AT_ONCE_MAX = 64;

type Notice = {
  readonly zone: string;
  readonly content: ZoneContent;
  readonly target: NotifyConfig;
  readonly key: TsigKey | undefined;
};

export function createNotifier(parts: NotifierParts): Notifier {
  const { events } = parts;
  /** The newest content of each zone. */
  let served = new Map<string, ZoneContent>();
  /** The serial that a secondary was told of last, or is being told of, by nameOf(). */
  const told = new Map<string, number>();
  const running = new Map<string, () => void>();
  const waiting = new Map<string, Notice>();
  const failing = new Set<string>();

  const fail = (name: string, { content, target, zone }: Notice, why: string): void => {
    if (failing.has(name)) return;
    failing.add(name);
    const who = formatSocketAddress(target);
    const message = `The secondary ${who} of ${zone} was told of serial ${content.serial}: ${why}.`;
    events.record('zone.notify-failed', zone, message, 'warn');
  };
  const succeed = (name: string, { target, zone }: Notice): void => {
    if (!failing.delete(name)) return;
    const message = `The secondary ${formatSocketAddress(target)} of ${zone} takes notice again.`;
    events.record('zone.notify-answered', zone, message);
  };
  const begin = (name: string, notice: Notice): void => {
    const end = tell(parts, notice, (why) => {
      running.delete(name);
      if (why === undefined) succeed(name, notice);
      else fail(name, notice, why);
      next();
    });
    running.set(name, end);
  };
  const next = (): void => {
    for (const [name, notice] of waiting) {
      if (running.size >= NOTIFY_AT_ONCE_MAX) return;
      waiting.delete(name);
      begin(name, notice);
    }
  };
  return {
    serve({ zones }, { tsigKeys, transfers }) {
      const before = served;
      served = new Map();
      const wanted = new Set<string>();
      const newest = newestOf(transfers);
      for (const [zone, { primary, transfer }] of Object.entries(zones)) {
        if (transfer === undefined) continue;
        const content = newest.get(keyOfName(parseName(absolute(zone))));
        if (content === undefined) continue;
        served.set(zone, content);
        const old = before.get(zone);
        if (old !== undefined && changedSilently(old, content)) {
          const where = primary === undefined ? '' : ' at its primary';
          const message = `${zone} has changed, but its serial is still ${content.serial}: secondaries keep the old records until it is raised${where}.`;
          events.record('zone.silent-change', zone, message, 'warn');
        }
        for (const target of transfer.notify) {
          const name = nameOf(zone, target);
          wanted.add(name);
          if (told.get(name) === content.serial) continue;
          told.set(name, content.serial);
          running.get(name)?.();
          running.delete(name);
          waiting.set(name, { zone, content, target, key: keyOf(target, tsigKeys) });
        }
      }
      for (const name of told.keys()) {
        if (wanted.has(name)) continue;
        running.get(name)?.();
        for (const each of [running, waiting, told, failing]) each.delete(name);
      }
      next();
    },
    close() {
      waiting.clear();
      for (const end of running.values()) end();
      running.clear();
    },
  };
}

/** What is served of each zone, by the key of its name. */
function newestOf(transfers: Snapshot['transfers']): ReadonlyMap<string, ZoneContent> {
  const contents = transfers.map((transfer) => transfer.contents.at(-1)!);
  return new Map(contents.map((content) => [keyOfName(content.apex), content]));
}

const absolute = (zone: string): string => (zone === '.' ? zone : `${zone}.`);
/** The same for all ways to write one name. */
const keyOfName = (name: Uint8Array | undefined): string =>
  name === undefined ? '' : formatName(name).toLowerCase();

function keyOf({ key }: NotifyConfig, keys: readonly TsigKey[]): TsigKey | undefined {
  const name = key === undefined ? undefined : parseName(key);
  return name && keys.find((each) => equalNames(each.name, name));
}

/** Another key or source is another way to somebody who may not have heard on the old one. */
const nameOf = (zone: string, { address, key = '', port, source = '' }: NotifyConfig): string =>
  [zone, address, port, key, source].join(' ');

/**
 * Tells one secondary until it answers.
 * @param done why it was in vain; undefined = it took notice. Not called after the returned function, which gives up.
 */
function tell(
  { clock, drawId, open, wallSeconds }: NotifierParts,
  { content, key, target }: Notice,
  done: (why: string | undefined) => void,
): () => void {
  const id = drawId();
  let signature: NotifySignature | undefined;
  let isOver = false;
  let cancel: () => void = () => {};
  const end = (): void => {
    isOver = true;
    cancel();
    datagrams.close();
  };
  const finish = (why: string | undefined): void => {
    if (isOver) return;
    end();
    done(why);
  };
  const datagrams = open(target, (bytes) => {
    const rcode = readNotifyReply(bytes, id, signature, wallSeconds());
    if (rcode === undefined) return;
    finish(rcode === RCODE_NOERROR ? undefined : `it answers ${rcodeName(rcode)}`);
  });
  let tries = 0;
  const send = (): void => {
    if (tries > NOTIFY_RETRIES_MAX) {
      finish('it does not answer');
      return;
    }
    const plain = writeNotify(id, content.apex, content.soa);
    // Signed anew each time: the time is part of it.
    const made = key && signTsig(plain, key, wallSeconds());
    signature = key && made && { key, mac: made.mac };
    datagrams.send(made?.message ?? plain);
    cancel = clock.setTimer(NOTIFY_RETRY_MS * 2 ** tries, send);
    tries += 1;
  };
  send();
  return end;
}
