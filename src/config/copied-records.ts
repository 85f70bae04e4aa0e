/**
 * The records of a copied zone as the configuration has records, in text: made where they are compiled, for they are
 * many. Signatures are left out, as those of master files are.
 */
import { equalNames, formatName } from '../dns/name.ts';
import { rdataByType } from '../dns/rdata/registry.ts';
import { typeName } from '../dns/type-names.ts';
import { recordsOf, type ZoneContent } from '../zone/zone-content.ts';
import { WITHOUT_MEANING } from './allowed-records.ts';
import type { RrsetConfig } from './config.ts';

export function copiedRecords(content: Pick<ZoneContent, 'records'>): readonly RrsetConfig[] {
  const rrsets: { owner: string; type: string; ttl: number; data: string[] }[] = [];
  let last: { readonly owner: Uint8Array; readonly type: number } | undefined;
  // Records of an RRset stand together.
  for (const { owner, rdata, ttlSeconds: ttl, type } of recordsOf(content)) {
    if (WITHOUT_MEANING.has(type)) continue;
    const isSame = last !== undefined && last.type === type && equalNames(last.owner, owner);
    last = { owner, type };
    const text = rdataByType(type)?.format(rdata) ?? genericText(rdata);
    const rrset = isSame ? rrsets.at(-1)! : undefined;
    if (rrset === undefined) {
      rrsets.push({ owner: formatName(owner), type: typeName(type), ttl, data: [text] });
      continue;
    }
    // RFC 2181 5.2: one TTL; the least promises nothing that was not said.
    rrset.ttl = Math.min(rrset.ttl, ttl);
    if (rrset.data.at(-1) !== text) rrset.data.push(text);
  }
  return rrsets;
}

/** RFC 3597 5. */
const genericText = (rdata: Uint8Array): string =>
  `\\# ${rdata.length} ${Buffer.from(rdata).toString('hex')}`.trim();
