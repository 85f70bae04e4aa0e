import type { Command } from 'commander';
import type { CapacityStatus, PlannedRegion, PlannedShares } from '../control/capacity-status.ts';
import type { OverrideStatus, RegionStatus, UpstreamStatus } from '../control/control-plane.ts';
import type { LatencyStatus } from '../control/latency-status.ts';
import type { NodeStatus } from '../control/node-status.ts';
import { type CliContext, examples } from './context.ts';
import {
  type Output,
  type Paint,
  percent,
  revisionText,
  spanText,
  stateText,
  timeText,
} from './output.ts';
import { serverReason, serverState } from './server-state.ts';
import { copiesTable } from './status-copies.ts';
import { vantagesText } from './status-vantages.ts';
import { formatTable } from './table.ts';

/** `meridian status`: everything that a node knows about health, on one screen. */
export function addStatus(program: Command, context: CliContext): void {
  program
    .command('status')
    .description('Regions, endpoints, upstreams, overrides and workers, with their health')
    .option('-w, --watch', 'repaint every two seconds until Ctrl-C')
    .option('--vantages', 'what every vantage point says of every endpoint, with its last result')
    .addHelpText(
      'after',
      examples('meridian status', 'meridian status --watch', 'meridian status --vantages'),
    )
    .action(
      context.action(async ({ vantages, watch }: { watch?: true; vantages?: true }) => {
        const view = vantages === true ? showVantages : show;
        if (watch === true) await repaint(context, view);
        else await view(context, context.output());
        return 0;
      }),
    );
}

const REPAINT_MS = 2000;
/** Cursor home, then erase to the end: repainting without flicker. */
const HOME_AND_ERASE = '\x1b[H\x1b[J';

async function repaint(context: CliContext, view: typeof show): Promise<void> {
  const { io } = context;
  const stop = new AbortController();
  const off = io.onInterrupt(() => stop.abort());
  try {
    while (!stop.signal.aborted) {
      if (io.isTTY) io.stdout.write(HOME_AND_ERASE);
      await view(context, context.output());
      await io.sleep(REPAINT_MS, stop.signal);
    }
  } finally {
    off();
  }
}

async function show(context: CliContext, output: Output): Promise<void> {
  const api = context.api();
  const [node, regions, balancers, overrides, zones] = await Promise.all([
    api.status(),
    api.regions(),
    api.balancers(),
    api.overrides(),
    api.zones(),
  ]);
  const copies = zones.filter(({ copy }) => copy !== undefined);
  const { paint } = output;
  const nowMs = context.io.nowMs();
  await output.result({ node, regions, balancers, overrides, zones }, () =>
    [
      nodeText(node, nowMs, paint),
      regionTable(regions, paint),
      endpointTable(regions, paint),
      ...(balancers.length === 0 ? [] : [upstreamTable(balancers, paint)]),
      ...(copies.length === 0 ? [] : [copiesTable(copies, nowMs, paint)]),
      ...(overrides.length === 0 ? [] : [overrideTable(overrides, nowMs, paint)]),
      workerTable(node, paint),
    ].join('\n'),
  );
}

async function showVantages(context: CliContext, output: Output): Promise<void> {
  const regions = await context.api().regions();
  const nowMs = context.io.nowMs();
  await output.result(regions, () => vantagesText(regions, nowMs, output.paint));
}

function nodeText(node: NodeStatus, nowMs: number, paint: Paint): string {
  const ready = node.ready ? paint('green', 'ready') : paint('red', 'not ready');
  const store = node.store.ok ? node.store.kind : paint('red', `${node.store.kind}, not reachable`);
  const lines = [
    `${paint('bold', node.name)} (${ready}), Meridian ${node.version}, up ${spanText(nowMs - node.startedAtMs)}`,
    `roles ${node.roles.join(', ')}; store ${store}; configuration from ${revisionText(node.revision)}, generation ${node.generation}; ${node.queriesTotal} queries`,
    `geo ${node.geo.description} of ${timeText(node.geo.builtAtMs).slice(0, 10)}, ${node.geo.networks} networks. ${node.geo.attribution}`,
  ];
  if (node.latency !== undefined) lines.push(latencyText(node.latency, nowMs));
  if (node.capacity !== undefined) lines.push(...capacityText(node.capacity, nowMs));
  if (node.lastReload !== undefined && !node.lastReload.ok) {
    lines.push(
      paint(
        'red',
        `The last reload failed (${timeText(node.lastReload.atMs)}): the old configuration serves.`,
      ),
    );
  }
  return `${lines.join('\n')}\n`;
}

function latencyText(status: LatencyStatus, nowMs: number): string {
  const { map, pages, planning, probes } = status;
  const steered =
    map === undefined
      ? 'latency: no map yet, geography orders regions'
      : `latency map ${map.generation}, ${spanText(nowMs - map.madeAtMs)} old, ${map.networks} networks that geography would send elsewhere`;
  const probed =
    probes === undefined ? '' : `; probes: ${probes.answering} of ${probes.targets} targets answer`;
  const told = pages === undefined ? '' : `; pages: ${pages.taken} reports taken`;
  if (planning === undefined) return `${steered}${probed}${told}`;
  const { exploring, moved, movedShare, networks, waiting } = planning;
  return `${steered}; made by this node: ${networks} networks known, ${moved} moved (${percent(movedShare)} of the demand), ${waiting} wait, ${exploring} explore${probed}${told}`;
}

function capacityText({ plan, planning }: CapacityStatus, nowMs: number): readonly string[] {
  const shares = planning?.shares.flatMap(sharesText) ?? [];
  if (plan === undefined) return ['capacity: no plan yet, nobody is passed on', ...shares];
  const { addedMs, classes, demand, generation, madeAtMs, regions } = plan;
  const made =
    planning === undefined
      ? ''
      : `; made by this node: ${percent(planning.movedShare)} of the demand moved, ${percent(planning.waitingShare)} waits, ${planning.measured} regions measured`;
  return [
    `capacity plan ${generation}, ${spanText(nowMs - madeAtMs)} old: ${Math.round(demand)} requests/s of ${classes} classes, ${addedMs.toFixed(1)} ms lost on average${made}`,
    ...regions.filter(({ capacity }) => capacity > 0).map(plannedText),
    ...shares,
  ];
}

/** `web, what comes by weight (about 140 caches): us 58.1 % of 60 % ±4.1 %, trimmed by +2 %; eu …` */
function sharesText({ caches, endpoints, pool }: PlannedShares): readonly string[] {
  if (endpoints.length === 0) return [];
  const told = endpoints.map(({ achieved, deviation, name, target, trim }) => {
    const trimmed = trim === 1 ? '' : `, trimmed by ${trim > 1 ? '+' : ''}${percent(trim - 1)}`;
    const label = name.slice(name.indexOf('/') + 1);
    return `${label} ${percent(achieved)} of ${percent(target)} ±${percent(deviation)}${trimmed}`;
  });
  return [
    `  ${pool}, what comes by weight (about ${Math.round(caches)} caches): ${told.join('; ')}`,
  ];
}

function plannedText({ capacity, load, name, priceMs }: PlannedRegion): string {
  const used = `  ${name}: ${Math.round(load)} of ${Math.round(capacity)} requests/s (${percent(load / capacity)})`;
  if (priceMs === 0) return used;
  return `${used}, full: each request more that it could carry would save ${Math.round(priceMs)} ms`;
}

function regionTable(regions: readonly RegionStatus[], paint: Paint): string {
  return formatTable(
    [
      { title: 'REGION' },
      { title: 'STATE' },
      { title: 'ADDRESS SHARE', align: 'right' },
      { title: 'ANSWERS', align: 'right' },
      { title: 'BALANCERS' },
      { title: 'VIPS' },
    ],
    regions.map(({ name, state, addressShare, agents, answersTotal, vips }) => [
      name,
      stateText(state, paint),
      percent(addressShare),
      String(answersTotal),
      agentsText(agents, paint),
      vips.join(' '),
    ]),
    (heading) => paint('bold', heading),
  );
}

/** `2 of 2 ready, 140 req/s`; nothing where none reports. */
function agentsText(agents: RegionStatus['agents'], paint: Paint): string {
  if (agents.length === 0) return '-';
  const ready = agents.filter((agent) => agent.ready).length;
  const text = `${ready} of ${agents.length} ready`;
  const load = agents.reduce((sum, { requestsPerSecond }) => sum + requestsPerSecond, 0);
  return `${ready < agents.length ? paint('red', text) : text}, ${Math.round(load)} req/s`;
}

function endpointTable(regions: readonly RegionStatus[], paint: Paint): string {
  const endpoints = regions.flatMap((region) => region.endpoints);
  return formatTable(
    [
      { title: 'ENDPOINT' },
      { title: 'STATE' },
      { title: 'JUDGED' },
      { title: 'TTL', align: 'right' },
      { title: 'VANTAGE POINTS' },
      { title: 'REASON' },
    ],
    endpoints.map(({ name, state, judged, ttlSeconds, vantages, reason }) => [
      name,
      stateText(state, paint),
      judged,
      `${ttlSeconds}s`,
      `${vantages.filter(({ verdict }) => verdict === 'up').length} of ${vantages.length} up`,
      reason,
    ]),
    (heading) => paint('bold', heading),
  );
}

function upstreamTable(balancers: readonly UpstreamStatus[], paint: Paint): string {
  return formatTable(
    [
      { title: 'UPSTREAM' },
      { title: 'SERVER' },
      { title: 'STATE' },
      { title: 'ACTIVE', align: 'right' },
      { title: 'REQUESTS', align: 'right' },
      { title: 'FAILURES', align: 'right' },
      { title: 'REASON' },
    ],
    balancers.flatMap((upstream) =>
      upstream.servers.map((server) => [
        upstream.name,
        server.name,
        server.mode === 'ready' ? stateText(serverState(server), paint) : server.mode,
        String(server.active),
        String(server.requestsTotal),
        String(server.failuresTotal),
        serverReason(server),
      ]),
    ),
    (heading) => paint('bold', heading),
  );
}

function overrideTable(overrides: readonly OverrideStatus[], nowMs: number, paint: Paint): string {
  return formatTable(
    [
      { title: 'OVERRIDE' },
      { title: 'ACTION' },
      { title: 'LAPSES IN' },
      { title: 'BY' },
      { title: 'REASON' },
    ],
    overrides.map(({ target, action, expiresAtMs, by, reason }) => [
      `${target.kind} ${target.name}`,
      action,
      expiresAtMs === undefined ? 'never' : spanText(expiresAtMs - nowMs),
      by,
      reason,
    ]),
    (heading) => paint('bold', heading),
  );
}

function workerTable(node: NodeStatus, paint: Paint): string {
  return formatTable(
    [
      { title: 'WORKER' },
      { title: 'STATE' },
      { title: 'RESTARTS', align: 'right' },
      { title: 'ENGINE' },
    ],
    node.workers.map(({ name, state, restarts, engine }) => [
      name,
      stateText(state, paint),
      String(restarts),
      engine,
    ]),
    (heading) => paint('bold', heading),
  );
}
