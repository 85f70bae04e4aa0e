import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { AddedRecord } from '../../src/nameserver/added-records.ts';
import { readUpdate } from '../../src/nameserver/signed-update.ts';
import { zoneUpdate } from '../../src/nameserver/update-view.ts';
import { ALL, config, KEY, NOW_SECONDS, textOf, ZONE } from './update-rig.ts';

/**
 * What ExternalDNS, cert-manager and Terraform's dns provider send, octet for octet, and what the zone has after
 * each of their messages. golden/updates/record.go made the recordings and says where the calls are from.
 */
type Exchange = { readonly client: string; readonly what: string; readonly request: string };
const file = new URL('../golden/updates/recorded.json', import.meta.url);
const exchanges = JSON.parse(readFileSync(file, 'utf8')) as readonly Exchange[];

const HERITAGE =
  '0 TXT "heritage=external-dns,external-dns/owner=default,external-dns/resource=ingress/default/app"';
const ONE =
  '_acme-challenge.www.gslb.example. 60 TXT "LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0"';
const TWO =
  '_acme-challenge.www.gslb.example. 60 TXT "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA"';
const BATCH = Array.from(
  { length: 50 },
  (_, index) => `batch-${index}.gslb.example. 60 CNAME app.gslb.example.`,
);
const REGISTRY = ['a-app', 'app'].map((name) => `${name}.gslb.example. ${HERITAGE}`);
const WEB = ['20', '22'].map((last) => `web.gslb.example. 3600 A 192.0.2.${last}`);
const DOCS = 'pages.gslb.example. 3600 CNAME pages.example.net.';
const TXT = ['v=spf1 -all', 'verify=1'].map((text) => `gslb.example. 3600 TXT "${text}"`);

/** What the zone has been given after each message of a client. */
const AFTER: Readonly<Record<string, readonly (readonly string[])[]>> = {
  ExternalDNS: [
    [...['10', '11'].map((last) => `app.gslb.example. 0 A 192.0.2.${last}`), ...REGISTRY],
    ['app.gslb.example. 300 A 192.0.2.12', ...REGISTRY],
    ['app.gslb.example. 300 A 192.0.2.12', ...REGISTRY, ...BATCH],
    BATCH,
  ],
  'cert-manager': [[ONE], [ONE, TWO], [ONE, TWO], [TWO], []],
  Terraform: [
    ['20', '21'].map((last) => `web.gslb.example. 3600 A 192.0.2.${last}`),
    WEB,
    [...WEB, 'pages.gslb.example. 3600 CNAME web.gslb.example.'],
    [...WEB, DOCS],
    [...WEB, DOCS, TXT[0]!],
    [...WEB, DOCS, ...TXT],
    [DOCS, ...TXT],
    TXT,
    [],
  ],
};

for (const [client, states] of Object.entries(AFTER)) {
  test(`the updates of ${client} are done as it means them`, () => {
    const own = exchanges.filter((each) => each.client === client);
    assert.equal(own.length, states.length);
    let records: readonly AddedRecord[] = [];
    for (const [index, { request, what }] of own.entries()) {
      const opened = readUpdate(Buffer.from(request, 'hex'), [KEY], NOW_SECONDS * 1000);
      assert.ok(opened?.ok, what);
      const done = zoneUpdate(config, ZONE, opened.message, ALL)(records);
      assert.ok('records' in done, what);
      ({ records } = done);
      assert.deepEqual(records.map(textOf).toSorted(), states[index]!.toSorted(), what);
    }
  });
}
