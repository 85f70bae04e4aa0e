import { geoEqualEarth, geoGraticule10, geoPath } from 'd3-geo';
import { useEffect, useRef, useState } from 'preact/hooks';
import { feature } from 'topojson-client';
import type { Topology } from 'topojson-specification';
import land from 'world-atlas/land-110m.json';
import type { Explanation, RegionStatus } from '../control/control-plane.ts';
import { MARK_RADIUS, type MarkPlace, NAME_SIZE, placeMarks, WORD_SIZE } from './label-places.ts';
import { STATE_MARKS } from './state-marks.ts';

/** Regions on the world, each with a mark and a word for its health, and the explained client's way. */
const WIDTH = 960;
const HEIGHT = 440;
const SIGN_SIZE = 12;
/** Half the side of the square that stands for the client, in CSS pixels. */
const CLIENT_SIZE = 5;

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
  const map = useRef<SVGSVGElement>(null);
  const unit = useUnit(map);
  const shown = regions
    .flatMap((region) => {
      const at = place(region.location);
      return at ? [{ region, at, name: region.name, word: STATE_MARKS[region.state].word }] : [];
    })
    // Where there is no room for all labels, trouble is named first.
    .sort((a, b) => urgency(a.region) - urgency(b.region));
  const places = placeMarks(shown, { width: WIDTH, height: HEIGHT, unit });
  return (
    <svg
      ref={map}
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      class="map"
      role="img"
      aria-label={describe(regions)}
    >
      <path d={spherePath} class="sea" />
      <path d={graticulePath} class="graticule" />
      <path d={landPath} class="land" />
      {explanation && <Way explanation={explanation} regions={regions} unit={unit} />}
      {shown.map(({ region }, index) => (
        <RegionMark key={region.name} region={region} place={places[index]!} unit={unit} />
      ))}
    </svg>
  );
}

const URGENCY = ['bad', 'warn', 'off', 'good'];
const urgency = ({ state }: RegionStatus): number => URGENCY.indexOf(STATE_MARKS[state].tone);

/** Units of the map in one CSS pixel, so that text stays legible when the map is small. */
function useUnit(map: { readonly current: SVGSVGElement | null }): number {
  const [unit, setUnit] = useState(1);
  useEffect(() => {
    const element = map.current;
    if (!element) return;
    const observer = new ResizeObserver(() => setUnit(WIDTH / (element.clientWidth || WIDTH)));
    observer.observe(element);
    return () => observer.disconnect();
  }, [map]);
  return unit;
}

function describe(regions: readonly RegionStatus[]): string {
  return `World map. ${regions.map(({ name, state }) => `${name}: ${state}`).join('; ')}.`;
}

type RegionMarkProps = {
  readonly region: RegionStatus;
  readonly place: MarkPlace;
  readonly unit: number;
};

function RegionMark({ region: { name, state }, place: { at, label }, unit }: RegionMarkProps) {
  const mark = STATE_MARKS[state];
  const [x, y] = at;
  return (
    <g class={`mark ${mark.tone}`} data-region={name} data-state={state}>
      <title>{`${name}: ${mark.word}`}</title>
      <circle cx={x} cy={y} r={MARK_RADIUS * unit} />
      <text x={x} y={y + 0.35 * SIGN_SIZE * unit} class="sign" font-size={SIGN_SIZE * unit}>
        {mark.sign}
      </text>
      {label && (
        <g text-anchor={label.anchor}>
          <text x={label.x} y={label.nameY} class="name" font-size={NAME_SIZE * unit}>
            {name}
          </text>
          <text x={label.x} y={label.wordY} class="word" font-size={WORD_SIZE * unit}>
            {mark.word}
          </text>
        </g>
      )}
    </g>
  );
}

function Way({
  explanation,
  regions,
  unit,
}: Props & { readonly explanation: Explanation; readonly unit: number }) {
  const { client, region } = explanation;
  const from = client.location;
  const start = from && place(from);
  if (!from || !start) return null;
  const to = regions.find(({ name }) => name === region)?.location;
  const line =
    to &&
    path({
      type: 'LineString',
      coordinates: [
        [from.longitude ?? 0, from.latitude ?? 0],
        [to.longitude ?? 0, to.latitude ?? 0],
      ],
    });
  const size = CLIENT_SIZE * unit;
  return (
    <g class="way">
      {line && <path d={line} />}
      <rect x={start[0] - size} y={start[1] - size} width={2 * size} height={2 * size}>
        <title>{`${client.network}, ${client.place}`}</title>
      </rect>
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
