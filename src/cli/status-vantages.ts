import type { EndpointStatus, RegionStatus, VantageStatus } from '../control/control-plane.ts';
import { type Paint, spanText, stateText } from './output.ts';
import { formatTable } from './table.ts';

/**
 * What every vantage point says of every endpoint: one row an endpoint, one column a vantage point,
 * in each cell the verdict, how long it has stood and the last result. Beneath it, what does not fit
 * into a cell: the results before the last where one of them failed, and why somebody abstains.
 */
export function vantagesText(
  regions: readonly RegionStatus[],
  nowMs: number,
  paint: Paint,
): string {
  const endpoints = regions.flatMap((region) => region.endpoints);
  const names = new Set(endpoints.flatMap(({ vantages }) => vantages.map(nameOf)));
  if (names.size === 0) return 'No vantage point has said anything yet.\n';
  const columns = [...names].toSorted();
  const matrix = formatTable(
    [{ title: 'ENDPOINT' }, { title: 'STATE' }, ...columns.map((title) => ({ title }))],
    endpoints.map((endpoint) => [
      endpoint.name,
      stateText(endpoint.state, paint),
      ...columns.map((name) => {
        const said = endpoint.vantages.find(({ vantage }) => vantage === name);
        return said === undefined ? '-' : cellText(said, nowMs, paint);
      }),
    ]),
    (heading) => paint('bold', heading),
  );
  const rest = endpoints.flatMap((endpoint) => detailLines(endpoint, paint));
  return rest.length === 0 ? matrix : `${matrix}\n${rest.join('')}`;
}

/** `+ up 3m20s, 12 ms`, `x down 4s, connection refused`. */
function cellText({ recent, sinceMs, slow, verdict }: VantageStatus, nowMs: number, paint: Paint) {
  const last = recent.at(-1);
  const since = sinceMs > 0 ? ` ${spanText(nowMs - sinceMs)}` : '';
  const result =
    last === undefined ? 'no result' : last.ok ? `${millisText(last.rttMs)}` : last.reason;
  return `${stateText(verdict, paint)}${slow ? ', slow or degraded' : ''}${since}, ${result}`;
}

function detailLines({ name, near, vantages }: EndpointStatus, paint: Paint): string[] {
  const lines = vantages.flatMap(({ abstains, recent, vantage }) => {
    const who = `${name} from ${vantage}`;
    const hasFailed = recent.some(({ ok }) => !ok);
    const warning = recent.findLast(({ ok }) => ok)?.warning;
    return [
      ...(abstains === '' ? [] : [`${who} abstains: ${abstains}\n`]),
      ...(hasFailed ? [`${who}: ${resultsText(recent, paint)}\n`] : []),
      ...(warning === undefined ? [] : [`${who}: ${paint('yellow', warning)}\n`]),
    ];
  });
  const seen = near.map(
    ({ reason, region, state }) =>
      `${name} for clients near ${region}: ${stateText(state, paint)}, ${reason}\n`,
  );
  return [...lines, ...seen];
}

/** Oldest first; the same failure several times over is said once. */
function resultsText(recent: VantageStatus['recent'], paint: Paint): string {
  const parts: { readonly text: string; count: number }[] = [];
  for (const { ok, reason, rttMs } of recent) {
    const text = ok ? paint('green', `+ ${millisText(rttMs)}`) : paint('red', `x ${reason}`);
    const last = parts.at(-1);
    if (!ok && last?.text === text) last.count += 1;
    else parts.push({ text, count: 1 });
  }
  return parts.map(({ count, text }) => (count === 1 ? text : `${count} times ${text}`)).join(', ');
}

const millisText = (ms: number): string => `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
const nameOf = ({ vantage }: VantageStatus): string => vantage;
