import { z } from 'zod';
import { readPageReport } from '../clients/page-report.ts';
import type { FilterExchange, FilterKind, FilterReply } from '../filter/filter.ts';
import type { RouteSnapshot } from './snapshot.ts';

/**
 * What browsers measure the ways to regions with: a script, something to fetch, and a place to report to. They are
 * routes of every HTTP listener like those that people write, with a filter that answers them: for all other requests
 * nothing is different.
 */
export type BeaconSettings = {
  /** Its paths are below this. */
  readonly path: string;
  /** Names of those that may be reported of. */
  readonly regions: readonly string[];
  /** What pages load. */
  readonly script: string;
};

export const beaconFilter: FilterKind<BeaconSettings> = {
  kind: 'latency-beacon',
  summary: 'Answers the script that measures ways, and what it fetches and reports.',
  options: z.custom<BeaconSettings>(),
  compile(settings) {
    const regions = new Set(settings.regions);
    const script = scriptReply(settings);
    return (exchange) => {
      const { method, path } = exchange.request;
      const isRead = method === 'GET' || method === 'HEAD';
      if (path.endsWith(REPORT_PATH)) exchange.answer(takeReport(exchange, regions));
      else if (!isRead) exchange.answer(refusal('GET, HEAD'));
      else exchange.answer(path.endsWith(RTT_PATH) ? NOTHING : script);
    };
  },
};

const SCRIPT_PATH = '/beacon.js';
export const RTT_PATH = '/rtt';
export const REPORT_PATH = '/report';

/** For all hosts that any route of the listener is for: its own paths are before their prefixes and patterns. */
export function beaconRoutes(
  settings: BeaconSettings,
  hosts: readonly string[],
): readonly RouteSnapshot[] {
  return [SCRIPT_PATH, RTT_PATH, REPORT_PATH].map((path) => ({
    hosts: ['*', ...hosts.filter((host) => host !== '*')],
    pathPrefix: '/',
    path: `${settings.path}${path}`,
    filters: [{ kind: beaconFilter.kind, options: settings }],
    upstream: -1,
  }));
}

/** Pages of any site may fetch it, and see how long it took (Resource Timing, 4.5.1). */
const SHARED = [
  ['Access-Control-Allow-Origin', '*'],
  ['Timing-Allow-Origin', '*'],
] as const;
const NOTHING: FilterReply = {
  status: 204,
  fields: [...SHARED, ['Cache-Control', 'no-store']],
  body: '',
};
/** Which regions there are does not change often, and an hour late does no harm. */
const SCRIPT_SECONDS = 3600;

const scriptReply = ({ script }: BeaconSettings): FilterReply => ({
  status: 200,
  fields: [
    ...SHARED,
    ['Content-Type', 'text/javascript; charset=utf-8'],
    ['Cache-Control', `public, max-age=${SCRIPT_SECONDS}`],
    ['X-Content-Type-Options', 'nosniff'],
  ],
  body: script,
});

function refusal(allow: string): FilterReply {
  return { status: 405, fields: [['Allow', allow]], body: '405 Method Not Allowed\n' };
}

/** The readings are in the query, so that no body has to be read. */
function takeReport(exchange: FilterExchange, regions: ReadonlySet<string>): FilterReply {
  const { method, target } = exchange.request;
  if (method !== 'POST') return refusal('POST');
  const question = target.indexOf('?');
  const readings = question < 0 ? undefined : readPageReport(target.slice(question + 1), regions);
  if (readings === undefined) {
    return { status: 400, fields: SHARED, body: '400 Bad Request: no report\n' };
  }
  exchange.report(readings);
  return NOTHING;
}
