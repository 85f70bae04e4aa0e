/** Who asked, in words: the network that decides, and where it is. */
import { locate } from '../geo/database.ts';
import { describePlace } from '../geo/describe-place.ts';
import { formatPrefix, type Prefix } from '../ip/prefix.ts';
import type { ExplainContext, Explanation } from './explain.ts';
import type { Asked } from './explain-question.ts';

/** The network whose place decides: the client's when it was told and may count, else the resolver's. */
export function decidingNetwork(asked: Asked, fromSubnet: boolean): Prefix {
  return fromSubnet && asked.subnet !== undefined
    ? asked.subnet
    : { address: asked.resolver, length: asked.resolver.bytes.length * 8 };
}

export function describeClient(
  { geo }: Pick<ExplainContext, 'geo'>,
  asked: Asked,
  fromSubnet: boolean,
): Explanation['client'] {
  const network = decidingNetwork(asked, fromSubnet);
  const location = locate(geo, network.address);
  return {
    network: formatPrefix(network),
    from: fromSubnet ? 'client-subnet' : 'resolver',
    location,
    place: describePlace(location),
    near: undefined,
  };
}
