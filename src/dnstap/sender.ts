import { connect, type Socket } from 'node:net';
import {
  CONTROL_ACCEPT,
  CONTROL_FINISH,
  CONTROL_READY,
  CONTROL_START,
  CONTROL_STOP,
  type ControlFrame,
  DNSTAP_CONTENT,
  encodeControl,
  readControl,
  takesDnstap,
} from './frame-streams.ts';
import { openRingReader, type RingReader } from './ring.ts';

/**
 * Brings what workers have noted to the collector, over a connection that it makes again whenever it breaks. It
 * holds one piece of bounded size at a time and takes the next when the system has taken that, so a collector that
 * does not read costs no memory: the rings fill, and the workers count what they have no room for.
 */
export type Sender = {
  /** Sends what is there, if there is a collector to send it to, and says goodbye. */
  stop(): Promise<void>;
};

export type CollectorPlace =
  | { readonly path: string }
  | { readonly host: string; readonly port: number };

export type SenderOptions = {
  readonly to: CollectorPlace;
  readonly rings: readonly SharedArrayBuffer[];
  readonly setTimer: (ms: number, act: () => void) => () => void;
  /** Events that have gone, or that were on their way when the connection broke. */
  count(result: 'written' | 'lost', events: number): void;
  /** The collector takes events now, or does not; told when it changes, and when the first attempt fails. */
  told(isConnected: boolean, why: string): void;
};

/** What is taken from the rings at once. */
export const PIECE_BYTES = 256 * 1024;
/** How often rings are looked at: a ring has to last so long. */
const LOOK_EVERY_MS = 10;
/** Likewise after a while without anything. */
const LOOK_EVERY_MS_IDLE = 50;
/** For a connection and an ACCEPT, or a FINISH. */
const ANSWER_TIMEOUT_MS = 5000;
/** A collector that takes nothing for so long is looked for anew. */
const STALL_TIMEOUT_MS = 10_000;
/** For all that is left to do once it is to stop: what is on its way then is lost, and counted. */
export const FINISH_MS = 800;
const KEEP_ALIVE_MS = 30_000;
/** Pauses before the next attempt: doubling; a connection that lasts longer than the last resets it. */
const RETRY_FIRST_MS = 100;
const RETRY_MAX_MS = 10_000;

const READY = control(CONTROL_READY);
const START = control(CONTROL_START);
const STOP = encodeControl({ type: CONTROL_STOP, contentTypes: [] });

export function openSender(options: SenderOptions): Sender {
  const readers = options.rings.map(openRingReader);
  const { promise: stopped, resolve: endStopped } = Promise.withResolvers<void>();
  let retryMs = RETRY_FIRST_MS;
  let cancelRetry: () => void = () => {};
  let talk: Talk | undefined;
  let isStopping = false;
  /** Undefined = nothing was said yet. */
  let wasConnected: boolean | undefined;
  const tell = (isConnected: boolean, why: string): void => {
    if (wasConnected === isConnected) return;
    wasConnected = isConnected;
    options.told(isConnected, why);
  };
  const begin = (): void => {
    let cancelReset: () => void = () => {};
    talk = openTalk(options, readers, {
      accepted() {
        tell(true, '');
        cancelReset = options.setTimer(RETRY_MAX_MS, () => {
          retryMs = RETRY_FIRST_MS;
        });
      },
      ended(why) {
        cancelReset();
        talk = undefined;
        if (isStopping) return endStopped();
        tell(false, why);
        cancelRetry = options.setTimer(retryMs, begin);
        retryMs = Math.min(RETRY_MAX_MS, retryMs * 2);
      },
    });
  };
  begin();
  return {
    stop() {
      isStopping = true;
      cancelRetry();
      if (talk === undefined) endStopped();
      else talk.finish();
      return stopped;
    },
  };
}

/** One connection, from its beginning to its end. */
type Talk = { finish(): void };

type TalkEars = {
  accepted(): void;
  /** Called once. */
  ended(why: string): void;
};

type Stage = 'greeting' | 'sending' | 'finishing' | 'goodbye' | 'over';

function openTalk(
  { count, setTimer, to }: SenderOptions,
  readers: readonly RingReader[],
  ears: TalkEars,
): Talk {
  const piece = new Uint8Array(PIECE_BYTES);
  const socket = connectTo(to);
  let stage: Stage = 'greeting';
  let underway = 0;
  let idleLooks = 0;
  let heard = new Uint8Array(0);
  /** Of whatever is waited for: one thing at a time. */
  let cancelWait: () => void = () => {};
  let cancelFinish: () => void = () => {};
  const wait = (ms: number, act: () => void): void => {
    cancelWait();
    cancelWait = setTimer(ms, act);
  };
  const end = (why: string): void => {
    if (stage === 'over') return;
    stage = 'over';
    cancelWait();
    cancelFinish();
    socket.destroy();
    if (underway > 0) count('lost', underway);
    ears.ended(why);
  };
  const sayGoodbye = (): void => {
    stage = 'goodbye';
    socket.write(STOP);
    wait(ANSWER_TIMEOUT_MS, () => end('it did not take leave'));
  };
  const sent = (): void => {
    count('written', underway);
    underway = 0;
    idleLooks = 0;
    // Not at once: a collector that takes everything would leave this thread no time to hear anything else.
    wait(0, look);
  };
  const look = (): void => {
    const { events, length } = takeFrom(readers, piece);
    if (length > 0) {
      underway = events;
      socket.write(piece.subarray(0, length), (error) => {
        if (!error && stage !== 'over') sent();
      });
      wait(STALL_TIMEOUT_MS, () => end(`it took nothing for ${STALL_TIMEOUT_MS / 1000} s`));
    } else if (stage === 'finishing') sayGoodbye();
    else {
      idleLooks += 1;
      wait(idleLooks > IDLE_LOOKS ? LOOK_EVERY_MS_IDLE : LOOK_EVERY_MS, look);
    }
  };
  const hear = (frame: ControlFrame): void => {
    if (stage === 'greeting' && frame.type === CONTROL_ACCEPT) {
      if (!takesDnstap(frame)) {
        end(`it does not take ${DNSTAP_CONTENT}`);
        return;
      }
      socket.write(START);
      stage = 'sending';
      ears.accepted();
      look();
    } else if (stage === 'goodbye' && frame.type === CONTROL_FINISH) end('');
    else end(`it said control frame ${frame.type} out of turn`);
  };
  socket.on('connect', () => void socket.write(READY));
  socket.on('data', (bytes: Buffer) => {
    heard = Buffer.concat([heard, bytes]);
    while (stage !== 'over') {
      const read = readControl(heard);
      if (read.step === 'incomplete') break;
      if (read.step === 'broken') return end(`it sent ${read.why}`);
      heard = heard.subarray(read.length);
      hear(read.frame);
    }
  });
  socket.on('error', ({ code, message }: NodeJS.ErrnoException) => end(code ?? message));
  socket.on('close', () => end('it closed the connection'));
  wait(ANSWER_TIMEOUT_MS, () => end('it did not answer'));
  return {
    finish() {
      if (stage === 'greeting') return end('');
      stage = 'finishing';
      cancelFinish = setTimer(FINISH_MS, () =>
        end(`it took longer than ${FINISH_MS} ms at the end`),
      );
      if (underway === 0) look();
    },
  };
}

/** Some half a second. */
const IDLE_LOOKS = 50;

/** Fills the piece from all rings; which is first changes, so that a full one leaves the others room. */
function takeFrom(readers: readonly RingReader[], piece: Uint8Array) {
  let length = 0;
  let events = 0;
  const first = Math.floor(Math.random() * readers.length);
  for (let step = 0; step < readers.length; step += 1) {
    const reader = readers[(first + step) % readers.length]!;
    length += reader.take(piece, length);
    events += reader.frames();
  }
  return { events, length };
}

function connectTo(to: CollectorPlace): Socket {
  if ('path' in to) return connect({ path: to.path });
  const { host, port } = to;
  return connect({
    host,
    port,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: KEEP_ALIVE_MS,
  });
}

function control(type: number): Uint8Array {
  return encodeControl({ type, contentTypes: [DNSTAP_CONTENT] });
}
