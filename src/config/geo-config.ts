/** Where things are: regions as data, and what is known of clients. */
import type { Location } from '../geo/location.ts';

export type RegionConfig = {
  /** `{latitude, longitude}` or, in YAML, a country `DE`, a subdivision `US-VA` or a cloud region `aws/eu-west-1`; `{}` = not known. */
  readonly location: Location;
  /** v4 and v6 addresses that DNS answers for this region. */
  readonly vips: readonly string[];
  /** Requests per second that the region can carry; 0 = not stated. */
  readonly capacity: number;
};

export type GeoConfig = {
  /** Paths of files, the first that knows wins; `built-in` = what comes with the program, as does an empty list. */
  readonly databases: readonly string[];
  /** Operator knowledge, on top of every database; the longest prefix wins. */
  readonly overrides: readonly {
    readonly networks: readonly string[];
    readonly location: Location;
  }[];
  /** Files of networks that public resolvers ask from; what they say of places is right before all databases. */
  readonly resolvers: readonly string[];
  /** Data that are older are told of. */
  readonly maxAgeMs: number;
};
