import { randomBytes as systemRandom } from 'node:crypto';
import type { Log } from '../telemetry/log.ts';
import {
  acceptOnce,
  BOOT_BYTES,
  createReplayWindow,
  deriveDataKey,
  encodeHello,
  type Hello,
  isHello,
  NONCE_BYTES,
  openData,
  openHello,
  type ReplayWindow,
  readDataHead,
  type SessionKey,
  sealData,
  senderOf,
} from './session.ts';
import type { Transport } from './transport.ts';
import { decodeFrame, encodeFrames, type WireRecord } from './wire.ts';

/**
 * Direct sessions with the other nodes: who is there, proven and fresh, and records to and from them.
 * What the records say is others' business. Nothing here waits: a node that is not reached is asked
 * again, and a node that is gone is one that was not heard for a while.
 */
export type Peers = {
  /** Addresses (`host:port`) to look for nodes at, besides those that said hello. */
  setSeeds(addresses: readonly string[]): void;
  /** Sends records to every node that is there. */
  broadcast(records: readonly WireRecord[]): void;
  send(name: string, records: readonly WireRecord[]): void;
  /** Says hello where nobody answered yet. Call every HELLO_INTERVAL_MS. */
  tick(nowMs: number): void;
  status(nowMs: number): readonly PeerStatus[];
};

export type PeerStatus = {
  readonly name: string;
  readonly address: string;
  readonly state: 'connected' | 'silent' | 'looking';
  readonly lastHeardMs: number | undefined;
  readonly sent: number;
  readonly received: number;
  /** Datagrams from there that were not believed. */
  readonly refused: number;
};

export type PeersDeps = {
  readonly transport: Pick<Transport, 'send' | 'onDatagram'>;
  readonly nowMs: () => number;
  readonly name: string;
  /** The first seals, all open. */
  readonly keys: readonly SessionKey[];
  readonly log: Pick<Log, 'info' | 'warn'>;
  readonly onRecord: (record: WireRecord, from: string) => void;
  /** A node is there that was not, or is back after a silence. */
  readonly onConnected: (name: string) => void;
  /** Default: the system's. */
  readonly randomBytes?: (size: number) => Buffer;
};

/** How often hello is said to those who have not answered. */
export const HELLO_INTERVAL_MS = 1000;
/** A nonce proves freshness for this long. */
export const NONCE_LIFE_MS = 10_000;
/** Unheard for so long, a node counts as silent and hello is said again. */
export const SILENT_AFTER_MS = 2_000;
/** Addresses that are remembered: those configured, registered, or that said hello. */
export const PEER_ADDRESSES_MAX = 2000;
/** Hellos answered per address and second, and by all together. */
export const HELLO_REPLIES_PER_ADDRESS = 5;
export const HELLO_REPLIES_PER_SECOND = 500;
/** Nonces per address that are remembered. */
const NONCES_MAX = 4;
/** A heard address that never became a session is forgotten after this. */
const STRANGER_LIFE_MS = 60_000;

type Place = {
  readonly address: string;
  seed: boolean;
  firstHeardMs: number;
  nonces: { readonly nonce: Buffer; readonly atMs: number }[];
  /** The other's last hello, to be echoed. */
  heard: Pick<Hello, 'nonce' | 'boot'> | undefined;
  helloAtMs: number;
  replies: { atMs: number; count: number };
  session: Session | undefined;
  refused: number;
};
type Session = {
  readonly name: string;
  readonly boot: Buffer;
  readonly place: Place;
  readonly inKeys: ReadonlyMap<number, Buffer>;
  readonly outKey: Buffer;
  readonly window: ReplayWindow;
  counter: number;
  heardAtMs: number;
  received: number;
  sent: number;
};

const NOBODY = { nonce: Buffer.alloc(NONCE_BYTES), boot: Buffer.alloc(BOOT_BYTES) };

export function createPeers(deps: PeersDeps): Peers {
  const state = createState(deps);
  deps.transport.onDatagram((bytes, address) => {
    if (isHello(bytes)) hearHello(state, bytes, address);
    else hearData(state, bytes, address);
  });
  return {
    setSeeds(addresses) {
      const wanted = new Set(addresses);
      for (const place of state.places.values()) place.seed = wanted.has(place.address);
      for (const address of wanted) placeAt(state, address)!.seed = true;
    },
    broadcast(records) {
      if (state.sessions.size === 0) return;
      const frames = encodeFrames(records);
      for (const session of state.sessions.values()) sendFrames(state, session, frames);
    },
    send(name, records) {
      const session = state.sessions.get(name);
      if (session !== undefined) sendFrames(state, session, encodeFrames(records));
    },
    tick: (nowMs) => lookAround(state, nowMs),
    status: (nowMs) => [...state.places.values()].flatMap((place) => statusOf(place, nowMs)),
  };
}

type State = {
  readonly deps: PeersDeps;
  readonly boot: Buffer;
  readonly random: (size: number) => Buffer;
  readonly places: Map<string, Place>;
  /** By the node's name. */
  readonly sessions: Map<string, Session>;
  /** By the head of its datagrams. */
  readonly bySender: Map<string, Session>;
  /** Names that two living processes have. */
  readonly conflicts: Set<string>;
  replies: { atMs: number; count: number };
};

function createState(deps: PeersDeps): State {
  const random = deps.randomBytes ?? systemRandom;
  return {
    deps,
    random,
    boot: random(BOOT_BYTES),
    places: new Map(),
    sessions: new Map(),
    bySender: new Map(),
    conflicts: new Set(),
    replies: { atMs: 0, count: 0 },
  };
}

/** The place of an address, made when there is room. */
function placeAt({ deps, places }: State, address: string): Place | undefined {
  const known = places.get(address);
  if (known !== undefined) return known;
  if (places.size >= PEER_ADDRESSES_MAX) return undefined;
  const place: Place = {
    address,
    seed: false,
    firstHeardMs: deps.nowMs(),
    nonces: [],
    heard: undefined,
    helloAtMs: Number.NEGATIVE_INFINITY,
    replies: { atMs: 0, count: 0 },
    session: undefined,
    refused: 0,
  };
  places.set(address, place);
  return place;
}

function sayHello(state: State, place: Place, key: SessionKey | undefined, nowMs: number): void {
  const first = key ?? state.deps.keys[0];
  if (first === undefined) return;
  const nonce = state.random(NONCE_BYTES);
  place.nonces = [...place.nonces, { nonce, atMs: nowMs }].slice(-NONCES_MAX);
  place.helloAtMs = nowMs;
  const { boot, nonce: echoNonce } = place.heard ?? NOBODY;
  const hello = { name: state.deps.name, boot: state.boot, nonce, echoNonce, echoBoot: boot };
  state.deps.transport.send(encodeHello(hello, first), place.address);
}

/** Hello to seeds and silent sessions; strangers that came to nothing are forgotten. */
function lookAround(state: State, nowMs: number): void {
  for (const place of state.places.values()) {
    const { address, firstHeardMs, seed, session } = place;
    const isHeard = session !== undefined && nowMs - session.heardAtMs < SILENT_AFTER_MS;
    if (isHeard) continue;
    const isStranger = !seed && session === undefined;
    if (isStranger && nowMs - firstHeardMs > STRANGER_LIFE_MS) state.places.delete(address);
    else if (nowMs - place.helloAtMs >= HELLO_INTERVAL_MS) sayHello(state, place, undefined, nowMs);
  }
}

function hearHello(state: State, bytes: Uint8Array, address: string): void {
  const opened = openHello(bytes, state.deps.keys);
  if (opened === undefined) {
    const place = state.places.get(address);
    if (place !== undefined) place.refused += 1;
    return;
  }
  const { hello, key } = opened;
  // Our own, come back: the address is ours.
  if (hello.boot.equals(state.boot)) return;
  const nowMs = state.deps.nowMs();
  const place = placeAt(state, address);
  if (place === undefined) return;
  const isFresh =
    hello.echoBoot.equals(state.boot) &&
    place.nonces.some(
      ({ atMs, nonce }) => nowMs - atMs <= NONCE_LIFE_MS && nonce.equals(hello.echoNonce),
    );
  const { boot, nonce } = hello;
  place.heard = { boot: Buffer.from(boot), nonce: Buffer.from(nonce) };
  const isNew = isFresh && welcome(state, place, hello, nowMs);
  // Who has proven itself has had our proof too, unless it is new here.
  if ((!isFresh || isNew) && mayReply(state, place, nowMs)) sayHello(state, place, key, nowMs);
}

/** Begins a session with a node that has proven to live now; false when it goes on already. */
function welcome(state: State, place: Place, { boot, name }: Hello, nowMs: number): boolean {
  const { deps } = state;
  place.nonces = [];
  if (name === deps.name) {
    if (!state.conflicts.has(name)) {
      state.conflicts.add(name);
      const text = `Another process at ${place.address} calls itself ${name} too: names must be unique.`;
      deps.log.warn('peers.conflict', text);
    }
    return false;
  }
  const before = state.sessions.get(name);
  if (before?.boot.equals(boot) === true && before.place === place) {
    before.heardAtMs = nowMs;
    return false;
  }
  if (before !== undefined) {
    state.bySender.delete(senderOf(before.boot));
    before.place.session = undefined;
  }
  const own = Buffer.from(boot);
  const session: Session = {
    name,
    boot: own,
    place,
    inKeys: new Map(deps.keys.map((key) => [key.id, deriveDataKey(key, own, state.boot)])),
    outKey: deriveDataKey(deps.keys[0]!, state.boot, own),
    // A node that only moved goes on counting where it was.
    window: before?.boot.equals(boot) === true ? before.window : createReplayWindow(),
    counter: before?.boot.equals(boot) === true ? before.counter : 0,
    heardAtMs: nowMs,
    received: 0,
    sent: 0,
  };
  place.session = session;
  state.sessions.set(name, session);
  state.bySender.set(senderOf(own), session);
  deps.log.info('peers.connected', `Node ${name} is heard directly, at ${place.address}.`);
  deps.onConnected(name);
  return true;
}

function hearData(state: State, bytes: Uint8Array, address: string): void {
  const head = readDataHead(bytes);
  const session = head === undefined ? undefined : state.bySender.get(head.sender);
  const key = head === undefined ? undefined : session?.inKeys.get(head.keyId);
  if (head === undefined || session === undefined || key === undefined) {
    const place = state.places.get(address);
    if (place === undefined) return;
    place.refused += 1;
    // It speaks to us from a life that we do not know: perhaps we have forgotten each other.
    const nowMs = state.deps.nowMs();
    if (nowMs - place.helloAtMs >= HELLO_INTERVAL_MS) sayHello(state, place, undefined, nowMs);
    return;
  }
  const frame = openData(bytes, key);
  // Only what opens may move the window: a number alone proves nothing.
  if (frame === undefined || !acceptOnce(session.window, head.counter)) {
    session.place.refused += 1;
    return;
  }
  const nowMs = state.deps.nowMs();
  const wasSilent = nowMs - session.heardAtMs > SILENT_AFTER_MS;
  session.heardAtMs = nowMs;
  session.received += 1;
  if (wasSilent) state.deps.onConnected(session.name);
  for (const record of decodeFrame(frame) ?? []) state.deps.onRecord(record, session.name);
}

function sendFrames(state: State, session: Session, frames: readonly Uint8Array[]): void {
  const [key] = state.deps.keys;
  if (key === undefined) return;
  for (const frame of frames) {
    session.counter += 1;
    session.sent += 1;
    const sealing = {
      boot: state.boot,
      counter: session.counter,
      dataKey: session.outKey,
      keyId: key.id,
    };
    state.deps.transport.send(sealData(frame, sealing), session.place.address);
  }
}

function mayReply(state: State, place: Place, nowMs: number): boolean {
  return (
    spend(state.replies, nowMs, HELLO_REPLIES_PER_SECOND) &&
    spend(place.replies, nowMs, HELLO_REPLIES_PER_ADDRESS)
  );
}

/** Counts within a second; false when there were enough. */
function spend(budget: { atMs: number; count: number }, nowMs: number, max: number): boolean {
  if (nowMs - budget.atMs >= 1000) {
    budget.atMs = nowMs;
    budget.count = 0;
  }
  budget.count += 1;
  return budget.count <= max;
}

function statusOf({ address, refused, seed, session }: Place, nowMs: number): PeerStatus[] {
  if (session === undefined) {
    if (!seed) return [];
    const nobody = { name: '', lastHeardMs: undefined, sent: 0, received: 0 };
    return [{ ...nobody, address, state: 'looking', refused }];
  }
  const { heardAtMs, name, received, sent } = session;
  const state = nowMs - heardAtMs > SILENT_AFTER_MS ? 'silent' : 'connected';
  return [{ name, address, state, lastHeardMs: heardAtMs, sent, received, refused }];
}
