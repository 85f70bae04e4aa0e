/** What nodes tell each other of ways to clients, through the store. */

/** Sketches of what was measured (clients/rtt-sketch.ts), in base64. */
export const SKETCH_LOG = 'latency/sketches';
/** Some minutes of a large cluster: who plans reads them every window. */
export const SKETCHES_MAX = 2_000;
/** Of each nameserver by its name, leased: who asks it most (clients/resolver-list.ts). */
export const RESOLVERS_PREFIX = 'latency/resolvers/';
/** The map that is in force (clients/latency-map.ts), in base64. */
export const MAP_KEY = 'latency/map';
/** Who plans, and until when. */
export const PLANNER_KEY = 'latency/planner';
/** A value of a store has 4 MiB, in base64 three quarters of that, and a little is left free. */
export const MAP_OCTETS_MAX = 3_000_000;
