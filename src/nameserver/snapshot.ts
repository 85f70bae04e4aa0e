import type { TsigKey } from '../dns/tsig.ts';
import type { Location } from '../geo/location.ts';
import type { Prefix } from '../ip/prefix.ts';
import type { PrefixTable } from '../ip/prefix-table.ts';
import type { ClassMap } from '../steering/map.ts';
import type { ZoneTable } from '../zone/compiled-zones.ts';
import type { ZoneSignatures } from '../zone/signatures.ts';
import type { MapTable } from './map-table.ts';
import type { PreparedTable } from './prepared.ts';
import type { ServiceTable } from './services.ts';
import type { ZoneTransfer } from './transfer-out.ts';

/**
 * All that a DNS worker serves, as one immutable, structured-cloneable value: tables that threads
 * share, and small plain data that each thread compiles into closures and answers for itself. It is
 * replaced whole, never edited. Health is not in it: words come beside it and are indexed by
 * `endpoints`, so they belong to one generation.
 */
export type Snapshot = {
  /** Counts up with every snapshot that this node made; health words carry it. */
  readonly generation: number;
  /** Of the configuration that the nodes share; 0 = of this node's file. */
  readonly revision: number;
  readonly zones: ZoneTable;
  /** Indexed by the nodes of `zones`. */
  readonly services: ServiceTable;
  readonly maps: MapTable;
  /** Indexed by candidates, outcomes and health words. */
  readonly endpoints: readonly SnapshotEndpoint[];
  /** Names of the regions that clients can be near to; indexed by classes and health exceptions. */
  readonly regions: readonly string[];
  /** Largest UDP answer in bytes. */
  readonly udpSizeMax: number;
  readonly identity: ServerIdentity;
  /** Zones that others may copy, and the keys that they may have. */
  readonly transfers: readonly ZoneTransfer[];
  readonly tsigKeys: readonly TsigKey[];
  /** STANDING_… of zone-standing.ts, indexed by the zones of `zones`. */
  readonly standings: Uint8Array;
  /** Who may say that a zone of theirs has changed; [] = NOTIFY is not for this server. */
  readonly primaries: readonly Prefix[];
  /** Whether some zone may be updated (RFC 2136). */
  readonly takesUpdates: boolean;
  /** Of what signed zones answer; undefined = no zone is signed. Signers add it (signing/). */
  readonly signatures: ZoneSignatures | undefined;
  /** Of steered records that are answered, or may soon be: those of all, and what was added to them. */
  readonly prepared: readonly PreparedTable[];
  readonly rateLimits: RateLimits;
  /** Who is answered at all: buildAccess(); undefined = everybody. */
  readonly access: PrefixTable | undefined;
  /** Who may ask for explanations (explain-query.ts). */
  readonly explainAllow: readonly Prefix[];
};

/** What the node says of itself. Texts are octets of a character-string, at most 255. */
export type ServerIdentity = {
  /** Which one this is: NSID (RFC 5001), `id.server.` (RFC 4892); undefined = not told. */
  readonly id: Uint8Array | undefined;
  /** `version.bind.`; undefined = not told. */
  readonly version: Uint8Array | undefined;
  /** The agent that resolvers report errors to (RFC 9567), in wire form. */
  readonly reportChannel: Uint8Array | undefined;
  /** How long an idle connection stays. */
  readonly idleTimeoutMs: number;
};

/** How often a client network gets what over UDP (rate-limit.ts); 0 = as often as it asks. */
export type RateLimits = {
  /** The same answer. */
  readonly answersPerSecond: number;
  /** That something is not there, by zone, and the same referral. */
  readonly negativesPerSecond: number;
  readonly errorsPerSecond: number;
  /** All of them together. */
  readonly responsesPerSecond: number;
  /** Of the responses withheld every so many is an empty one with TC; 0 = none. */
  readonly slip: number;
  /** Prefix lengths of a client network. */
  readonly ipv4Bits: number;
  readonly ipv6Bits: number;
  readonly exempt: readonly Prefix[];
};

/**
 * One chain of steps over one pool with one pair of TTL bounds, shared by every name that has them.
 * Maps that differ in bounds only share the tables of `classes` too.
 */
export type SteeringMap = {
  readonly pool: string;
  readonly policy: string;
  readonly chain: readonly { readonly kind: string; readonly options: unknown }[];
  /** Indexes of the pool's endpoints. */
  readonly candidates: readonly number[];
  readonly classes: ClassMap;
  /** Where the regions are that its clients are told apart by; [] = by none. */
  readonly clientRegions: readonly (Location | undefined)[];
  /** Ignore health in a tier when less than this share of its weight is healthy, 0..1. */
  readonly panicThreshold: number;
  /** Addresses for when operators have taken everything out; 4 and 16 bytes. */
  readonly sorry4: readonly Uint8Array[];
  readonly sorry6: readonly Uint8Array[];
  readonly ttlMinSeconds: number;
  readonly ttlMaxSeconds: number;
  /** What HTTPS and SVCB say besides the endpoint's own; undefined = there are none. */
  readonly https: ServiceBinding | undefined;
};

/** RFC 9460 7. */
export type ServiceBinding = {
  readonly priority: number;
  readonly alpn: readonly string[];
  readonly port: number | undefined;
  /** With the addresses that the client would be answered. */
  readonly hints: boolean;
};

export type SnapshotEndpoint = {
  /** `pool/region`, unique. */
  readonly name: string;
  readonly pool: string;
  readonly region: string;
  readonly location: Location | undefined;
  readonly weight: number;
  /** Addresses in the order of the configuration; 4 and 16 bytes. */
  readonly v4: readonly Uint8Array[];
  readonly v6: readonly Uint8Array[];
  /** The name that it stands for, in wire form: such a pool answers with CNAMEs. */
  readonly cname: Uint8Array | undefined;
  /** Protocols of its own for HTTPS and SVCB. */
  readonly alpn: readonly string[] | undefined;
};
