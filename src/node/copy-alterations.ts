import { WITHOUT_MEANING } from '../config/allowed-records.ts';
import type { Config, RrsetConfig } from '../config/config.ts';
import { keysOver, steeredOver } from '../config/overlay.ts';
import { equalNames, formatName } from '../dns/name.ts';
import { typeName } from '../dns/type-names.ts';
import { recordsOf, type ZoneContent } from '../zone/zone-content.ts';

/** What is to be known of a copy besides its records, so that nobody has to go through them again. */
export type CopyFacts = {
  /** Besides the SOA. */
  readonly rrsets: number;
  readonly ttlMax: number;
  /** What of it is not served as its primary has it, in words: what is steered or signed here; '' = nothing. */
  readonly altered: string;
};

/** Names that are told; the rest are counted. */
const SHOWN_MAX = 10;

/** @param config undefined = nothing is served yet, and nothing altered */
export function factsOfCopy(
  config: Pick<Config, 'pools' | 'zones'> | undefined,
  name: string,
  content: ZoneContent,
): CopyFacts {
  const zone = config?.zones[name];
  const apex = formatName(content.apex);
  const touched = new Set([apex, ...(zone?.steered ?? []).map(({ owner }) => owner.toLowerCase())]);
  const met: RrsetConfig[] = [];
  let [rrsets, ttlMax, signatures] = [0, 0, 0];
  let last: { readonly owner: Uint8Array; readonly type: number } | undefined;
  for (const { owner, ttlSeconds: ttl, type } of recordsOf(content)) {
    if (WITHOUT_MEANING.has(type)) {
      signatures += 1;
      continue;
    }
    ttlMax = Math.max(ttlMax, ttl);
    const isSame = last !== undefined && last.type === type && equalNames(last.owner, owner);
    last = { owner, type };
    if (isSame) continue;
    rrsets += 1;
    if (zone === undefined) continue;
    const text = formatName(owner);
    if (touched.has(text.toLowerCase())) {
      met.push({ owner: text, type: typeName(type), ttl, data: [] });
    }
  }
  const altered = zone === undefined ? '' : inWords(zone, config!.pools, met, signatures);
  return { rrsets, ttlMax, altered };
}

function inWords(
  zone: Config['zones'][string],
  pools: Config['pools'],
  met: readonly RrsetConfig[],
  signatures: number,
): string {
  const over = steeredOver(zone, met, pools);
  const shown = over.slice(0, SHOWN_MAX).map(({ owner, type }) => `${owner} ${type}`);
  const more = over.length > SHOWN_MAX ? ` and ${over.length - SHOWN_MAX} more` : '';
  return [
    ...(over.length > 0 ? [`steered here are ${shown.join(', ')}${more}`] : []),
    ...(signatures > 0 ? [`its ${signatures} records of signatures are left out`] : []),
    ...(keysOver(zone, met).length > 0 ? ['its keys are left out, for those of here sign it'] : []),
  ].join('; ');
}
