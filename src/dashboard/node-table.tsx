import type { ClusterStatus } from '../control/control-plane.ts';

/**
 * The other nodes as this one knows them, where there are any: who is there, who is heard directly, whose
 * configuration is behind or differs, and how the store is.
 */
export function NodeTable({ cluster }: { readonly cluster: ClusterStatus | undefined }) {
  if (cluster === undefined || cluster.nodes.length < 2) return null;
  const { nodes, store } = cluster;
  const own = nodes.find(({ isSelf }) => isSelf);
  return (
    <section aria-labelledby="nodes-title">
      <h2 id="nodes-title">Nodes</h2>
      <table>
        <thead>
          <tr>
            <th scope="col">Node</th>
            <th scope="col">State</th>
            <th scope="col">Heard directly</th>
            <th scope="col">Roles</th>
            <th scope="col">Version</th>
            <th scope="col">Configuration</th>
          </tr>
        </thead>
        <tbody>
          {nodes.map((node) => (
            <tr key={node.name} data-node={node.name}>
              <th scope="row">
                {node.name}
                {node.isSelf && <span class="small"> (this one)</span>}
              </th>
              <td data-label="State" class={node.state === 'here' ? 'good' : 'bad'}>
                {node.state}
              </td>
              <td data-label="Heard directly">{node.isSelf ? '' : node.direct}</td>
              <td data-label="Roles">{node.roles.join(', ')}</td>
              <td data-label="Version">{node.version}</td>
              <td data-label="Configuration">
                {node.revision === 0 ? 'own file' : `revision ${node.revision}`}
                {node.revisionsBehind > 0 && (
                  <span class="warn"> {node.revisionsBehind} behind</span>
                )}
                {node.configSha !== own?.configSha && <span class="warn"> differs</span>}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <p class="small">
        Store {store.kind}: <span class={store.state === 'ready' ? '' : 'bad'}>{store.state}</span>
        {store.reason && ` (${store.reason})`}.
      </p>
    </section>
  );
}
