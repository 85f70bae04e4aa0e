/** What clients of HTTP may take; the number of connections is that of layer 4, too. */
export type ClientsConfig = {
  readonly connectionsMax: number;
  readonly requestBodyBytesMax: number;
  readonly headTimeoutMs: number;
  readonly keepAliveTimeoutMs: number;
  readonly bodyIdleTimeoutMs: number;
  readonly writeIdleTimeoutMs: number;
  readonly tunnelIdleTimeoutMs: number;
  readonly lingerTimeoutMs: number;
};
