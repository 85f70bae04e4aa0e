import type { NameserverSights, Observation, Sight } from './observation.ts';
import { type Soa, soaIn } from './reading.ts';

/** What a nameserver is to the zone, as far as any of the three ways to ask for SOA shows. */
export type Standing =
  | { readonly kind: 'authoritative'; readonly soa: Soa }
  /** This machine cannot ask it. */
  | { readonly kind: 'unseen'; readonly reason: string }
  | { readonly kind: 'silent'; readonly reason: string }
  | { readonly kind: 'error'; readonly rcode: number }
  | { readonly kind: 'not-authoritative' }
  | { readonly kind: 'no-zone' };

/** The best of the three: a server that only one way of asking does not reach is not lame. */
export function standingOf(sights: NameserverSights, zone: string): Standing {
  const ways: readonly Sight[] = [sights.plain, sights.soa, sights.tcp];
  for (const sight of ways) {
    const soa = authoritativeSoa(sight, zone);
    if (soa !== undefined) return { kind: 'authoritative', soa };
  }
  const reply = ways.find((sight) => sight.ok);
  if (reply === undefined) return silence(sights.plain);
  const { authoritative, rcode } = reply.message;
  if (rcode !== 0) return { kind: 'error', rcode };
  return { kind: authoritative ? 'no-zone' : 'not-authoritative' };
}

/** SOA of a reply that has the AA bit; undefined otherwise. */
export function authoritativeSoa(sight: Sight, zone: string): Soa | undefined {
  if (!sight.ok || !sight.message.authoritative || sight.message.rcode !== 0) return undefined;
  return soaIn(sight.message.answer, zone);
}

/** The nameservers that serve the zone: what the others answer says nothing about it. */
export function serving({ nameservers, zone }: Observation): readonly NameserverSights[] {
  return nameservers.filter((one) => standingOf(one, zone).kind === 'authoritative');
}

/** `ns1.example.com. (192.0.2.53)`. */
export const titleOf = ({ address, host }: Pick<NameserverSights, 'address' | 'host'>): string =>
  `${host} (${address})`;

/** Several of them in one sentence. */
export const titlesOf = (sights: readonly NameserverSights[]): string =>
  sights.map(titleOf).join(', ');

function silence(sight: Sight): Standing {
  if (sight.ok) return { kind: 'no-zone' };
  return { kind: sight.isLocal === true ? 'unseen' : 'silent', reason: sight.reason };
}
