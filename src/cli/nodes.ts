import type { Command } from 'commander';
import type { ClusterStatus } from '../control/control-plane.ts';
import { type CliContext, examples } from './context.ts';
import { type Paint, spanText, stateText } from './output.ts';
import { formatTable } from './table.ts';

/** `meridian nodes`: who is in the cluster, how far along, and who hears whom. */
export function addNodes(program: Command, context: CliContext): void {
  program
    .command('nodes')
    .description('List the nodes of the cluster: versions, configuration, who is heard directly')
    .addHelpText('after', examples('meridian nodes', 'meridian nodes --output json'))
    .action(
      context.action(async () => {
        const cluster = await context.api().cluster();
        const output = context.output();
        await output.result(cluster, () => clusterText(cluster, output.paint));
        return 0;
      }),
    );
}

function clusterText({ clock, nodes, store }: ClusterStatus, paint: Paint): string {
  const nowMs = Math.max(...nodes.map(({ lastHeardMs }) => lastHeardMs));
  const table = formatTable(
    [
      { title: 'NODE' },
      { title: 'STATE' },
      { title: 'DIRECT' },
      { title: 'REGION' },
      { title: 'ROLES' },
      { title: 'VERSION' },
      { title: 'CONFIG' },
      { title: 'REVISION', align: 'right' },
      { title: 'HEARD', align: 'right' },
    ],
    nodes.map((node) => [
      node.isSelf ? `${node.name} *` : node.name,
      stateText(node.state, paint),
      node.direct,
      node.region ?? '-',
      node.roles.join(','),
      node.version,
      node.configSha,
      node.revisionsBehind > 0 ? `${node.revision} (-${node.revisionsBehind})` : `${node.revision}`,
      node.isSelf ? '-' : `${spanText(Math.max(0, nowMs - node.lastHeardMs))} ago`,
    ]),
    (heading) => paint('bold', heading),
  );
  const why = store.reason === undefined ? '' : ` (${store.reason})`;
  const skew = clock.isSkewed ? `, ${Math.round(clock.offsetMs)} ms off this machine’s` : '';
  return `${table}\nstore ${store.kind}: ${store.state}${why}; time by ${clock.source}${skew}\n`;
}
