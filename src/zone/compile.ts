/**
 * Zones as people wrote them -> the flat table that is served. Everything that would make the table
 * answer wrongly is an issue here, all of them at once.
 *
 * A name belongs to the longest of our zones that encloses it. What a parent zone holds at or below
 * the apex of a child of ours (its NS records, its glue) is therefore not served, but for DS.
 *
 * One zone after the other goes into the table, parents first, and leaves nothing behind but its rows. A
 * zone that has none of ours below it can be replaced later: its new rows come behind the others
 * (table-store.ts), and the index leads to them.
 */
import { TYPE_DS } from '../dns/constants.ts';
import { labelCount, lowerName, parseName } from '../dns/name.ts';
import { writeAny, writeZone } from './assemble.ts';
import {
  NODE_NAME,
  NODE_NAME_LENGTH,
  NODE_WORDS,
  NODE_ZONE,
  NONE,
  ZONE_APEX,
  ZONE_CHAIN,
  ZONE_CHAIN_LENGTH,
  ZONE_DENIAL_AT_PARENT,
  ZONE_PARENT,
  ZONE_WORDS,
  type ZoneTable,
} from './compiled-zones.ts';
import { addDenials, type ChildApex, writeDenials } from './denial-records.ts';
import { type FillWork, fillZone, type OpenZone } from './fill-zone.ts';
import { createFilling } from './filling.ts';
import { rrsetOf } from './lookup.ts';
import { nodeName, rrsetData } from './rrset-data.ts';
import {
  ARENA_OCTETS_MAX,
  ArenaFull,
  addNode,
  appendOctets,
  createNameHashes,
  createTableStore,
  findNode,
  fitIndex,
  hashName,
  octetsHeld,
  ownIndex,
  removeNode,
  serveTable,
  type TableSize,
  type TableStore,
} from './table-store.ts';
import { absolute, readSoa, type ZoneIssue, type ZoneSource } from './zone-source.ts';

export type ZoneCompilation =
  | { readonly ok: true; readonly table: ZoneTable }
  | { readonly ok: false; readonly issues: readonly ZoneIssue[] };

/** Compiles all zones into one table, or tells everything that is wrong with them. */
export function compileZones(sources: readonly ZoneSource[]): ZoneCompilation {
  return createZoneCompiler().compile(sources);
}

/** Keeps what it has compiled, to replace single zones of it. */
export type ZoneCompiler = {
  /** Anew. Of what is wrong nothing is kept. */
  compile(sources: readonly ZoneSource[]): ZoneCompilation;
  /**
   * With other records of some zones, by their places among those that were compiled last; in time in
   * proportion to these zones, but for a copy of the hash index. Undefined = it has to be compiled anew.
   */
  replace(changed: ReadonlyMap<number, ZoneSource>): ZoneCompilation | undefined;
};

/** The table of the last compilation, and where in it the rows of each zone are. */
type Kept = {
  readonly store: TableStore;
  /** Of each zone: the first row of its names without the apex, and their number. */
  readonly firstNodes: Int32Array;
  readonly nodeCounts: Int32Array;
  /** Of each zone: what it takes in all columns (octetsHeld). */
  readonly octets: Float64Array;
  readonly hasChildren: Uint8Array;
};

/** @param arenaMax octets that names and records of all zones may take */
export function createZoneCompiler(arenaMax = ARENA_OCTETS_MAX): ZoneCompiler {
  let kept: Kept | undefined;
  return {
    compile(sources) {
      kept = undefined;
      const compiled = unlessFull(() => compileAll(sources, arenaMax)) ?? tooMuch(arenaMax);
      if ('issues' in compiled) return { ok: false, issues: compiled.issues };
      kept = compiled;
      fitIndex(compiled.store);
      return { ok: true, table: serveTable(compiled.store) };
    },
    replace(changed) {
      if (kept === undefined || !canReplace(kept, changed)) return undefined;
      const issues = replaceZones(kept, changed);
      if (issues === undefined) return undefined;
      if (issues.length > 0) return { ok: false, issues };
      return { ok: true, table: serveTable(kept.store) };
    },
  };
}

/** Undefined = there was no room in the arena. */
function unlessFull<T>(act: () => T): T | undefined {
  try {
    return act();
  } catch (error) {
    if (error instanceof ArenaFull) return undefined;
    throw error;
  }
}

const tooMuch = (arenaMax: number): { readonly issues: readonly ZoneIssue[] } => ({
  issues: [
    {
      path: 'zones',
      message: `the names and records of all zones take more than ${arenaMax} octets`,
    },
  ],
});

function compileAll(
  sources: readonly ZoneSource[],
  arenaMax: number,
): Kept | { readonly issues: readonly ZoneIssue[] } {
  const store = createTableStore(sizeOf(sources), arenaMax);
  const issues: ZoneIssue[] = [];
  writeAny(store);
  const apexes = Int32Array.from(sources, (source, zone) => addApex(store, source, zone, issues));
  const opened = openRelated(store, sources, apexes, issues);
  const work: FillWork = { filling: createFilling(store), issues, opened };
  const kept: Kept = {
    store,
    firstNodes: new Int32Array(sources.length),
    nodeCounts: new Int32Array(sources.length),
    octets: new Float64Array(sources.length),
    hasChildren: new Uint8Array(sources.length),
  };
  for (const zone of parentsFirst([...opened.values()])) {
    kept.hasChildren[zone.zone] = Number(zone.children !== undefined);
    addZone(work, kept, zone);
  }
  // Most zones stand alone, and are forgotten as soon as they have their rows.
  for (const [zone, source] of sources.entries()) {
    const apex = apexes[zone]!;
    if (apex === NONE || opened.has(zone)) continue;
    addZone(work, kept, openZone(store, source, zone, apex, issues));
  }
  return issues.length > 0 ? { issues } : kept;
}

/** What a zone's file has, in octets of the table: heads of records are longer there, names are there once. */
const OCTETS_PER_PACKED = 1.3;
/** Of a written RRset, and of a zone besides its records; a guess that costs nothing when it is wrong. */
const OCTETS_PER_RRSET = 64;
const OCTETS_PER_ZONE = 160;

function sizeOf(sources: readonly ZoneSource[]): TableSize {
  let [rrsets, octets] = [0, 0];
  for (const { filed, rrsets: written, steered } of sources) {
    rrsets += 3 + (filed?.count ?? 0) + written.length;
    octets += OCTETS_PER_ZONE + (written.length + steered.length) * OCTETS_PER_RRSET;
    if (filed !== undefined) octets += (filed.to - filed.from) * OCTETS_PER_PACKED;
  }
  return { zones: sources.length, nodes: rrsets, rrsets, octets: Math.ceil(octets) };
}

const names = createNameHashes();

/** Gives the zone its row, and its apex one, which is returned; NONE = that cannot be. */
function addApex(
  store: TableStore,
  { name: text }: ZoneSource,
  zone: number,
  issues: ZoneIssue[],
): number {
  const path = `zones.${text}`;
  const name = parseName(absolute(text));
  if (name === undefined) {
    issues.push({ path, message: `"${text}" is not a domain name` });
    return NONE;
  }
  const apexName = lowerName(name);
  hashName(apexName, 0, names);
  const hash = names.hashes[0]!;
  if (findNode(store, hash, apexName, 0, apexName.length) !== NONE) {
    issues.push({ path, message: 'this zone is there twice' });
    return NONE;
  }
  const at = appendOctets(store, apexName, 0, apexName.length);
  const apex = addNode(store, zone, at, apexName.length, hash);
  const row = zone * ZONE_WORDS;
  store.zones.fill(NONE, row, row + ZONE_WORDS);
  store.zones[row + ZONE_APEX] = apex;
  store.zones[row + ZONE_CHAIN] = 0;
  store.zones[row + ZONE_CHAIN_LENGTH] = 0;
  return apex;
}

function openZone(
  store: TableStore,
  source: ZoneSource,
  zone: number,
  apex: number,
  issues: ZoneIssue[],
): OpenZone {
  const path = `zones.${source.name}`;
  const soa = readSoa(source, (at, message) => issues.push({ path: `${path}${at}`, message }));
  return {
    ...{ source, path, apexName: nodeName(store, apex), soa, zone, apex },
    parent: undefined,
    children: undefined,
    ds: undefined,
  };
}

/** Those that are above or below others of ours, linked to each other; there are no names but apexes yet. */
function openRelated(
  store: TableStore,
  sources: readonly ZoneSource[],
  apexes: Int32Array,
  issues: ZoneIssue[],
): ReadonlyMap<number, OpenZone> {
  const opened = new Map<number, OpenZone>();
  const open = (zone: number): OpenZone => {
    const known = opened.get(zone);
    if (known !== undefined) return known;
    const made = openZone(store, sources[zone]!, zone, apexes[zone]!, issues);
    opened.set(zone, made);
    return made;
  };
  for (const [zone, apex] of apexes.entries()) {
    const above = apex === NONE ? NONE : zoneAbove(store, apex);
    if (above === NONE) continue;
    const [child, parent] = [open(zone), open(above)];
    parent.children ??= [];
    parent.children.push(child);
    child.parent = parent;
  }
  return opened;
}

/** The closest zone of ours above an apex, or NONE. */
function zoneAbove(store: TableStore, apex: number): number {
  const { arena, nodes } = store;
  const at = nodes[apex * NODE_WORDS + NODE_NAME]!;
  const labels = hashName(arena, at, names);
  for (let label = 1; label <= labels; label += 1) {
    const offset = names.offsets[label]!;
    const length = nodes[apex * NODE_WORDS + NODE_NAME_LENGTH]! - offset;
    const node = findNode(store, names.hashes[label]!, arena, at + offset, length);
    if (node !== NONE) return nodes[node * NODE_WORDS + NODE_ZONE]!;
  }
  return NONE;
}

const parentsFirst = (opened: readonly OpenZone[]): readonly OpenZone[] =>
  opened.toSorted((a, b) => labelCount(a.apexName) - labelCount(b.apexName));

/** Fills the zone and writes its rows; with issues there will be no table, and only these matter. */
function addZone(work: FillWork, kept: Kept, zone: OpenZone): void {
  const { filling, issues } = work;
  const before = octetsHeld(kept.store);
  const serviceTypes = fillZone(work, zone);
  kept.firstNodes[zone.zone] = filling.firstNode;
  kept.nodeCounts[zone.zone] = filling.nodeCount - 1;
  if (issues.length > 0) return;
  writeFilled(work, zone, serviceTypes);
  // The apex came before: a row, and its name.
  const ofApex = NODE_WORDS * Int32Array.BYTES_PER_ELEMENT + zone.apexName.length;
  kept.octets[zone.zone] = octetsHeld(kept.store) - before + ofApex;
}

function writeFilled(
  { filling }: FillWork,
  zone: OpenZone,
  serviceTypes: ReturnType<typeof fillZone>,
): void {
  const { source } = zone;
  const negativeTtl = Math.min(source.ttl, source.soa.minimum);
  const { denial } = source;
  if (denial === undefined) {
    writeZone(filling, negativeTtl);
  } else {
    const children = childApexes(zone);
    const denials = addDenials(filling, denial, negativeTtl, children, serviceTypes);
    writeZone(filling, negativeTtl);
    writeDenials(filling, denial, negativeTtl, denials);
  }
  if (zone.parent !== undefined) {
    filling.store.zones[zone.zone * ZONE_WORDS + ZONE_PARENT] = zone.parent.zone;
  }
}

const childApexes = (zone: OpenZone): readonly ChildApex[] =>
  (zone.children ?? [])
    .filter(({ parent }) => parent === zone)
    .map(({ apex, apexName, ds, zone: row }) => ({
      ...{ name: apexName, zone: row, node: apex },
      hasDs: ds !== undefined,
    }));

/** More that nothing leads to than this, and than all else, and it is time to make the table anew. */
const DEAD_OCTETS_MIN = 4 * 1024 * 1024;

function canReplace({ hasChildren, store }: Kept, changed: ReadonlyMap<number, unknown>): boolean {
  const isCrowded = store.deadOctets > Math.max(DEAD_OCTETS_MIN, octetsHeld(store) / 2);
  return !isCrowded && changed.keys().every((zone) => hasChildren[zone] === 0);
}

/** Returns what is wrong, undefined where there is no room; either way everything is as it was. */
function replaceZones(
  kept: Kept,
  changed: ReadonlyMap<number, ZoneSource>,
): readonly ZoneIssue[] | undefined {
  const { store } = kept;
  const before = { ...store };
  const issues: ZoneIssue[] = [];
  const rows = new Map<number, readonly [first: number, count: number, octets: number]>();
  ownIndex(store);
  const work: FillWork = { filling: createFilling(store), issues, opened: new Map() };
  const found = unlessFull(() => {
    for (const [zone, source] of changed) {
      rows.set(zone, [kept.firstNodes[zone]!, kept.nodeCounts[zone]!, kept.octets[zone]!]);
      replaceZone(work, kept, zone, source);
    }
    return issues;
  });
  if (found?.length === 0) return found;
  Object.assign(store, before);
  for (const [zone, [first, count, octets]] of rows) {
    kept.firstNodes[zone] = first;
    kept.nodeCounts[zone] = count;
    kept.octets[zone] = octets;
  }
  return found;
}

function replaceZone(work: FillWork, kept: Kept, zone: number, source: ZoneSource): void {
  const { store } = kept;
  const row = zone * ZONE_WORDS;
  const apex = store.zones[row + ZONE_APEX]!;
  const [parent, denialAtParent] = [
    store.zones[row + ZONE_PARENT]!,
    store.zones[row + ZONE_DENIAL_AT_PARENT]!,
  ];
  const ds = rrsetOf(store, apex, TYPE_DS);
  store.deadOctets += kept.octets[zone]!;
  removeNode(store, apex);
  const first = kept.firstNodes[zone]!;
  for (let node = first; node < first + kept.nodeCounts[zone]!; node += 1) removeNode(store, node);
  const anew = addApex(store, source, zone, work.issues);
  if (anew === NONE) return;
  const opened = openZone(store, source, zone, anew, work.issues);
  if (ds !== NONE) {
    // Of the parent, which has not changed.
    const { rdata, ttlSeconds, type } = rrsetData(store, ds);
    opened.ds = { type, ttl: ttlSeconds, rdata };
  }
  addZone(work, kept, opened);
  store.zones[row + ZONE_PARENT] = parent;
  store.zones[row + ZONE_DENIAL_AT_PARENT] = denialAtParent;
}
