/**
 * Every zone of a configuration as one flat, immutable table: bytes in an arena, rows of integers
 * in columns, one hash index over all names. Everything lies in SharedArrayBuffers, so a million
 * RRsets exist once, whatever the number of workers, cost the garbage collector nothing, and travel
 * to a worker as a handful of handles. Trees of objects were rejected for all three reasons.
 *
 *   slots   open addressing:  hash -> node            nodes    one row per existing name
 *   rrsets  one row each      node -> first, count    links    pointer patches and glue lists
 *   zones   one row each      apex, SOA, parent       arena    names, record bodies, CNAME targets
 *
 * A name exists when it owns records, is steered, or has a descendant (an empty non-terminal,
 * RFC 4592 2.2.2). Names are hashed label by label from the right, so the hashes of all ancestors
 * come free with that of the name: an exact match is one probe, and a miss walks up to the closest
 * encloser at one probe per label. The hash is not seeded: only the operator inserts names, so a
 * client that sends colliding names meets probe runs no longer than the operator's own names make
 * them, and every stored hash is compared before any byte is.
 *
 * The body of an RRset is its records as they appear on the wire when the owner is the question's
 * name: the owner is the pointer 0xC00C, and names in rdata that end in the zone's apex end in a
 * pointer to it (only for the types of RFC 1035, as RFC 3597 4 demands). An answer is one copy.
 * Where the owner stands elsewhere (wildcards, CNAME chains, authority, glue) the pointers are patched.
 */
export type ZoneTable = {
  readonly arena: Uint8Array;
  /** Node index + 1, or 0 when free; the length is a power of two, at most half full. */
  readonly slots: Uint32Array;
  readonly nodes: Int32Array;
  readonly rrsets: Int32Array;
  readonly zones: Int32Array;
  readonly links: Int32Array;
  /** Tables of one number lie in one memory, but for their `slots` and `zones`: one was made from the other. */
  readonly memory: number;
};

/** Absent index in any column. */
export const NONE = -1;

/** Words of a row of `nodes`. */
export const NODE_WORDS = 10;
export const NODE_HASH = 0;
/** Lower-cased wire form in the arena. */
export const NODE_NAME = 1;
export const NODE_NAME_LENGTH = 2;
/** First RRset and their number; sorted by type. */
export const NODE_RRSETS = 3;
export const NODE_RRSET_COUNT = 4;
/** Index of the steered service that lives here, or NONE. */
export const NODE_SERVICE = 5;
export const NODE_ZONE = 6;
/** The delegation point at or above this name, or NONE. */
export const NODE_CUT = 7;
/** The child `*`, or NONE. */
export const NODE_WILDCARD = 8;
/** Types that the service answers: ANSWERS_… bits. */
export const NODE_ANSWERS = 9;

/** A and AAAA, of a name that has its own records beside them. */
export const ANSWERS_ADDRESSES = 1;
export const ANSWERS_HTTPS = 2;
export const ANSWERS_SVCB = 4;
/** All types, with a CNAME. */
export const ANSWERS_ALIAS = 8;

/** Words of a row of `rrsets`. */
export const RRSET_WORDS = 13;
export const RRSET_TYPE = 0;
export const RRSET_RECORDS = 1;
export const RRSET_BODY = 2;
export const RRSET_BODY_LENGTH = 3;
/** Where the zone's apex stands in a message whose question is the owner: what pointers assume. */
export const RRSET_APEX_POSITION = 4;
/** First link and number of offsets in the body at which a pointer to the apex stands. */
export const RRSET_PATCHES = 5;
export const RRSET_PATCH_COUNT = 6;
/** NS only: first link and number of (offset of the target in the body, RRset) pairs. */
export const RRSET_GLUE = 7;
export const RRSET_GLUE_COUNT = 8;
/** The first so many pairs are in-domain and must not be left out silently (RFC 9471 3.1). */
export const RRSET_GLUE_REQUIRED = 9;
/** CNAME and DNAME only: the lower-cased target in the arena. */
export const RRSET_TARGET = 10;
export const RRSET_TARGET_LENGTH = 11;
export const RRSET_ZONE = 12;

/** Words of a row of `zones`. */
export const ZONE_WORDS = 9;
export const ZONE_APEX = 0;
export const ZONE_APEX_LENGTH = 1;
export const ZONE_SOA = 2;
/** The SOA with the TTL of negative answers, min(its TTL, MINIMUM) (RFC 2308 3). */
export const ZONE_NEGATIVE = 3;
/** The zone of ours that is authoritative for DS at this apex, or NONE. */
export const ZONE_PARENT = 4;
/** How the zone proves that something is not there: DENIAL_…, or NONE when it is not signed. */
export const ZONE_DENIAL = 5;
/** First link and number of (node, NSEC RRset) pairs in canonical order; DENIAL_CHAIN only. */
export const ZONE_CHAIN = 6;
export const ZONE_CHAIN_LENGTH = 7;
/** The NSEC RRset of the parent zone at this apex, or NONE. */
export const ZONE_DENIAL_AT_PARENT = 8;

/** For a name that is not there a proof is made when it is asked for (RFC 9824). */
export const DENIAL_COMPACT = 1;
/** All proofs are there (RFC 4035 3.1.3). */
export const DENIAL_CHAIN = 2;

/** Row of `rrsets` that answers ANY at a name without RRsets of its own: HINFO (RFC 8482 4.2). */
export const RRSET_ANY = 0;

/** Bytes of a record in a body before its rdata: owner pointer, type, class, TTL, rdata length. */
export const RECORD_HEADER_LENGTH = 12;

/** Hash of the root; the start of every name's hash. */
export const ROOT_HASH = 0x811c9dc5 | 0;

/** The hash of a name from that of its parent and its first label, at `offset` in `bytes` (FNV-1a). */
export function hashLabel(parent: number, bytes: Uint8Array, offset: number): number {
  const end = offset + bytes[offset]!;
  let hash = parent;
  for (let i = offset; i <= end; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
  return hash;
}

/** Spreads a hash over all 32 bits, so that its low ones may index (the finalizer of MurmurHash3). */
export function spread(hash: number): number {
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
