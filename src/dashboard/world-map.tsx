import { geoEqualEarth, geoGraticule10, geoPath } from 'd3-geo';
import { feature } from 'topojson-client';
import type { Topology } from 'topojson-specification';
import land from 'world-atlas/land-110m.json';
import type { Explanation, RegionStatus } from '../control/control-plane.ts';
import { STATE_MARKS } from './state-marks.ts';

/** Regions on the world, each with a mark and a word for its health, and the explained client's way. */
const WIDTH = 960;
const HEIGHT = 440;

const projection = geoEqualEarth().fitExtent(
  [
    [8, 8],
    [WIDTH - 8, HEIGHT - 8],
  ],
  { type: 'Sphere' },
);
const path = geoPath(projection);
const topology = land as unknown as Topology;
const landPath = path(feature(topology, topology.objects['land']!)) ?? '';
const graticulePath = path(geoGraticule10()) ?? '';
const spherePath = path({ type: 'Sphere' }) ?? '';

type Props = {
  readonly regions: readonly RegionStatus[];
  readonly explanation: Explanation | undefined;
};

export function WorldMap({ regions, explanation }: Props) {
  return (
    <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} class="map" role="img" aria-label={describe(regions)}>
      <path d={spherePath} class="sea" />
      <path d={graticulePath} class="graticule" />
      <path d={landPath} class="land" />
      {explanation && <Way explanation={explanation} regions={regions} />}
      {regions.map((region) => (
        <RegionMark key={region.name} region={region} />
      ))}
    </svg>
  );
}

function describe(regions: readonly RegionStatus[]): string {
  return `World map. ${regions.map(({ name, state }) => `${name}: ${state}`).join('; ')}.`;
}

function RegionMark({ region }: { readonly region: RegionStatus }) {
  const at = place(region.location);
  if (!at) return null;
  const mark = STATE_MARKS[region.state];
  const [x, y] = at;
  const leftward = x > WIDTH - 150;
  return (
    <g class={`mark ${mark.tone}`} data-region={region.name} data-state={region.state}>
      <circle cx={x} cy={y} r="9" />
      <text x={x} y={y + 4} class="sign">
        {mark.sign}
      </text>
      <text
        x={leftward ? x - 14 : x + 14}
        y={y - 2}
        class="name"
        text-anchor={leftward ? 'end' : 'start'}
      >
        {region.name}
      </text>
      <text
        x={leftward ? x - 14 : x + 14}
        y={y + 12}
        class="word"
        text-anchor={leftward ? 'end' : 'start'}
      >
        {mark.word}
      </text>
    </g>
  );
}

function Way({ explanation, regions }: Props & { readonly explanation: Explanation }) {
  const from = explanation.client.location;
  const to = regions.find(({ name }) => name === explanation.region)?.location;
  const start = from && place(from);
  if (!from || !start) return null;
  const line =
    to &&
    path({
      type: 'LineString',
      coordinates: [
        [from.longitude ?? 0, from.latitude ?? 0],
        [to.longitude ?? 0, to.latitude ?? 0],
      ],
    });
  return (
    <g class="way">
      {line && <path d={line} />}
      <rect x={start[0] - 5} y={start[1] - 5} width="10" height="10" />
    </g>
  );
}

function place(location: {
  readonly latitude?: number;
  readonly longitude?: number;
}): [number, number] | null {
  if (location.latitude === undefined || location.longitude === undefined) return null;
  return projection([location.longitude, location.latitude]);
}
