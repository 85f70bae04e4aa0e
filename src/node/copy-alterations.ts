import type { Config } from '../config/config.ts';
import { keysOver, steeredOver, type ZoneOverlay } from '../config/overlay.ts';
import { signatureCount } from '../secondary/zone-copy.ts';
import type { ZoneContent } from '../zone/zone-content.ts';

/** Names that are told; the rest are counted. */
const SHOWN_MAX = 10;

/** What of a primary's zone is not served as it has it, in words: what is steered or signed here; '' = nothing. */
export function alterationsOf(
  { pools, zones }: Pick<Config, 'pools' | 'zones'>,
  overlay: ZoneOverlay,
  content: ZoneContent,
): string {
  const zone = zones[overlay.zone];
  const over = zone === undefined ? [] : steeredOver(zone, overlay.rrsets, pools);
  const shown = over.slice(0, SHOWN_MAX).map(({ owner, type }) => `${owner} ${type}`);
  const more = over.length > SHOWN_MAX ? ` and ${over.length - SHOWN_MAX} more` : '';
  const signatures = signatureCount(content);
  const isSignedHere = zone !== undefined && keysOver(zone, overlay.rrsets).length > 0;
  return [
    ...(over.length > 0 ? [`steered here are ${shown.join(', ')}${more}`] : []),
    ...(signatures > 0 ? [`its ${signatures} records of signatures are left out`] : []),
    ...(isSignedHere ? ['its keys are left out, for those of here sign it'] : []),
  ].join('; ');
}
