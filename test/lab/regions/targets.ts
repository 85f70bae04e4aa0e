import type { State } from './judge.ts';
import { serverName } from './judge.ts';
import { addressOf, REGIONS, type Region } from './wide-area.ts';
import type { World } from './world.ts';

/** Ways in which a region stops to serve, and what is then true for whom. */
export type Ending =
  | 'refused'
  | 'reset'
  | 'hanging'
  | 'dark'
  | 'balancer killed'
  | 'balancer stopped'
  | 'origin killed';

/** It comes back by being started. */
export const isStarted = ({ ending }: Target): boolean =>
  ending === 'balancer killed' || ending === 'origin killed';

export type Target = { readonly region: Region; readonly ending: Ending };

export async function endTarget(world: World, { ending, region }: Target): Promise<void> {
  const { parts, wide } = world;
  switch (ending) {
    case 'dark':
      wide.topology.darken(region);
      return;
    case 'balancer killed':
      return parts.kill(region, 'balancer');
    case 'balancer stopped':
      return parts.pause(region, 'balancer');
    case 'origin killed':
      return parts.kill(region, 'origin');
    default:
      await nft(world, region, [`add rule inet target faults ${ruleOf(ending, region)}`]);
  }
}

export async function mendTarget(world: World, { ending, region }: Target): Promise<void> {
  const { parts, wide } = world;
  switch (ending) {
    case 'dark':
      wide.topology.heal();
      return;
    case 'balancer killed':
      return parts.start(region, 'balancer');
    case 'balancer stopped':
      return parts.resume(region, 'balancer');
    case 'origin killed':
      return parts.start(region, 'origin');
    default:
      await nft(world, region, ['flush chain inet target faults']);
  }
}

/** Must be there before a rule is. */
export async function prepareTargets(world: World): Promise<void> {
  const chain = 'chain faults { type filter hook input priority 0; }';
  for (const region of REGIONS) await nft(world, region, [`table inet target { ${chain}; }`]);
}

/** Says what is true while the region is so. */
export function setTruth(world: World, { ending, region }: Target, state: State): void {
  const atMs = Date.now();
  for (const network of REGIONS) {
    if (ending !== 'dark') world.truth.set(atMs, network, region, state);
    else if (network !== region) setApart(world, network, region, state, atMs);
  }
}

/** Two regions do not reach each other. */
export function setApart(
  { truth }: World,
  one: Region,
  other: Region,
  state: State,
  atMs = Date.now(),
): void {
  for (const [network, far] of [
    [one, other],
    [other, one],
  ] as const) {
    truth.set(atMs, network, far, state);
    truth.set(atMs, network, serverName(far), state);
  }
}

/** What is refused is the connection; what is reset or hangs is the request on one that stands. */
function ruleOf(ending: 'refused' | 'reset' | 'hanging', region: Region): string {
  const to = `ip daddr ${addressOf(region, 'vip')} tcp dport 80`;
  if (ending === 'refused') return `${to} tcp flags syn reject with tcp reset`;
  const request = `${to} tcp flags & psh == psh`;
  return ending === 'reset' ? `${request} reject with tcp reset` : `${request} drop`;
}

async function nft({ wide }: World, region: Region, rules: readonly string[]): Promise<void> {
  const { code, stderr } = await wide.topology.processes.run(region, ['nft', rules.join('\n')]);
  if (code !== 0) throw new Error(`nft ${rules.join('; ')}: ${stderr}`);
}
