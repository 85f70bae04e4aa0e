import type { EndpointStatus, RegionStatus } from '../control/control-plane.ts';
import { STATE_MARKS } from './state-marks.ts';

/**
 * The map's facts as a table: state, reason, share, and what each vantage point sees. On a narrow
 * screen each region becomes a card, and its cells are named by `data-label`.
 */
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
      {regions.map((region) => (
        <RegionRows key={region.name} region={region} />
      ))}
    </table>
  );
}

function RegionRows({ region }: { readonly region: RegionStatus }) {
  const mark = STATE_MARKS[region.state];
  const endpoints: readonly (EndpointStatus | undefined)[] =
    region.endpoints.length > 0 ? region.endpoints : [undefined];
  const rows = endpoints.length;
  return (
    <tbody>
      {endpoints.map((endpoint, index) => (
        <tr key={endpoint?.name ?? ''} data-region={region.name} data-state={region.state}>
          {index === 0 && (
            <>
              <th scope="rowgroup" rowSpan={rows}>
                {region.name}
              </th>
              <td rowSpan={rows} data-label="State" class={mark.tone}>
                {mark.sign} {mark.word}
              </td>
            </>
          )}
          <EndpointCells endpoint={endpoint} />
          {index === 0 && (
            <>
              <td rowSpan={rows} data-label="Address space" class="number">
                {(region.addressShare * 100).toFixed(1)} %
              </td>
              <td rowSpan={rows} data-label="Answers" class="number">
                {region.answersTotal.toLocaleString('en')}
              </td>
            </>
          )}
        </tr>
      ))}
    </tbody>
  );
}

function EndpointCells({ endpoint }: { readonly endpoint: EndpointStatus | undefined }) {
  if (!endpoint) return <td colSpan={3}>no endpoint</td>;
  return (
    <>
      <td data-label="Endpoint">
        <div>
          {endpoint.name}
          <div class="small">{endpoint.reason}</div>
          {endpoint.share < 1 && (
            <div class="small">returning: {Math.round(endpoint.share * 100)} % of its clients</div>
          )}
          {endpoint.near.map(({ reason, region, state }) => (
            <div key={region} class={`near ${STATE_MARKS[state].tone}`}>
              for clients near {region}: {STATE_MARKS[state].word}. {reason}
            </div>
          ))}
        </div>
      </td>
      <td data-label="Addresses">
        <ul class="plain">
          {endpoint.cname !== undefined && <li>{endpoint.cname}</li>}
          {endpoint.addresses.map((address) => (
            <li key={address}>{address}</li>
          ))}
        </ul>
      </td>
      <td data-label="Seen from">
        <Vantages endpoint={endpoint} />
      </td>
    </>
  );
}

function Vantages({ endpoint }: { readonly endpoint: EndpointStatus }) {
  return (
    <ul class="plain">
      {endpoint.vantages.map(({ vantage, verdict, recent }) => {
        const last = recent.at(-1);
        return (
          <li key={vantage}>
            {vantage}: {verdict}
            {last && (
              <span class="small"> {last.ok ? `${last.rttMs.toFixed(1)} ms` : last.reason}</span>
            )}
            {last?.warning && <span class="small"> ⚠ {last.warning}</span>}
          </li>
        );
      })}
    </ul>
  );
}
