import type { DecodedMessage } from '../dns/decode.ts';
import type { Prefix } from '../ip/prefix.ts';

/**
 * All that was seen of a delegation from the outside: replies as they came, nothing judged. Names are
 * lower-case master-file text with the final dot, addresses their canonical text.
 */
export type Observation = {
  readonly zone: string;
  readonly parent: ParentSights;
  /** Every name that the parent or the zone itself calls a nameserver. */
  readonly hosts: readonly Host[];
  /** One per address of them. */
  readonly nameservers: readonly NameserverSights[];
  /** The steered name whose answers the clients' networks were asked for, if any. */
  readonly walk: { readonly name: string; readonly type: number } | undefined;
};

/** The reply to one question, or why there is none. */
export type Sight =
  | {
      readonly ok: true;
      readonly message: DecodedMessage;
      readonly sizeBytes: number;
      readonly rttMs: number;
    }
  | {
      readonly ok: false;
      readonly reason: string;
      /** It is this machine that cannot send there: it says nothing about the server. */
      readonly isLocal?: true;
    };

export type ParentSights = {
  /** Undefined when the parent's servers were given by hand. */
  readonly name: string | undefined;
  readonly servers: readonly ParentServerSights[];
};

/** What one server of the parent says about the zone, asked without recursion. */
export type ParentServerSights = {
  readonly address: string;
  readonly ns: Sight;
  readonly ds: Sight;
};

export type Host = {
  readonly name: string;
  /** What its owner says: the zone itself for names in it, the resolver for others. */
  readonly addresses: readonly string[];
  /** What the parent says beside the delegation. */
  readonly glue: readonly string[];
  /** The name is an alias of another. */
  readonly isAlias: boolean;
  /** Why its addresses could not be asked for. */
  readonly problem: string | undefined;
};

/** Sights of one address; all questions are about the zone's apex, but for the last two. */
export type NameserverSights = {
  readonly host: string;
  readonly address: string;
  /** SOA by UDP, with DO, NSID and a client cookie in EDNS version 0 and room for 1232 octets. */
  readonly soa: Sight;
  /** When the reply to that came, in seconds since 1970 by this machine's clock. */
  readonly soaAtSeconds: number;
  /** SOA by UDP without EDNS. */
  readonly plain: Sight;
  /** SOA by TCP, with DO. */
  readonly tcp: Sight;
  /** SOA by UDP in EDNS version 1, which does not exist. */
  readonly nextVersion: Sight;
  readonly ns: Sight;
  /** DNSKEY with DO. */
  readonly keys: Sight;
  /** A name that is not there. */
  readonly absent: Sight;
  /** The steered name, once for every client network. */
  readonly walk: readonly WalkSight[];
};

export type WalkSight = { readonly client: Prefix; readonly reply: Sight };
