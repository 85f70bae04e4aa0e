/**
 * What the balancer needs of a connection, whoever moves the bytes: a socket engine, TLS on top of
 * one, or a test. Time comes with every event, in milliseconds that never go back. The rules are
 * those of the stream engine's contract: handlers are never called from within a call to the wire,
 * and not at all after `destroy`; bytes are valid only during the call.
 */
export type Wire = {
  readonly remoteAddress: string;
  readonly remotePort: number;
  /**
   * @param length only so many octets, not all of `bytes`
   * @returns false when the caller should stop until `onDrain`; the bytes are taken either way
   */
  write(bytes: Uint8Array, length?: number): boolean;
  /** Finishes our direction. */
  end(): void;
  destroy(): void;
  /** Destroys, and lets the peer see a reset instead of an end. */
  reset(): void;
  pause(): void;
  resume(): void;
  /** Changes when the peer has taken some of what was written; costs a call into the kernel. */
  taken(): number;
};

export type WireHandlers = {
  /** Only on wires that the balancer opened itself. */
  onOpen(nowMs: number): void;
  onData(bytes: Uint8Array, nowMs: number): void;
  /** The peer has finished its direction. */
  onEnd(nowMs: number): void;
  onDrain(nowMs: number): void;
  /** @param problem why, empty when it ended in order */
  onClose(problem: string, nowMs: number): void;
};
