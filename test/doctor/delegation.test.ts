import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Observation } from '../../src/doctor/observation.ts';
import { diagnose } from '../../src/doctor/registry.ts';
import {
  ADDRESSES,
  expectFindings,
  healthy,
  host,
  NAMES,
  nameserver,
  nsLines,
  parentServer,
  seen,
  silent,
  soaLine,
  unreachable,
  withAll,
  withLast,
  ZONE,
} from './observation-fixture.ts';

const parents = (...servers: Observation['parent']['servers']): Partial<Observation> => ({
  parent: { name: 'example.', servers },
});
const delegatedTo = (...names: readonly string[]) =>
  parentServer({ ns: seen({ authoritative: false, authority: nsLines(names) }) });
const [NS1 = '', NS2 = ''] = NAMES;

test('a healthy delegation is well throughout', () => {
  const findings = diagnose(healthy());
  assert.deepEqual(
    findings.filter(({ severity }) => severity !== 'ok'),
    [],
  );
  const checks = new Set(findings.map(({ check }) => check));
  assert.deepEqual(
    [...checks],
    [...['delegation', 'glue', 'lame', 'serial', 'tcp', 'edns', 'dnssec', 'redundancy', 'ttl']],
  );
});

test('delegation: the NS records of parent and zone', () => {
  const other = `ns3.${ZONE}`;
  expectFindings('delegation', [
    [
      'extra at the parent',
      healthy(parents(delegatedTo(...NAMES, 'ns.old.test.'))),
      /^warn .*ns\.old\.test\., which the zone does not name\.$/,
    ],
    [
      'only others',
      healthy(parents(delegatedTo('ns.old.test.'))),
      /^bad .*no nameserver in common/,
      /^warn .*zone names ns1/,
    ],
    [
      'missing at the parent',
      healthy(parents(delegatedTo(NS1))),
      /^warn The zone names ns2\S+, which the parent does not/,
    ],
    [
      'parent torn',
      healthy(parents(parentServer(), delegatedTo(NS1))),
      /^bad The parent's servers do not agree/,
    ],
    [
      'parent half silent',
      healthy(parents(parentServer(), parentServer({ ns: silent() }))),
      /^warn The parent's server .* does not answer/,
    ],
    ['no way to one of them', healthy(parents(parentServer(), parentServer({ ns: unreachable })))],
    [
      'NXDOMAIN',
      healthy(parents(parentServer({ ns: seen({ rcode: 3 }) }))),
      /^bad .*does not delegate gslb\.example\.: it says NXDOMAIN/,
    ],
    [
      'another zone',
      healthy(
        parents(
          parentServer({
            ns: seen({ authoritative: false, authority: ['example. 60 NS a.test.'] }),
          }),
        ),
      ),
      /^bad .* is no server of the parent: it refers to example\./,
    ],
    ['the parent serves it', healthy(parents(parentServer({ ns: seen({ answer: nsLines() }) })))],
    [
      'zone torn',
      withLast({ ns: seen({ answer: nsLines([NS1]) }) }),
      /^bad The zone's nameservers do not agree/,
    ],
    ['without NS', withLast({ ns: seen() }), /^bad ns2\S+ \(198\.51\.100\.1\): no NS records/],
    [
      'more in the zone',
      withAll({ ns: seen({ answer: nsLines([...NAMES, other]) }) }),
      /^warn The zone names ns3/,
    ],
  ]);
});

test('glue: what the parent and the zone say of addresses', () => {
  const hosts = (
    second: Parameters<typeof host>[2],
    addresses: readonly string[] = ADDRESSES.ns2,
  ) => healthy({ hosts: [host(NS1, ADDRESSES.ns1), host(NS2, addresses, second)] });
  expectFindings('glue', [
    [
      'wrong',
      hosts({ glue: ['192.0.2.9'] }),
      /^bad Glue at the parent says that ns2\S+ is at 192\.0\.2\.9; the zone says 198\.51\.100\.1\.$/,
    ],
    [
      'one missing',
      hosts({ glue: ['198.51.100.1'] }, ['198.51.100.1', '2001:db8::1']),
      /^warn The parent has no glue for ns2\S+ at 2001:db8::1/,
    ],
    ['none', hosts({ glue: [] }), /^bad The parent has no glue for ns2/],
    [
      'not in the zone',
      hosts({ glue: ['198.51.100.1'] }, []),
      /^bad ns2\S+ has no address in the zone\.$/,
    ],
    ['alias', hosts({ isAlias: true }), /^bad ns2\S+ is an alias/],
    [
      'not asked',
      hosts({ addresses: [], problem: 'no answer' }),
      /^warn The addresses of ns2\S+ could not be asked for: no answer/,
    ],
    [
      'private',
      hosts({ glue: ['10.0.0.1'] }, ['10.0.0.1']),
      /^warn Addresses that only this network reaches: ns2\S+ 10\.0\.0\.1\.$/,
    ],
    [
      'foreign names need none',
      healthy({ hosts: [host('ns.other.test.', ['192.0.2.7'], { glue: [] })] }),
    ],
    [
      'foreign glue is no matter',
      healthy({ hosts: [host('ns.other.test.', ['192.0.2.7'], { glue: ['192.0.2.8'] })] }),
    ],
    [
      'foreign without address',
      healthy({ hosts: [host('ns.other.test.', [], { glue: [] })] }),
      /^bad ns\.other\.test\. has no address\.$/,
    ],
  ]);
});

test('lame: who is called a nameserver and is none', () => {
  const dead = { soa: silent(), plain: silent(), tcp: silent() };
  const all = (sight: ReturnType<typeof seen>) => ({ soa: sight, plain: sight, tcp: sight });
  expectFindings('lame', [
    [
      'silent',
      withLast(dead),
      /^bad ns2\S+ \(198\.51\.100\.1\) does not answer: no reply within 3 s\.$/,
    ],
    [
      'all silent',
      withAll(dead),
      /^bad/,
      /^bad/,
      /^bad/,
      /^bad No nameserver of gslb\.example\. serves it/,
    ],
    ['no IPv6 here', withLast(all(unreachable)), /^warn Not asked.* to 198\.51\.100\.1\.$/],
    [
      'nothing to be seen from here',
      withAll(all(unreachable)),
      /^warn Not asked/,
      /^bad No nameserver of gslb\.example\. could be asked\.$/,
    ],
    ['no address known', healthy({ nameservers: [] }), /^bad No nameserver .* could be asked\.$/],
    [
      'not delegated',
      healthy({ nameservers: [], ...parents(parentServer({ ns: seen({ rcode: 3 }) })) }),
    ],
    [
      'refused',
      withLast(all(seen({ rcode: 5, authoritative: false }))),
      /^bad .* answers REFUSED\.$/,
    ],
    ['failed', withLast(all(seen({ rcode: 2 }))), /^bad .* answers SERVFAIL\.$/],
    [
      'a cache',
      withLast(all(seen({ answer: [soaLine()], authoritative: false }))),
      /^bad .* without authority/,
    ],
    ['not the zone', withLast(all(seen())), /^bad .* has no SOA of gslb/],
    ['TCP only', withLast({ soa: silent(), plain: silent() }), /^bad .* answers by TCP only/],
    ['EDNS only', withLast({ plain: silent() })],
    ['no EDNS', withLast({ soa: silent() })],
  ]);
});

test('serial, tcp, redundancy: all nameservers and not just one', () => {
  const soa = (serial: number) => ({ plain: seen({ answer: [soaLine(serial)] }) });
  expectFindings('serial', [
    [
      'another',
      withLast(soa(8)),
      /^bad .*serial 7 at 192\.0\.2\.1, 2001:db8:1::1; 8 at 198\.51\.100\.1\.$/,
    ],
    ['the same', withAll(soa(4_294_967_295))],
  ]);
  expectFindings('tcp', [
    [
      'refused',
      withLast({ tcp: silent('nothing listens there') }),
      /^bad .*does not answer by TCP: nothing listens/,
    ],
    ['other', withLast({ tcp: seen({ rcode: 5 }) }), /^bad .*by TCP otherwise than by UDP/],
  ]);
  const one = [nameserver(NS1, '192.0.2.1'), nameserver(NS1, '192.0.2.2')];
  const sole = seen({ answer: nsLines([NS1]) });
  expectFindings('redundancy', [
    [
      'one name, one network',
      healthy({
        ...parents(delegatedTo(NS1)),
        nameservers: one.map((server) => ({ ...server, ns: sole })),
      }),
      /^warn There is one nameserver only/,
      /^warn All nameservers are in one network: 192\.0\.2\.0\/24\.$/,
    ],
    [
      'one of two answers',
      healthy({ nameservers: [one[0]!] }),
      /^warn Of 2 nameservers one answers: ns1/,
    ],
    [
      'one network each',
      healthy({
        nameservers: [...one, nameserver(NS2, '2001:db8::1'), nameserver(NS2, '2001:db8::2')],
      }),
      /^warn .*192\.0\.2\.0\/24 and 2001:db8::\/48/,
    ],
  ]);
});
