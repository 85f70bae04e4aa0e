/** Where a client network or a region is. Absent fields are unknown; coordinates come in pairs. */
export type Location = {
  /** Degrees north, -90 to 90. */
  readonly latitude?: number;
  /** Degrees east, -180 to 180. */
  readonly longitude?: number;
  /** Two-letter continent code as MaxMind uses it: AF AN AS EU NA OC SA. */
  readonly continent?: string;
  /** ISO 3166-1 alpha-2, upper case. */
  readonly country?: string;
  /** ISO 3166-2 part after the dash, for instance `CA` of `US-CA`. */
  readonly subdivision?: string;
  readonly city?: string;
};
