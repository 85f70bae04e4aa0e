import type { ConfigIssue } from '../../config/issue.ts';
import { block, inline, items, type Part, type Written, writeConfig } from '../config-text.ts';
import type { Draft, DraftEndpoint, DraftPool, DraftSet, DraftStep, DraftZone } from './draft.ts';

/** The draft as the text of a configuration, with what was decided, and what is to be looked at, in comments. */
export function writeDraft(
  draft: Draft,
  ttl: number,
  files: readonly string[],
  warnings: readonly ConfigIssue[],
): string {
  const sections: readonly (Part & { readonly isThere: boolean })[] = [
    {
      key: 'regions',
      comment: REGIONS_COMMENT,
      value: block([...draft.regions.values()].map((key) => ({ key, value: inline({}) }))),
      isThere: draft.regions.size > 0,
    },
    {
      key: 'monitors',
      comment: MONITORS_COMMENT,
      value: block(
        [...draft.monitors.byName].map(([key, value]) => ({ key, value: inline(value) })),
      ),
      isThere: draft.monitors.byName.size > 0,
    },
    {
      key: 'pools',
      comment: POOLS_COMMENT,
      value: block([...draft.pools].map(([key, pool]) => poolPart(key, pool))),
      isThere: draft.pools.size > 0,
    },
    {
      key: 'policies',
      comment: POLICIES_COMMENT,
      value: block([...draft.policies.byName].map(([key, steps]) => policyPart(key, steps))),
      isThere: draft.policies.byName.size > 0,
    },
    {
      key: 'zones',
      value: block([...draft.zones].map(([key, zone]) => ({ key, value: zoneText(zone, ttl) }))),
      isThere: true,
    },
  ];
  return writeConfig(
    headingText(files, warnings),
    sections.filter(({ isThere }) => isThere),
  );
}

const REGIONS_COMMENT = `A region for each pool of octoDNS, and one for the values of the records themselves. octoDNS does not say
where they are, and these rules do not ask. With a location, as in "eu: { location: DE }", a region
is on the map, and clients near it are steered by what its own vantage points see.`;

const MONITORS_COMMENT = `octoDNS wants the status 200, and says nothing of certificates, which most of its providers do not look at.
Without "verify: false" a certificate that is not good takes an endpoint out.`;

const POOLS_COMMENT = `The backup is not monitored: it answers when all of a chain is down. So "shareMax: 1", or the last endpoints
of a chain would stay in for a while. Weight 0 (status: down) never answers, for the backup is always left.`;

const POLICIES_COMMENT = `Rules lead to the chain of fallbacks of their pool; regions that are not named never answer (fence).`;

function headingText(files: readonly string[], warnings: readonly ConfigIssue[]): string {
  const lines = [
    `Made from ${files.join(', ')} by "meridian import octodns".`,
    'How things of octoDNS are carried over: docs/IMPORT.md.',
  ];
  if (warnings.length > 0) {
    lines.push('', 'To be looked at:');
    for (const { column, file, line, message } of warnings) {
      lines.push(`- ${file}:${line}:${column}: ${message}`);
    }
  }
  return lines.join('\n');
}

function poolPart(key: string, { comment, endpoints }: DraftPool): Part {
  const list = endpoints.map(({ comment: own, ...endpoint }) => ({
    value: inline(endpointValue(endpoint)),
    comment: own,
  }));
  const value = block([
    { key: 'endpoints', value: items(list) },
    { key: 'withdrawals', value: inline({ shareMax: 1 }) },
  ]);
  return { key, value, comment };
}

/** One address without brackets. */
function endpointValue({ addresses, ...rest }: Omit<DraftEndpoint, 'comment'>) {
  if (addresses === undefined) return rest;
  const { monitor, weight, ...named } = rest;
  return {
    ...named,
    addresses: single(addresses),
    ...(weight === undefined ? {} : { weight }),
    ...(monitor === undefined ? {} : { monitor }),
  };
}

const single = (values: readonly string[]): string | readonly string[] =>
  values.length === 1 ? values[0]! : values;

function policyPart(key: string, steps: readonly DraftStep[]): Part {
  return { key, value: block([{ key: 'chain', value: chainText(steps) }]) };
}

const chainText = (steps: readonly DraftStep[]): Written =>
  items(steps.map((step) => ({ value: stepText(step) })));

/** Rules are long: each has a line of its own. */
function stepText(step: DraftStep): Written {
  if (typeof step === 'string' || !('rules' in step)) return inline(step);
  const parts = Object.entries(step).map(([key, value]): Part => {
    const isRules = key === 'rules' && Array.isArray(value);
    return {
      key,
      value: isRules
        ? items(value.map((rule: unknown) => ({ value: inline(rule) })))
        : inline(value),
    };
  });
  return block(parts);
}

function zoneText({ nameservers, records, soa, steered }: DraftZone, ttl: number) {
  const parts: Part[] = [{ key: 'ttl', value: inline(ttl) }];
  if (soa !== undefined) parts.push({ key: 'soa', value: inline(soa) });
  parts.push({ key: 'nameservers', value: inline(nameservers) });
  if (records.size > 0) {
    const owners = [...records].map(([owner, sets]): Part => {
      const types = [...sets].map(([type, set]) => ({ key: type, value: setText(set, ttl) }));
      return { key: ownerKey(owner), value: block(types) };
    });
    parts.push({ key: 'records', value: block(owners) });
  }
  if (steered.size > 0) {
    const names = [...steered].map(([owner, { policy, pool, ttlMax, ttlMin }]): Part => {
      const value = inline({ pool, policy, ttl: { min: ttlMin, max: ttlMax } });
      return { key: ownerKey(owner), value };
    });
    parts.push({ key: 'steered', value: block(names) });
  }
  return block(parts);
}

const ownerKey = (owner: string): string => (owner === '' ? '@' : owner);

/** Longer data stand one under the other. */
const INLINE_LENGTH_MAX = 70;

function setText({ data, ttl }: DraftSet, zoneTtl: number) {
  const isLong = data.length > 1 && data.join(', ').length > INLINE_LENGTH_MAX;
  const own = isLong
    ? items(data.map((value) => ({ value: inline(value) })))
    : inline(single(data));
  if (ttl === zoneTtl) return own;
  if (!isLong) return inline({ ttl, data: single(data) });
  return block([
    { key: 'ttl', value: inline(ttl) },
    { key: 'data', value: own },
  ]);
}
