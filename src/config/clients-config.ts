/** What clients of HTTP may take; the number of connections is that of layer 4, too. */
export type ClientsConfig = {
  readonly connectionsMax: number;
  readonly requestBodyBytesMax: number;
  /** From the first byte of a head, or from accepting, to the head's end; beyond it 408. */
  readonly headTimeoutMs: number;
  /** Between requests. */
  readonly keepAliveTimeoutMs: number;
  /** Without a byte of a body that the client has announced. */
  readonly bodyIdleTimeoutMs: number;
  /** Without the client taking a byte of what it asked for. */
  readonly writeIdleTimeoutMs: number;
  readonly tunnelIdleTimeoutMs: number;
  /** How long a client is still read from that was told to go. */
  readonly lingerTimeoutMs: number;
};
