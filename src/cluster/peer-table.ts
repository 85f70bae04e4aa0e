import { createRemoteClock, type RemoteClock } from '../store/remote-clock.ts';
import {
  createReplayWindow,
  deriveDataKey,
  type Hello,
  type ReplayWindow,
  type SessionKey,
  senderOf,
} from './session.ts';

/**
 * Which addresses nodes are looked for at, and the sessions with those that have proven to live:
 * the explicit state behind peers.ts. Everything in it is bounded, and nothing gets in without proof
 * but what this node was told to look for.
 */
export type PeerTable = {
  readonly places: ReadonlyMap<string, Place>;
  /** By the head of their datagrams (senderOf). */
  readonly sessions: ReadonlyMap<string, Session>;
  setSeeds(addresses: readonly string[], nowMs: number): void;
  /** The place of an address where somebody has proven to live; undefined when there is no room. */
  provenPlace(address: string, nowMs: number): Place | undefined;
  /** Begins a session; undefined when there is no room. */
  open(hello: Pick<Hello, 'name' | 'boot'>, opening: Opening): Session | undefined;
  /** The latest session of the node with this name. */
  named(name: string): Session | undefined;
  setKeys(keys: readonly SessionKey[]): void;
  /** Forgets what has been of no use for long. */
  sweep(nowMs: number): void;
};

/** An address. */
export type Place = {
  readonly address: string;
  /** The socket of ours that reaches it; undefined = not known yet. */
  via: number | undefined;
  /** This node was told to look there. */
  seed: boolean;
  /** It is an address of this node itself. */
  isOwn: boolean;
  readonly sinceMs: number;
  /** When the nonce was made with which somebody there has proven to live; older ones prove nothing. */
  provenMs: number;
  helloAtMs: number;
  /** When somebody there, having proven to live, was last given proof in return. */
  proofAtMs: number;
  /** HELLOs since somebody was heard. */
  tries: number;
  session: Session | undefined;
  /** Datagrams from there that were not believed. */
  refused: number;
};

/** One life of a node, and this one. */
export type Session = {
  readonly name: string;
  readonly boot: Buffer;
  readonly sender: string;
  place: Place;
  /** Seals what goes out: the key that the other uses itself, so that it knows it. */
  key: SessionKey;
  outKey: Buffer;
  inKeys: readonly { readonly id: number; readonly dataKey: Buffer }[];
  readonly window: ReplayWindow;
  counter: number;
  heardAtMs: number;
  sentAtMs: number;
  pingedAtMs: number;
  /** Another life of the same name has proven itself since. */
  supersededAtMs: number | undefined;
  /** It was said that nothing is heard of it. */
  isMissed: boolean;
  sent: number;
  received: number;
  refused: number;
  rttMs: number | undefined;
  /** Its wall clock. */
  readonly clock: RemoteClock;
  /** That less this node's own, as of its last word. */
  clockOffsetMs: number | undefined;
};

export type Opening = {
  readonly place: Place;
  readonly key: SessionKey;
  readonly keys: readonly SessionKey[];
  readonly nowMs: number;
};

/** Addresses that this node can be told to look at. */
export const SEEDS_MAX = 2000;
/** Sessions, and addresses beside the seeds that have any. */
export const SESSIONS_MAX = 2000;
/** Unheard for so long, a session is forgotten unless its address is one to look at. */
export const FORGET_AFTER_MS = 600_000;
/** One whose node lives another life already. */
export const FORGET_SUPERSEDED_MS = 60_000;
/** Lives whose last number is remembered, so that nothing of theirs is heard twice. */
const RETIRED_MAX = 4096;

type State = {
  readonly ownBoot: Buffer;
  readonly places: Map<string, Place>;
  readonly sessions: Map<string, Session>;
  readonly byName: Map<string, Session>;
  /** The highest number heard of sessions that were forgotten. */
  readonly retired: Map<string, number>;
  /** No number below has to be used again: what seals must never have the same number twice. */
  floor: number;
};

export function createPeerTable(ownBoot: Buffer): PeerTable {
  const state: State = {
    ownBoot,
    places: new Map(),
    sessions: new Map(),
    byName: new Map(),
    retired: new Map(),
    floor: 0,
  };
  const { byName, places, sessions } = state;
  return {
    places,
    sessions,
    setSeeds(addresses, nowMs) {
      const wanted = new Set(addresses.slice(0, SEEDS_MAX));
      for (const place of places.values()) place.seed = wanted.has(place.address);
      for (const address of wanted) placeOf(state, address, nowMs).seed = true;
    },
    provenPlace(address, nowMs) {
      const known = places.get(address);
      if (known !== undefined) return known;
      const isFull = places.size >= SEEDS_MAX + SESSIONS_MAX;
      return isFull ? undefined : placeOf(state, address, nowMs);
    },
    open: (hello, opening) => open(state, hello, opening),
    named: (name) => byName.get(name),
    setKeys(keys) {
      for (const session of sessions.values()) {
        const key = keys.find(({ id }) => id === session.key.id) ?? keys[0];
        if (key !== undefined) Object.assign(session, keysOf(state, session.boot, key, keys));
      }
    },
    sweep(nowMs) {
      for (const session of sessions.values()) {
        if (isForgotten(session, nowMs)) drop(state, session);
      }
      for (const { address, isOwn, provenMs, seed, session, sinceMs } of places.values()) {
        const idleMs = nowMs - Math.max(sinceMs, provenMs);
        if (!seed && !isOwn && session === undefined && idleMs > FORGET_SUPERSEDED_MS) {
          places.delete(address);
        }
      }
    },
  };
}

function placeOf({ places }: State, address: string, nowMs: number): Place {
  const place = places.get(address) ?? {
    address,
    via: undefined,
    seed: false,
    isOwn: false,
    sinceMs: nowMs,
    provenMs: Number.NEGATIVE_INFINITY,
    helloAtMs: Number.NEGATIVE_INFINITY,
    proofAtMs: Number.NEGATIVE_INFINITY,
    tries: 0,
    session: undefined,
    refused: 0,
  };
  places.set(address, place);
  return place;
}

function open(
  state: State,
  { boot: heard, name }: Pick<Hello, 'name' | 'boot'>,
  { key, keys, nowMs, place }: Opening,
): Session | undefined {
  if (state.sessions.size >= SESSIONS_MAX) return undefined;
  // The name and boot of a HELLO are views into a datagram.
  const boot = Buffer.from(heard);
  const sender = senderOf(boot);
  const session: Session = {
    name,
    boot,
    sender,
    place,
    ...keysOf(state, boot, key, keys),
    window: createReplayWindow(state.retired.get(sender)),
    counter: state.floor,
    heardAtMs: nowMs,
    sentAtMs: Number.NEGATIVE_INFINITY,
    pingedAtMs: Number.NEGATIVE_INFINITY,
    supersededAtMs: undefined,
    isMissed: false,
    sent: 0,
    received: 0,
    refused: 0,
    rttMs: undefined,
    clock: createRemoteClock(),
    clockOffsetMs: undefined,
  };
  const before = state.byName.get(name);
  if (before !== undefined) before.supersededAtMs = nowMs;
  state.sessions.set(sender, session);
  state.byName.set(name, session);
  place.session = session;
  return session;
}

function keysOf(
  { ownBoot }: State,
  boot: Buffer,
  key: SessionKey,
  keys: readonly SessionKey[],
): Pick<Session, 'key' | 'outKey' | 'inKeys'> {
  return {
    key,
    outKey: deriveDataKey(key, ownBoot, boot),
    inKeys: keys.map((each) => ({ id: each.id, dataKey: deriveDataKey(each, boot, ownBoot) })),
  };
}

function isForgotten({ heardAtMs, place, supersededAtMs }: Session, nowMs: number): boolean {
  const silentMs = nowMs - heardAtMs;
  if (supersededAtMs !== undefined) return silentMs > FORGET_SUPERSEDED_MS;
  return silentMs > FORGET_AFTER_MS && !place.seed;
}

function drop(state: State, session: Session): void {
  const { name, sender, window } = session;
  state.sessions.delete(sender);
  if (state.byName.get(name) === session) state.byName.delete(name);
  for (const place of state.places.values()) {
    if (place.session === session) place.session = undefined;
  }
  state.floor = Math.max(state.floor, session.counter);
  state.retired.delete(sender);
  state.retired.set(sender, window.highest);
  if (state.retired.size > RETIRED_MAX) state.retired.delete(state.retired.keys().next().value!);
}
