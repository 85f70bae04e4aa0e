import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ZoneRecords } from '../../src/control/zone-records.ts';
import { decodeMessage } from '../../src/dns/decode.ts';
import { signTsig, verifyTsig } from '../../src/dns/tsig.ts';
import { type AddedRecord, changed, NO_ADDITIONS } from '../../src/nameserver/added-records.ts';
import { COMPLAINT_MS, createUpdateDesk, UNDER_WAY_MAX } from '../../src/node/update-desk.ts';
import { config, KEY, NOW_SECONDS, signedUpdate, updateMessage } from '../nameserver/update-rig.ts';

const NOERROR = 0;
const SERVFAIL = 2;
const REFUSED = 5;
const NOTAUTH = 9;
const UNSIGNED = 11;

function openDesk() {
  let state = NO_ADDITIONS;
  let nowMs = NOW_SECONDS * 1000;
  let calls = 0;
  const flaws = { reason: undefined as string | undefined, wait: Promise.resolve() };
  const records: ZoneRecords = {
    additions: () => state,
    async change(_zone, decide) {
      calls += 1;
      await flaws.wait;
      if (flaws.reason !== undefined) {
        return { ok: false, refusal: undefined, reason: flaws.reason };
      }
      const decided = decide(state.records, nowMs);
      if ('refusal' in decided) return { ok: false, refusal: decided.refusal };
      const before = state;
      state = changed(state, decided.records, 7, 'w');
      return { ok: true, state, isChanged: state !== before };
    },
  };
  const events: (readonly [string, string])[] = [];
  const desk = createUpdateDesk({
    config: () => config,
    serialOf: () => state.serial,
    keys: () => [KEY],
    records,
    events: { record: (kind, _subject, message) => void events.push([kind, message]) },
    wallMs: () => nowMs,
  });
  const send = (query: Uint8Array, address = [192, 0, 2, 9]) =>
    desk({ query, family: 4, address: Uint8Array.from(address), isStream: false, nowMs });
  return {
    send,
    flaws,
    events,
    calls: () => calls,
    records: (): readonly AddedRecord[] => state.records,
    pass(ms: number) {
      nowMs += ms;
    },
    /** The RCODE, when the reply is signed on its request. */
    async rcode(query: Uint8Array) {
      const reply = await send(query);
      if (reply === undefined) return undefined;
      const decoded = decodeMessage(reply);
      assert.ok(decoded.ok);
      assert.equal(decoded.message.opcode, 5);
      const { rcode } = decoded.message;
      return isSigned(query, reply) ? rcode : rcode + UNSIGNED;
    },
  };
}

/** TSIG is last: it begins with the name of the key. */
function isSigned(query: Uint8Array, reply: Uint8Array): boolean {
  const at = (bytes: Uint8Array) => Buffer.from(bytes).lastIndexOf(Buffer.from(KEY.name));
  const request = verifyTsig(query, at(query), [KEY], NOW_SECONDS);
  if (!request.ok || at(reply) < 0) return false;
  const chain = { mac: request.tsig.mac, between: [], isLater: false };
  const seconds = NOW_SECONDS;
  return verifyTsig(reply, at(reply), [KEY], seconds, chain).ok;
}

test('what fails by a mistake of ours is not remembered', async () => {
  const desk = openDesk();
  desk.flaws.wait = Promise.reject(new Error('a mistake'));
  await assert.rejects(desk.send(ADD), /a mistake/);
  desk.flaws.wait = Promise.resolve();
  assert.equal(await desk.rcode(ADD), NOERROR);
});

const ADD = signedUpdate(['add a.gslb.example. 60 TXT a']);

test('an update that is done is answered with a signature, and told', async () => {
  const { events, rcode, records } = openDesk();
  assert.equal(await rcode(ADD), NOERROR);
  assert.equal(records().length, 1);
  assert.deepEqual(events, [
    [
      'zone.update',
      'key writer.gslb.example. at 192.0.2.9 changed a.gslb.example.; the serial is 8.',
    ],
  ]);
});

test('the same message again is answered again and not done again', async () => {
  const { calls, events, rcode, records } = openDesk();
  assert.equal(await rcode(ADD), NOERROR);
  const remove = signedUpdate(['delete a.gslb.example. TXT']);
  assert.equal(await rcode(remove), NOERROR);
  // Somebody has seen the first one and sends it once more.
  assert.equal(await rcode(ADD), NOERROR);
  assert.deepEqual([records().length, calls(), events.length], [0, 2, 2]);
});

test('what cannot be kept is SERVFAIL, and may be sent again', async () => {
  const { events, flaws, rcode, records } = openDesk();
  flaws.reason = 'the store does not answer';
  assert.equal(await rcode(ADD), SERVFAIL);
  assert.deepEqual(records(), []);
  assert.match(events[0]![1], /was not done: the store does not answer\./);
  flaws.reason = undefined;
  assert.equal(await rcode(ADD), NOERROR);
  assert.equal(records().length, 1);
});

test('refusals are told with their reason, each now and then; prerequisites are not', async () => {
  const { events, pass, rcode } = openDesk();
  const refused = (ttl: number) => signedUpdate([`add www.gslb.example. ${ttl} A 192.0.2.1`]);
  assert.equal(await rcode(refused(1)), REFUSED);
  assert.equal(await rcode(refused(2)), REFUSED);
  assert.equal(events.length, 1);
  assert.equal(events[0]![0], 'zone.update-refused');
  assert.match(
    events[0]![1],
    /key writer\.gslb\.example\. at 192\.0\.2\.9 was refused: .* is steered/,
  );
  pass(COMPLAINT_MS);
  await rcode(refused(3));
  assert.equal(events.length, 2);
  assert.equal(await rcode(signedUpdate(['yxdomain nobody.gslb.example.'])), 3);
  assert.equal(events.length, 2);
});

test('zones of others are NOTAUTH; a zone without rights is refused', async () => {
  const { events, rcode } = openDesk();
  const sign = (zone: string) =>
    new Uint8Array(signTsig(updateMessage([], { zone }), KEY, NOW_SECONDS).message);
  assert.equal(await rcode(sign('elsewhere.example.')), NOTAUTH);
  assert.equal(await rcode(sign('a.gslb.example.')), NOTAUTH, 'no zone of its own');
  assert.equal(await rcode(sign('sub.gslb.example.')), REFUSED);
  assert.match(events[0]![1], /has no right to it/);
});

test('what nobody signed, or somebody else, gets no further', async () => {
  const { calls, send } = openDesk();
  const other = { ...KEY, secret: new Uint8Array(32) };
  for (const query of [
    updateMessage(['add a.gslb.example. 60 TXT a']),
    signedUpdate(['add a.gslb.example. 60 TXT a'], other),
    signedUpdate(['add a.gslb.example. 60 TXT a'], KEY, NOW_SECONDS - 301),
    ADD.slice(0, 40),
  ]) {
    const reply = await send(query);
    if (reply !== undefined) assert.ok((reply[3]! & 0xf) > 0);
  }
  assert.equal(await send(new Uint8Array(5)), undefined);
  assert.equal(calls(), 0);
});

test('so many updates are under way at once, others are dropped', async () => {
  const { flaws, send } = openDesk();
  const gate = Promise.withResolvers<void>();
  flaws.wait = gate.promise;
  const all = Array.from({ length: UNDER_WAY_MAX + 3 }, (_, index) =>
    send(signedUpdate([`add n${index}.gslb.example. 60 TXT a`])),
  );
  gate.resolve();
  const replies = await Promise.all(all);
  assert.equal(replies.filter((reply) => reply === undefined).length, 3);
});
