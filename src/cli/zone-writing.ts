import type { AcmeChallengeChange } from '../control/control-plane.ts';
import type { ApiClient } from './api-client.ts';
import type { CliContext } from './context.ts';
import { CliExit, EXIT_NO, EXIT_OK } from './exit.ts';

/** The closest of the node's zones at or above the name. */
export async function zoneOf(api: ApiClient, name: string): Promise<string> {
  const bare = name.toLowerCase().replace(/\.$/, '');
  const zones = (await api.zones()).map((zone) => zone.name.replace(/(.)\.$/, '$1'));
  const [closest] = zones
    .filter((zone) => zone === '.' || bare === zone || bare.endsWith(`.${zone}`))
    .toSorted((a, b) => b.length - a.length);
  if (closest !== undefined) return closest;
  throw new CliExit(
    EXIT_NO,
    `${name} is in no zone of this node.`,
    `The zones are ${zones.join(', ') || 'none'}.`,
  );
}

/** A line for each record that was changed, and where it is seen; the exit code is whether by all nodes. */
export async function showChange(
  context: CliContext,
  change: Visibility,
  lines: readonly string[],
): Promise<number> {
  await context.output().result(change, () => `${lines.join('')}${visibilityText(change)}`);
  return change.visible ? EXIT_OK : EXIT_NO;
}

type Visibility = Pick<
  AcmeChallengeChange,
  'confirmed' | 'pending' | 'serial' | 'silent' | 'visible'
>;

/** Who answers with a change by now, in sentences. */
function visibilityText(change: Visibility): string {
  const { confirmed, pending, serial, silent, visible } = change;
  const where = visible ? 'All nodes answer so' : 'Not all nodes have said that they answer so';
  const waiting = pending.length === 0 ? '' : `Not confirmed by ${pending.join(', ')}.\n`;
  const unheard = silent.length === 0 ? '' : `Not heard for a while: ${silent.join(', ')}.\n`;
  const by = confirmed.length === 0 ? '' : ` (${confirmed.join(', ')})`;
  return `${where}${by}; the serial is ${serial}.\n${waiting}${unheard}`;
}
