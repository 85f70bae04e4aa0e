import { TYPE_DS } from '../dns/constants.ts';
import { parseName } from '../dns/name.ts';
import { formatRdata } from '../dns/rdata/registry.ts';
import { recordsOf } from '../doctor/reading.ts';
import type { DnsServer } from './dns-client.ts';
import { createAsker, createResolver, nameText } from './doctor-asker.ts';

/** What the servers of the zone above say of a zone's keys, asked one by one. */
export type ParentDs = {
  readonly server: string;
  /** Data of the DS records, as text. */
  readonly ds: readonly string[];
  readonly ttlSeconds: number;
};

export type ParentQuestion = {
  /** As the API calls the zone. */
  readonly zone: string;
  /** Empty = those that the resolvers know. */
  readonly parents: readonly DnsServer[];
  readonly resolvers: readonly DnsServer[];
  /** Where the parent's servers listen that resolvers know. */
  readonly port: number;
  readonly timeoutMs: number;
};

/** Of every server that answers; a sentence when none does. */
export async function askParent(question: ParentQuestion): Promise<readonly ParentDs[] | string> {
  const { parents, port, resolvers, timeoutMs, zone } = question;
  const name = parseName(zone.endsWith('.') ? zone : `${zone}.`);
  if (name === undefined || name.length === 1) return `${zone} has no zone above it`;
  const asker = createAsker(timeoutMs);
  let servers = parents;
  if (servers.length === 0) {
    const found = await createResolver(asker, resolvers).findParent(name);
    if (typeof found === 'string') return `the zone above was not found: ${found}`;
    servers = found.addresses.map((address) => ({ address, port }));
  }
  const ask = { name, type: TYPE_DS, edns: { dnssecOk: true } };
  const asked = await Promise.all(
    servers.map(async (server) => ({
      server,
      sight: await asker.udp(server, ask, { full: true }),
    })),
  );
  const answers = asked.flatMap(({ server, sight }): ParentDs[] => {
    if (!sight.ok || sight.message.rcode !== 0 || !sight.message.authoritative) return [];
    const records = recordsOf(sight.message.answer, nameText(name), TYPE_DS);
    return [
      {
        server: server.address,
        ds: records.map(({ rdata }) => formatRdata(TYPE_DS, rdata)),
        ttlSeconds: Math.max(0, ...records.map(({ ttlSeconds }) => ttlSeconds)),
      },
    ];
  });
  if (answers.length > 0) return answers;
  return `no server of the zone above answers (asked: ${servers.map(({ address }) => address).join(', ') || 'none is known'})`;
}

/**
 * Why the parent is not as the zone wants it; undefined when it is.
 * @param isExact that records of other keys have to be gone as well
 */
export function parentLacks(
  wanted: readonly string[],
  answers: readonly ParentDs[],
  isExact: boolean,
): string | undefined {
  const tagOf = (ds: string): string => ds.split(' ')[0]!;
  const tags = new Set(wanted.map(tagOf));
  for (const { ds, server } of answers) {
    if (ds.length === 0) return `The parent has no DS records (${server})`;
    const missing = wanted.filter((one) => !ds.includes(one));
    if (missing.length > 0) {
      return `The parent lacks the DS of key ${missing.map(tagOf).join(', ')} (${server})`;
    }
    const stray = ds.filter((one) => !tags.has(tagOf(one)));
    if (isExact && stray.length > 0) {
      const those = [...new Set(stray.map(tagOf))].join(', ');
      return `The parent still has the DS of key ${those} (${server})`;
    }
  }
  return undefined;
}
