import type { EndpointStatus, RegionStatus } from '../control/control-plane.ts';
import { STATE_MARKS } from './state-marks.ts';

/** The map's facts as a table: state, reason, share, and what each vantage point sees. */
export function RegionTable({ regions }: { readonly regions: readonly RegionStatus[] }) {
  return (
    <table>
      <caption class="hidden">Regions and their endpoints</caption>
      <thead>
        <tr>
          <th scope="col">Region</th>
          <th scope="col">State</th>
          <th scope="col">Endpoint</th>
          <th scope="col">Addresses</th>
          <th scope="col">Seen from</th>
          <th scope="col" class="number">
            Address space
          </th>
          <th scope="col" class="number">
            Answers
          </th>
        </tr>
      </thead>
      <tbody>
        {regions.map((region) => (
          <RegionRows key={region.name} region={region} />
        ))}
      </tbody>
    </table>
  );
}

function RegionRows({ region }: { readonly region: RegionStatus }) {
  const mark = STATE_MARKS[region.state];
  const endpoints: readonly (EndpointStatus | undefined)[] =
    region.endpoints.length > 0 ? region.endpoints : [undefined];
  return (
    <>
      {endpoints.map((endpoint, index) => (
        <tr key={endpoint?.name ?? ''} data-region={region.name} data-state={region.state}>
          {index === 0 && (
            <>
              <th scope="rowgroup" rowSpan={endpoints.length}>
                {region.name}
              </th>
              <td rowSpan={endpoints.length} class={mark.tone}>
                {mark.sign} {mark.word}
              </td>
            </>
          )}
          <td>
            {endpoint ? endpoint.name : 'none'}
            {endpoint && <div class="small">{endpoint.reason}</div>}
          </td>
          <td>{endpoint?.addresses.join(', ')}</td>
          <td>{endpoint && <Vantages endpoint={endpoint} />}</td>
          {index === 0 && (
            <>
              <td rowSpan={endpoints.length} class="number">
                {(region.addressShare * 100).toFixed(1)} %
              </td>
              <td rowSpan={endpoints.length} class="number">
                {region.answersTotal.toLocaleString('en')}
              </td>
            </>
          )}
        </tr>
      ))}
    </>
  );
}

function Vantages({ endpoint }: { readonly endpoint: EndpointStatus }) {
  return (
    <ul class="vantages">
      {endpoint.vantages.map(({ vantage, verdict, recent }) => {
        const last = recent.at(-1);
        return (
          <li key={vantage} title={last?.reason ?? ''}>
            {vantage}: {verdict}
            {last?.ok && <span class="small"> {last.rttMs.toFixed(1)} ms</span>}
          </li>
        );
      })}
    </ul>
  );
}
