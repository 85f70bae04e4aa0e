/** One probe's datum: what one vantage point saw of one target at one instant. */
export type Observation = {
  readonly atMs: number;
  readonly ok: boolean;
  readonly rttMs: number;
  readonly reason: string;
};
