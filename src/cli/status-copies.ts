import type { ZoneStatus } from '../control/control-plane.ts';
import { type Paint, spanText } from './output.ts';
import { formatTable } from './table.ts';

/** Zones that are copied from primaries, as `meridian status` shows them. */
export function copiesTable(zones: readonly ZoneStatus[], nowMs: number, paint: Paint): string {
  return formatTable(
    [
      { title: 'COPY OF' },
      { title: 'STATE' },
      { title: 'SERIAL', align: 'right' },
      { title: 'PRIMARY' },
      { title: 'CONFIRMED', align: 'right' },
      { title: 'NEXT LOOK', align: 'right' },
      { title: 'EXPIRES', align: 'right' },
      { title: 'PROBLEM' },
    ],
    zones.flatMap(({ copy, name }) => {
      if (copy === undefined) return [];
      const { confirmedAtMs, expiresAtMs, nextLookAtMs, primary, problem, serial, standing } = copy;
      return [
        [
          name,
          paint(standing === 'current' ? 'green' : 'red', standing),
          serial === undefined ? '-' : String(serial),
          primary ?? '-',
          confirmedAtMs === undefined ? 'never' : `${spanText(nowMs - confirmedAtMs)} ago`,
          nextLookAtMs <= nowMs ? 'now' : `in ${spanText(nextLookAtMs - nowMs)}`,
          expiresText(expiresAtMs, nowMs),
          problem ?? '-',
        ],
      ];
    }),
    (heading) => paint('bold', heading),
  );
}

function expiresText(expiresAtMs: number | undefined, nowMs: number): string {
  if (expiresAtMs === undefined) return '-';
  const spanMs = expiresAtMs - nowMs;
  return spanMs > 0 ? `in ${spanText(spanMs)}` : `${spanText(-spanMs)} ago`;
}
