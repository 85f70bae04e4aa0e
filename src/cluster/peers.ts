import { randomBytes as systemRandom } from 'node:crypto';
import type { Log } from '../telemetry/log.ts';
import { createHelloBudget, type HelloBudget } from './hello-budget.ts';
import { createPeerTable, type PeerTable, type Place, type Session } from './peer-table.ts';
import {
  acceptOnce,
  BOOT_BYTES,
  encodeHello,
  type Hello,
  isHello,
  isNew,
  makeNonce,
  NONCE_BYTES,
  NONCE_SECRET_BYTES,
  openData,
  openHello,
  readDataHead,
  readNonce,
  type SessionKey,
  sealData,
  senderOf,
} from './session.ts';
import type { Transport } from './transport.ts';
import { decodeFrame, encodeFrames, type PongRecord, type WireRecord } from './wire.ts';

/**
 * Direct sessions with the other nodes: who is there, proven and fresh, and records to and from them.
 * What the records say is others' business. Nothing here waits: a node that is not reached is asked
 * again, and a node that is gone is one that was not heard for a while.
 */
export type Peers = {
  /** Addresses (`host:port`) to look for nodes at, besides those that said hello. */
  setSeeds(addresses: readonly string[]): void;
  /** Other cluster keys from now on; sessions go on. */
  setKeys(keys: readonly SessionKey[]): void;
  /** Sends records to every node that is there. */
  broadcast(records: readonly WireRecord[]): void;
  send(name: string, records: readonly WireRecord[]): void;
  /** Names of the nodes that are heard. */
  connected(): readonly string[];
  /** Says hello where nobody answers yet, and keeps the others awake. Call about twice a second. */
  tick(): void;
  status(): readonly PeerStatus[];
};

export type PeerStatus = {
  /** '' while nobody has answered. */
  readonly name: string;
  readonly address: string;
  readonly state: 'connected' | 'silent' | 'looking';
  readonly lastHeardMs: number | undefined;
  /** There and back, as last measured. */
  readonly rttMs: number | undefined;
  /** Its wall clock less this one's. */
  readonly clockOffsetMs: number | undefined;
  readonly sent: number;
  readonly received: number;
  /** Datagrams from there that were not believed. */
  readonly refused: number;
};

export type PeersDeps = {
  readonly transport: Pick<Transport, 'send' | 'onDatagram'>;
  readonly nowMs: () => number;
  /** The machine's wall clock, for those who compare theirs. Default: it is not told. */
  readonly wallMs?: () => number;
  readonly name: string;
  /** The first seals, all open. */
  readonly keys: readonly SessionKey[];
  readonly log: Pick<Log, 'info' | 'warn'>;
  /** All that one datagram says. */
  readonly onRecords: (records: readonly WireRecord[], from: string) => void;
  /** A node is there that was not, or is back after a silence. */
  readonly onConnected: (name: string) => void;
  /** Its wall clock less this one's. */
  readonly onClock?: (name: string, offsetMs: number) => void;
  /** Default: the system's. */
  readonly randomBytes?: (size: number) => Buffer;
};

/** How often hello is said to those who have not answered, */
export const HELLO_INTERVAL_MS = 1000;
/** and to those who have not for so many times. */
const HELLO_TRIES = 30;
export const HELLO_INTERVAL_SLOW_MS = 5000;
/** An address that is our own is tried again after this: it may be another's by then. */
const OWN_ADDRESS_MS = 60_000;
/** Unheard for so long, a node counts as silent and hello is said again. */
export const SILENT_AFTER_MS = 2000;
/** Unheard for so long, it is worth a line. */
export const MISSED_AFTER_MS = 10_000;
/** A life that is heard so long after the next one of its name is no rest of it on the wire. */
const CONFLICT_AFTER_MS = 3000;
const PING_INTERVAL_MS = 5000;
/** Something is said this often, if only a ping, so that silence means something. */
const KEEPALIVE_MS = 900;
/** Proof is given in return this often, so that two that lack each other's word do not chatter. */
const PROOF_INTERVAL_MS = 400;
/** A pong that took longer measures nothing. */
const RTT_MAX_MS = 10_000;

type State = {
  readonly deps: PeersDeps;
  readonly boot: Buffer;
  readonly secret: Buffer;
  readonly budget: HelloBudget;
  readonly table: PeerTable;
  /** Names that two living processes have. */
  readonly conflicts: Set<string>;
  keys: readonly SessionKey[];
};

export function createPeers(deps: PeersDeps): Peers {
  const random = deps.randomBytes ?? systemRandom;
  const boot = random(BOOT_BYTES);
  const state: State = {
    deps,
    boot,
    secret: random(NONCE_SECRET_BYTES),
    budget: createHelloBudget(random(4).readInt32BE()),
    table: createPeerTable(boot),
    conflicts: new Set(),
    keys: deps.keys,
  };
  const { table } = state;
  deps.transport.onDatagram((bytes, address, via) => {
    if (isHello(bytes)) hearHello(state, bytes, { address, via });
    else hearData(state, bytes, { address, via });
  });
  return {
    setSeeds: (addresses) => table.setSeeds(addresses, deps.nowMs()),
    setKeys(keys) {
      state.keys = keys;
      table.setKeys(keys);
    },
    broadcast(records) {
      if (table.sessions.size === 0) return;
      const frames = encodeFrames(records);
      for (const session of presentSessions(state)) sendFrames(state, session, frames);
    },
    send(name, records) {
      const session = table.named(name);
      if (session !== undefined) sendFrames(state, session, encodeFrames(records));
    },
    connected: () => {
      const nowMs = deps.nowMs();
      return presentSessions(state).flatMap((each) => (isHeard(each, nowMs) ? [each.name] : []));
    },
    tick() {
      const nowMs = deps.nowMs();
      table.sweep(nowMs);
      for (const place of table.places.values()) lookAt(state, place, nowMs);
      for (const session of presentSessions(state)) keepAwake(state, session, nowMs);
    },
    status: () => statusOf(state, deps.nowMs()),
  };
}

/** Those that are sent to: a node's former life is not. */
function presentSessions({ table }: State): readonly Session[] {
  return [...table.sessions.values()].filter(({ supersededAtMs }) => supersededAtMs === undefined);
}

const isHeard = ({ heardAtMs, received }: Session, nowMs: number): boolean =>
  received > 0 && nowMs - heardAtMs < SILENT_AFTER_MS;

/** Hello to seeds where nobody is, and to sessions that fell silent. */
function lookAt(state: State, place: Place, nowMs: number): void {
  const { address, helloAtMs, isOwn, seed, session, tries } = place;
  if (session === undefined ? !seed : isHeard(session, nowMs)) return;
  const usualMs = tries < HELLO_TRIES ? HELLO_INTERVAL_MS : HELLO_INTERVAL_SLOW_MS;
  if (nowMs - helloAtMs < (isOwn ? OWN_ADDRESS_MS : usualMs)) return;
  // The other may know another of our keys only, or be reached from another of our sockets: each
  // has its turn.
  const count = state.keys.length;
  const key = state.keys[tries % count];
  place.tries += 1;
  place.helloAtMs = nowMs;
  const via = place.via ?? Math.floor(tries / count);
  if (key !== undefined) sayHello(state, { address, via }, key, NOBODY);
}

const NOBODY = { nonce: Buffer.alloc(NONCE_BYTES), boot: Buffer.alloc(BOOT_BYTES) };

/** Where a datagram goes, or came from; `via` is one of our own sockets. */
type Way = { readonly address: string; readonly via: number | undefined };

function sayHello(
  { boot, deps, secret }: State,
  { address, via }: Way,
  key: SessionKey,
  answered: Pick<Hello, 'nonce' | 'boot'>,
): void {
  const nonce = makeNonce(secret, address, deps.nowMs());
  const echo = { echoNonce: answered.nonce, echoBoot: answered.boot };
  deps.transport.send(encodeHello({ name: deps.name, boot, nonce, ...echo }, key), address, via);
}

function keepAwake(state: State, session: Session, nowMs: number): void {
  const { heardAtMs, isMissed, name, pingedAtMs, place, sentAtMs } = session;
  if (nowMs - pingedAtMs >= PING_INTERVAL_MS || nowMs - sentAtMs >= KEEPALIVE_MS) {
    session.pingedAtMs = nowMs;
    sendFrames(state, session, encodeFrames([{ kind: 'ping', token: Math.floor(nowMs) }]));
  }
  if (!isMissed && nowMs - heardAtMs > MISSED_AFTER_MS) {
    session.isMissed = true;
    const seconds = Math.round(MISSED_AFTER_MS / 1000);
    const text = `Node ${name} at ${place.address} has not been heard directly for ${seconds} s.`;
    state.deps.log.info('peers.silent', text);
  }
}

function hearHello(state: State, bytes: Uint8Array, way: Way): void {
  const { boot, budget, deps, secret, table } = state;
  const { address, via } = way;
  const known = table.places.get(address);
  const opened = openHello(bytes, state.keys);
  if (opened === undefined) {
    if (known !== undefined) known.refused += 1;
    return;
  }
  const { hello, key } = opened;
  if (hello.boot.equals(boot)) {
    if (known !== undefined) known.isOwn = true;
    return;
  }
  const nowMs = deps.nowMs();
  const provenMs = hello.echoBoot.equals(boot)
    ? readNonce(hello.echoNonce, { secret, address, nowMs })
    : undefined;
  if (provenMs === undefined) {
    // Nothing is kept of it: who answers the answer lives.
    if (known?.seed || known?.session || budget.spend(address, nowMs)) {
      sayHello(state, way, key, hello);
    }
    return;
  }
  const place = table.provenPlace(address, nowMs);
  if (place === undefined || provenMs <= place.provenMs) return;
  Object.assign(place, { provenMs, via, isOwn: false });
  if (!welcome(state, place, opened)) return;
  place.proofAtMs = nowMs;
  sayHello(state, way, key, hello);
}

/**
 * Somebody has proven to live now, at this place; true when it should have our proof in return, which
 * it may lack as long as nothing is heard of it.
 */
function welcome(
  state: State,
  place: Place,
  { hello, key }: { readonly hello: Hello; readonly key: SessionKey },
): boolean {
  const { deps, table } = state;
  const { name } = hello;
  if (name === deps.name) {
    reportConflict(state, name, place);
    return false;
  }
  const nowMs = deps.nowMs();
  const session = sessionOf(table, hello);
  if (session !== undefined) {
    place.session = session;
    if (!isHeard(session, nowMs)) session.place = place;
    if (isRevenant(session, nowMs)) {
      session.supersededAtMs = undefined;
      reportConflict(state, name, place);
    }
    return !isHeard(session, nowMs) && nowMs - place.proofAtMs >= PROOF_INTERVAL_MS;
  }
  if (table.open(hello, { place, key, keys: state.keys, nowMs }) === undefined) return false;
  deps.log.info('peers.connected', `Node ${name} is heard directly, at ${place.address}.`);
  deps.onConnected(name);
  return true;
}

/** A life that should have ended when the next one of its name began. */
const isRevenant = ({ supersededAtMs }: Session, nowMs: number): boolean =>
  supersededAtMs !== undefined && nowMs - supersededAtMs > CONFLICT_AFTER_MS;

function sessionOf({ sessions }: PeerTable, { boot }: Hello): Session | undefined {
  const session = sessions.get(senderOf(boot));
  return session?.boot.equals(boot) === true ? session : undefined;
}

/** Says so once; until one of them is gone the same one is heard by everybody (isSpokesman). */
function reportConflict({ conflicts, deps }: State, name: string, { address }: Place): void {
  if (conflicts.has(name)) return;
  conflicts.add(name);
  const text =
    name === deps.name
      ? `Another process at ${address} is called ${name} too`
      : `Two processes are called ${name}, one of them at ${address}`;
  deps.log.warn('peers.conflict', `${text}: give each node its own node.name.`);
}

/** Of several living processes with one name the first by boot id is heard. */
function isSpokesman({ conflicts, table }: State, session: Session, nowMs: number): boolean {
  if (!conflicts.has(session.name)) return true;
  const first = [...table.sessions.values()]
    .filter((each) => each.name === session.name && isHeard(each, nowMs))
    .reduce((a, b) => (Buffer.compare(a.boot, b.boot) <= 0 ? a : b), session);
  return first === session;
}

function hearData(state: State, bytes: Uint8Array, way: Way): void {
  const { deps, table } = state;
  const head = readDataHead(bytes);
  const session = head && table.sessions.get(head.sender);
  if (head === undefined || session === undefined) {
    const place = table.places.get(way.address);
    if (place === undefined) return;
    place.refused += 1;
    // It speaks to us from a life that we do not know: perhaps we have forgotten each other.
    challenge(state, place, deps.nowMs());
    return;
  }
  const frame = isNew(session.window, head.counter)
    ? openWith(session, bytes, head.keyId)
    : undefined;
  // Only what opens may move the window: a number alone proves nothing.
  if (frame === undefined || !acceptOnce(session.window, head.counter)) {
    session.refused += 1;
    return;
  }
  const nowMs = deps.nowMs();
  noteHeard(state, session, way, nowMs);
  const records = decodeFrame(frame);
  if (records === undefined || !isSpokesman(state, session, nowMs)) return;
  answerPing(state, session, records);
  deps.onRecords(records, session.name);
}

function openWith(session: Session, bytes: Uint8Array, keyId: number): Uint8Array | undefined {
  for (const { dataKey, id } of session.inKeys) {
    const frame = id === keyId ? openData(bytes, dataKey) : undefined;
    if (frame !== undefined) return frame;
  }
  return undefined;
}

function noteHeard(state: State, session: Session, way: Way, nowMs: number): void {
  const wasHeard = isHeard(session, nowMs);
  session.heardAtMs = nowMs;
  session.received += 1;
  session.place.tries = 0;
  if (session.isMissed) {
    session.isMissed = false;
    state.deps.log.info('peers.heard', `Node ${session.name} is heard directly again.`);
  }
  if (!wasHeard) state.deps.onConnected(session.name);
  const { address } = way;
  if (isRevenant(session, nowMs)) challenge(state, session.place, nowMs);
  if (session.place.address === address) return;
  // It speaks from another address now. Whoever sent an old datagram from there cannot answer.
  const place = state.table.places.get(address);
  if (place?.session === session) session.place = place;
  else if (place !== undefined) challenge(state, place, nowMs);
  else if (state.budget.spend(address, nowMs)) sayHello(state, way, session.key, NOBODY);
}

/** Asks who is there to prove it, now and then. */
function challenge(state: State, place: Place, nowMs: number): void {
  if (nowMs - place.helloAtMs < HELLO_INTERVAL_MS) return;
  place.helloAtMs = nowMs;
  const [key] = state.keys;
  if (key !== undefined) sayHello(state, place, place.session?.key ?? key, NOBODY);
}

/** At most one answer to a datagram, however many questions are in it. */
function answerPing(state: State, session: Session, records: readonly WireRecord[]): void {
  const ping = records.findLast((record) => record.kind === 'ping');
  if (ping !== undefined) {
    const wallMs = Math.floor(state.deps.wallMs?.() ?? 0);
    sendFrames(state, session, encodeFrames([{ kind: 'pong', token: ping.token, wallMs }]));
  }
  const pong = records.findLast((record) => record.kind === 'pong');
  if (pong !== undefined) notePong(state.deps, session, pong);
}

function notePong(deps: PeersDeps, session: Session, { token, wallMs }: PongRecord): void {
  const nowMs = deps.nowMs();
  const rttMs = nowMs - token;
  if (rttMs < 0 || rttMs > RTT_MAX_MS) return;
  session.rttMs = rttMs;
  if (wallMs === 0 || deps.wallMs === undefined) return;
  // One answer that was held up, by a way or by a machine that stood still, moves no clock.
  session.clock.observe(token, nowMs, wallMs);
  session.clockOffsetMs = session.clock.nowMs(nowMs)! - deps.wallMs();
  deps.onClock?.(session.name, session.clockOffsetMs);
}

function sendFrames(state: State, session: Session, frames: readonly Uint8Array[]): void {
  const { boot, deps } = state;
  const { key, outKey, place } = session;
  for (const frame of frames) {
    session.counter += 1;
    session.sent += 1;
    session.sentAtMs = deps.nowMs();
    const sealing = { boot, counter: session.counter, dataKey: outKey, keyId: key.id };
    deps.transport.send(sealData(frame, sealing), place.address, place.via);
  }
}

function statusOf(state: State, nowMs: number): readonly PeerStatus[] {
  const looking = [...state.table.places.values()].filter(
    ({ isOwn, seed, session }) => seed && !isOwn && session === undefined,
  );
  const rows = [
    ...presentSessions(state).map(
      (session): PeerStatus => ({
        name: session.name,
        address: session.place.address,
        state: nowMs - session.heardAtMs < SILENT_AFTER_MS ? 'connected' : 'silent',
        lastHeardMs: session.heardAtMs,
        rttMs: session.rttMs,
        clockOffsetMs: session.clockOffsetMs,
        sent: session.sent,
        received: session.received,
        refused: session.refused + session.place.refused,
      }),
    ),
    ...looking.map(({ address, refused }): PeerStatus => ({ ...NOT_HEARD, address, refused })),
  ];
  return rows.toSorted((a, b) => (a.name + a.address < b.name + b.address ? -1 : 1));
}

const NOT_HEARD = {
  name: '',
  state: 'looking',
  lastHeardMs: undefined,
  rttMs: undefined,
  clockOffsetMs: undefined,
  sent: 0,
  received: 0,
} as const;
