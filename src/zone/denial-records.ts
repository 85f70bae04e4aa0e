/**
 * The NSEC records of signed zones, which prove that a name has no other types, or is not there (RFC 4034 4).
 *
 *   compact   each name is followed by the one that is next to it, so that nothing is told of others; of a
 *             name that is not there the proof is made when somebody asks (RFC 9824)
 *   nsec      each name is followed by the next one that has records: every proof is made before, and
 *             whoever asks long enough has read the zone
 */
import { TYPE_DS, TYPE_NS, TYPE_NSEC, TYPE_RRSIG } from '../dns/constants.ts';
import { nextName, nsecRdata } from '../dns/dnssec/denial.ts';
import { compareNames } from '../dns/name.ts';
import type { NodeDraft, RrsetDraft, ZoneDraft } from './assemble.ts';

/** A name and its record. */
export type DenialDraft = {
  readonly node: NodeDraft;
  readonly nsec: RrsetDraft;
};

/** Adds them to the nodes of signed zones. What is delegated away has none (RFC 4035 2.3). */
export function addDenials(nodes: readonly NodeDraft[], zones: readonly ZoneDraft[]): void {
  const byZone = new Map<ZoneDraft, NodeDraft[]>(zones.map((zone) => [zone, []]));
  for (const node of nodes) {
    if (node.cut === undefined || node.cut === node) byZone.get(node.zone)?.push(node);
  }
  for (const zone of zones) {
    if (zone.denial === undefined) continue;
    const own = byZone.get(zone)!.map((node): Entry => ({ node, types: typesOf(node) }));
    const cuts = zones
      .filter(({ parent }) => parent === zone)
      .map(({ apex }): Entry => ({ node: apex!, types: typesAtChild(apex!), isOfChild: true }));
    const entries = [...own, ...cuts];
    if (zone.denial === 'compact') addCompact(zone, entries);
    else addChain(zone, entries);
  }
}

type Entry = {
  readonly node: NodeDraft;
  readonly types: readonly number[];
  /** The apex of a zone of ours below, as the parent zone sees it. */
  readonly isOfChild?: boolean;
};

function typesOf({ name, rrsets, serviceTypes, zone, cut }: NodeDraft): readonly number[] {
  const isApex = name.length === zone.apexName.length;
  const types = rrsets
    .map(({ type }) => type)
    .filter((type) => !(isApex && type === TYPE_DS))
    .filter((type) => cut === undefined || type === TYPE_NS || type === TYPE_DS);
  return [...types, ...serviceTypes];
}

function typesAtChild({ rrsets }: NodeDraft): readonly number[] {
  return rrsets.some(({ type }) => type === TYPE_DS) ? [TYPE_NS, TYPE_DS] : [TYPE_NS];
}

function addCompact(zone: ZoneDraft, entries: readonly Entry[]): void {
  for (const entry of entries) addNsec(zone, entry, nextName(entry.node.name));
}

/** Empty non-terminals have none: the record that spans them proves them. */
function addChain(zone: ZoneDraft, entries: readonly Entry[]): void {
  const owners = entries
    .filter(({ types }) => types.length > 0)
    .toSorted((a, b) => compareNames(a.node.name, b.node.name));
  for (const [index, entry] of owners.entries()) {
    const next = owners[(index + 1) % owners.length]!;
    zone.chain.push({ node: entry.node, nsec: addNsec(zone, entry, next.node.name) });
  }
}

function addNsec(zone: ZoneDraft, { isOfChild, node, types }: Entry, next: Uint8Array): RrsetDraft {
  const rdata = nsecRdata(next, [...types, TYPE_RRSIG, TYPE_NSEC]);
  // RFC 9077: as long as the zone's negative answers.
  const nsec: RrsetDraft = { type: TYPE_NSEC, ttl: zone.negativeTtl, rdata: [rdata], glue: [] };
  if (isOfChild === true) node.zone.denialAtParent = nsec;
  else node.rrsets.push(nsec);
  return nsec;
}
