/** The report of the map for people: a glance at each policy's regions, what is close, and what changes. */
import type { MapChanges } from '../steering/map-changes.ts';
import type { PerFamily, SpaceShare } from '../steering/map-chart.ts';
import type { CloseNetwork, CloseReport, RegionReport } from '../steering/map-report.ts';
import type { RegionAnswer } from '../steering/region-answer.ts';
import type { MapTold, NamedReport } from './map.ts';
import type { SideFacts } from './map-sides.ts';
import { type Paint, timeText } from './output.ts';
import { type Column, formatFacts, formatTable } from './table.ts';

export function mapText(told: MapTold, paint: Paint): string {
  const { added, against, maps, removed } = told;
  return [
    formatFacts([
      ...sideFacts(told, ''),
      ...(against === undefined ? [] : sideFacts(against, 'against ')),
      ...(added.length === 0 ? [] : [['new', listText(added)] as const]),
      ...(removed.length === 0 ? [] : [['gone', listText(removed)] as const]),
    ]),
    ...maps.map((report) => reportText(report, told, paint)),
    `IPv4 is counted in addresses, IPv6 in networks of the geo data.\n${attributionText(told)}`,
  ].join('\n');
}

function sideFacts({ file, geo, latency }: SideFacts, prefix: string) {
  const { builtAtMs, description, networks } = geo;
  const built = builtAtMs === 0 ? '' : ` of ${timeText(builtAtMs).slice(0, 10)}`;
  const facts: [string, string][] = [
    [`${prefix || 'config'}`.trim(), file],
    [`${prefix}geo`, `${description}${built}, ${networks} networks`],
  ];
  if (latency !== undefined) {
    const text = `map ${latency.generation} of ${timeText(latency.madeAtMs)}, ${latency.networks} networks`;
    facts.push([`${prefix}latency`, text]);
  }
  return facts;
}

/** What the licences of both sides ask us to show. */
function attributionText({ against, geo }: MapTold): string {
  const texts = new Set([geo.attribution, against?.geo.attribution ?? '']);
  return [...texts]
    .filter((text) => text !== '')
    .map((text) => `${text}\n`)
    .join('');
}

/** More names than this are counted. */
const NAMES_SHOWN_MAX = 3;

function listText(names: readonly string[]): string {
  const more = names.length - NAMES_SHOWN_MAX;
  const shown = names.slice(0, NAMES_SHOWN_MAX).join(' ');
  return more > 0 ? `${shown} and ${more} more` : shown;
}

function reportText(report: NamedReport, { against, latency }: MapTold, paint: Paint): string {
  const { changes, close, names, policies, pools, readsLatency, regions } = report;
  const isMeasured = readsLatency && latency !== undefined;
  const heading = `${paint('bold', listText(names))}: policy ${listText(policies)}, pool ${listText(pools)}\n`;
  return [
    `${heading}${formatFacts(factsOf(report))}`,
    regionsText(regions, paint),
    ...notesOf(report, isMeasured).map((note) => `${paint('yellow', 'note')}  ${note}\n`),
    ...closeTexts(close, isMeasured, paint),
    ...(changes === undefined || against === undefined
      ? []
      : changesTexts(changes, against, paint)),
  ].join('\n');
}

function factsOf(report: NamedReport): readonly (readonly [string, string])[] {
  const { classes, located, places, scopes, unlocated } = report;
  return [
    ['located', `${locatedText(located)}; all others get ${answerText(unlocated)}`],
    ['classes', `${classes}, of ${places} places and those without one`],
    ['scopes', `${scopes.ipv4} networks of IPv4, ${scopes.ipv6} of IPv6`],
  ];
}

const locatedText = ({ ipv4Share, ipv6Networks }: NamedReport['located']): string =>
  `${partText(ipv4Share)} of IPv4, and ${ipv6Networks} networks of IPv6`;

function notesOf(report: NamedReport, isMeasured: boolean): readonly string[] {
  const { locationsWithoutClass, readsLatency, untilMs } = report;
  const notes: string[] = [];
  if (readsLatency && !isMeasured) {
    notes.push('The policy goes by latency. Without --latency FILE, by distance is what is told.');
  }
  if (untilMs !== undefined) {
    notes.push(`The policy goes by the clock. What is told holds until ${timeText(untilMs)}.`);
  }
  if (locationsWithoutClass > 0) {
    notes.push(
      `${locationsWithoutClass} places get what nobody in particular gets: there are too many classes.`,
    );
  }
  return notes;
}

function regionsText(regions: readonly RegionReport[], paint: Paint): string {
  const isShared = regions.some(({ reach, share }) => reach.ipv4 > share.ipv4 + EPSILON);
  const columns: Column[] = [{ title: 'REGION' }, IPV4, IPV6];
  if (isShared) columns.push(right('MAY GET IT: IPV4'), right('IPV6'));
  columns.push(right('SCOPES: IPV4'), right('IPV6'));
  return formatTable(
    columns,
    regions.map(({ reach, region, scopes, share }) => [
      region,
      ...perFamily(share),
      ...(isShared ? perFamily(reach) : []),
      String(scopes.ipv4),
      String(scopes.ipv6),
    ]),
    bold(paint),
  );
}

/** Sums of fractions are not exact. */
const EPSILON = 1e-9;

function closeTexts(
  { margin, networks, pairs, share }: CloseReport,
  isMeasured: boolean,
  paint: Paint,
): readonly string[] {
  if (pairs.length === 0) return [];
  const orMs = isMeasured ? ` or ${margin.ms} ms` : '';
  const heading = `${paint('bold', bothText(share))} have a close choice: the second region is less than ${margin.km} km${orMs} behind\n`;
  const pairsTable = formatTable(
    [{ title: 'BETWEEN' }, { title: 'AND' }, IPV4, IPV6],
    pairs.map((pair) => [...pair.regions, ...perFamily(pair.share)]),
    bold(paint),
  );
  return [`${heading}${pairsTable}`, ...networksTable(networks, paint)];
}

function networksTable(networks: readonly CloseNetwork[], paint: Paint): readonly string[] {
  if (networks.length === 0) return [];
  const table = formatTable(
    [
      ...[{ title: 'NETWORK' }, right('OF IPV4'), { title: 'PLACE' }],
      ...[{ title: 'BEST' }, right('AWAY'), { title: 'SECOND' }, right('BEHIND')],
      { title: '' },
    ],
    networks.map((each) => [
      each.network,
      each.ipv4Share === undefined ? '' : partText(each.ipv4Share),
      each.place,
      each.best,
      wayText(each.bestWay, each.unit),
      each.second,
      wayText(each.difference, each.unit),
      each.isShared ? 'both answer' : '',
    ]),
    bold(paint),
  );
  return [table];
}

const wayText = (way: number, unit: string): string => `${Math.round(way)} ${unit}`;

function changesTexts(changes: MapChanges, { file }: SideFacts, paint: Paint): readonly string[] {
  const { foundShare, lostShare, moves, networks, nextShare, share, unlocatedShare } = changes;
  const facts: (readonly [string, string])[] = [];
  const add = (name: string, part: SpaceShare, what: string): void => {
    if (part.ipv4 + part.ipv6 > 0) facts.push([name, `${bothText(part)} ${what}`]);
  };
  add('located', foundShare, 'that had no place before');
  add('not located', lostShare, 'that had a place before');
  add('next', nextShare, 'with the same answer, and another when its regions are down');
  add('others', unlocatedShare, 'of those without a place are answered otherwise');
  const isNone = share.ipv4 + share.ipv6 === 0;
  const heading = isNone
    ? `Against ${file}: nobody whose place is known is answered otherwise\n`
    : `Against ${file}: ${paint('bold', bothText(share))} have another answer\n`;
  return [
    `${heading}${formatFacts(facts)}`,
    ...(moves.length === 0 ? [] : [movesText(changes, paint)]),
    ...(networks.length === 0 ? [] : [changedText(changes, paint)]),
  ];
}

function movesText({ moves }: MapChanges, paint: Paint): string {
  return formatTable(
    [{ title: 'FROM -> TO' }, IPV4, IPV6],
    moves.map(({ from, share, to }) => [`${from} -> ${to}`, ...perFamily(share)]),
    bold(paint),
  );
}

function changedText({ networks }: MapChanges, paint: Paint): string {
  return formatTable(
    [
      ...[{ title: 'NETWORK' }, right('OF IPV4'), { title: 'PLACE' }],
      ...[{ title: 'BEFORE' }, { title: 'NOW' }],
    ],
    networks.map(({ before, ipv4Share, network, now, place, placeBefore }) => [
      network,
      ipv4Share === undefined ? '' : partText(ipv4Share),
      placeBefore === undefined ? place : `${place} (was ${placeBefore})`,
      answerText(before),
      answerText(now),
    ]),
    bold(paint),
  );
}

/** `frankfurt`, or `virginia 60 %, frankfurt 40 %`. */
function answerText(answer: RegionAnswer): string {
  const [first] = answer;
  if (answer.length < 2) return first?.region ?? 'none';
  return answer.map(({ region, share }) => `${region} ${partText(share)}`).join(', ');
}

/** `31.2 %`; small parts with two digits, `0.0034 %`, down to a millionth of a per cent. */
export function partText(part: number): string {
  const percent = part * 100;
  if (percent >= 1 || percent === 0) return `${percent.toFixed(percent === 0 ? 0 : 1)} %`;
  return percent < PERCENT_MIN ? `<${PERCENT_MIN.toFixed(6)} %` : `${digits(percent)} %`;
}

const PERCENT_MIN = 1e-6;

const digits = (value: number): string =>
  value.toFixed(Math.min(7, 1 - Math.floor(Math.log10(value))));

const perFamily = ({ ipv4, ipv6 }: PerFamily): readonly string[] => [
  partText(ipv4),
  partText(ipv6),
];

const bothText = ({ ipv4, ipv6 }: SpaceShare): string =>
  `${partText(ipv4)} of IPv4 and ${partText(ipv6)} of IPv6`;

const right = (title: string): Column => ({ title, align: 'right' });
const IPV4 = right('IPV4');
const IPV6 = right('IPV6');

const bold =
  (paint: Paint) =>
  (heading: string): string =>
    paint('bold', heading);
