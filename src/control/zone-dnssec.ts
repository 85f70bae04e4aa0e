import type { Sharing } from '../cluster/share-waiters.ts';
import type { Problem } from './control-plane.ts';

/** How a zone is signed, as people see it: everything about its keys but the keys. */
export type ZoneDnssec = {
  /** As in the configuration. */
  readonly zone: string;
  /** Where the keys are: with all nodes, in a file of this node, or in somebody's folder. */
  readonly kept: 'shared' | 'file' | 'folder';
  /** Why the zone is not signed, or why its keys cannot be read again. */
  readonly problem?: string;
  readonly keys: readonly ZoneKeyStatus[];
  /** Data of DS records that the parent is to have, and of the records that say so to it. */
  readonly ds: readonly string[];
  readonly cds: readonly string[];
  readonly cdnskey: readonly string[];
  /** Before this, caches may hold unsigned answers, and the parent is to have no DS. */
  readonly dsFromMs?: number;
  readonly roll?: KeyRollStatus;
  /** What the configuration asks for and the keys are not. */
  readonly warnings: readonly string[];
  /** In the answer to whoever has just changed something. */
  readonly sharing?: Sharing;
};

export type ZoneKeyStatus = {
  readonly tag: number;
  readonly role: 'csk' | 'ksk' | 'zsk';
  readonly algorithm: 'ecdsap256' | 'ed25519';
  readonly stage: 'announced' | 'published' | 'active' | 'retired' | 'leaving' | 'gone';
  readonly sinceMs: number;
};

export type KeyRollStatus = {
  readonly key: 'csk' | 'ksk' | 'zsk';
  readonly step: 'introduced' | 'switched' | 'withdrawn';
  readonly sinceMs: number;
  /** `parent`: until it shows the DS records that `ds` has. */
  readonly waitsFor: 'time' | 'parent' | 'nothing';
  /** Of `time`. */
  readonly untilMs?: number;
  /** What is so now, and what somebody has to do. */
  readonly detail: string;
};

export type KeyRollRequest = {
  readonly zone: string;
  readonly key: 'csk' | 'ksk' | 'zsk';
  readonly by: string;
};
export type KeyStepRequest = {
  readonly zone: string;
  /** That all servers of the parent show the DS records that it is to have. */
  readonly dsSeen?: boolean;
  /** TTL of those. */
  readonly dsTtlSeconds?: number;
  readonly by: string;
};

export function notSigned(zone: string): Problem {
  return {
    problem: 'not-found',
    code: 'zone-not-signed',
    message: `This node signs no zone "${zone}".`,
    hint: 'zones.<zone>.dnssec: true in the configuration signs one.',
  };
}

/** What people can do to the keys of zones. */
export type ZoneKeys = {
  status(zone: string): ZoneDnssec | Problem;
  startRoll(request: KeyRollRequest): Promise<ZoneDnssec | Problem>;
  advanceRoll(request: KeyStepRequest): Promise<ZoneDnssec | Problem>;
};
