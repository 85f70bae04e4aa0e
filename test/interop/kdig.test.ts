import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { freePort, loopbackAddress } from '../node/free-addresses.ts';
import { ask, askAll, type Place, run, serverWords, withoutJitter } from './ask.ts';
import { checkReply, QUESTIONS, questionWords } from './questions.ts';
import { PLACED, REGIONS, RESOLVERS, startWorldNode } from './world-node.ts';

/** A whole node asked by Knot's kdig: another reading of the same rules than BIND's. */
const v4: Place = { address: loopbackAddress(), port: 5300 };
const port6 = await freePort('::1').catch(() => undefined);
const v6: Place | undefined = port6 === undefined ? undefined : { address: '::1', port: port6 };
const fixture = await startWorldNode([
  `${v4.address}:${v4.port}`,
  ...(v6 ? [`[${v6.address}]:${v6.port}`] : []),
]);
after(fixture.stop);

const kdig = (...words: string[]) => ask('kdig', v4, ...words);

for (const transport of ['UDP', 'TCP']) {
  for (const family of ['IPv4', 'IPv6']) {
    test(`kdig is satisfied with every kind of name over ${transport} and ${family}`, async (t) => {
      const server = family === 'IPv4' ? v4 : v6;
      if (!server) {
        t.diagnostic('this machine has no ::1: only IPv4 is asked');
        return;
      }
      const flags = transport === 'TCP' ? ['+tcp', '+keepopen'] : [];
      const replies = await askAll('kdig', server, ...flags, ...questionWords(QUESTIONS));
      assert.equal(replies.length, QUESTIONS.length);
      for (const [index, reply] of replies.entries()) {
        checkReply(QUESTIONS[index]!, reply);
        assert.equal(reply.transport, transport);
      }
    });
  }
}

test('kdig gets the region that is nearest to a client subnet, with its scope', async () => {
  for (const { network, region } of PLACED) {
    const [vip4, vip6] = REGIONS[region].vips;
    const words = ['www.gslb.example', 'A', 'www.gslb.example', 'AAAA'];
    const [a, aaaa] = await askAll('kdig', v4, `+subnet=${network}`, ...words);
    assert.deepEqual(withoutJitter(a?.answer), [`www.gslb.example. 30 IN A ${vip4}`], network);
    assert.deepEqual(
      withoutJitter(aaaa?.answer),
      [`www.gslb.example. 30 IN AAAA ${vip6}`],
      network,
    );
    const subnet = `${network}/${network.split('/')[1]}`;
    assert.deepEqual([a?.subnet, aaaa?.subnet], [subnet, subnet]);
  }
});

test('kdig gets the region that is nearest to the resolver when there is no subnet', async () => {
  for (const [region, address] of Object.entries(RESOLVERS)) {
    const vip = REGIONS[region as keyof typeof REGIONS].vips[0];
    for (const words of [['+noedns'], ['+edns=0'], ['+tcp'], ['+tcp', '+fastopen']]) {
      const reply = await kdig('-b', address, ...words, 'www.gslb.example');
      assert.deepEqual(
        withoutJitter(reply.answer),
        [`www.gslb.example. 30 IN A ${vip}`],
        words.join(),
      );
      assert.equal(reply.hasEdns, words[0] === '+edns=0', words.join());
    }
  }
});

test('kdig comes back over TCP for an answer that UDP cannot carry', async () => {
  for (const words of [['+noedns'], ['+bufsize=512'], ['+bufsize=4096']]) {
    const cut = await kdig(...words, '+ignore', 'big.gslb.example', 'TXT');
    assert.ok(cut.flags.includes('tc'), words.join());
    assert.deepEqual([cut.transport, cut.answer], ['UDP', []]);
    const whole = await kdig(...words, 'big.gslb.example', 'TXT');
    assert.deepEqual([whole.transport, whole.answer.length], ['TCP', 40]);
  }
});

test('kdig gets its answer whatever options and flags it sends along', async () => {
  const wanted = ['mail.gslb.example. 300 IN A 192.0.2.25'];
  const words = [
    '+ednsopt=65001:cafe',
    '+nsid',
    '+cookie=0123456789abcdef',
    '+badcookie',
    '+padding',
    '+alignment=468',
    '+expire',
    '+dnssec',
    '+cdflag',
    '+zflag',
    '+raflag',
    '+tcflag',
    '+aaflag',
  ];
  for (const word of words) {
    const reply = await kdig(word, 'mail.gslb.example');
    assert.deepEqual([reply.status, reply.answer], ['NOERROR', wanted], word);
  }
});

test('kdig gets BADVERS for a version of EDNS that does not exist yet', async () => {
  const reply = await kdig('+edns=1', 'mail.gslb.example');
  assert.deepEqual([reply.status, reply.answer], ['BADVERS', []]);
});

test('kdig gets its own spelling of the name back', async () => {
  const reply = await kdig('+noidn', 'wWw.GsLb.eXaMpLe', '+subnet=203.0.113.0/24');
  assert.equal(reply.question, 'wWw.GsLb.eXaMpLe. IN A');
  assert.deepEqual(withoutJitter(reply.answer), ['wWw.GsLb.eXaMpLe. 30 IN A 192.0.2.2']);
});

test('kdig is told who answers in the CHAOS class, and refused zone transfers', async () => {
  const chaos = await kdig('-c', 'CH', 'version.bind', 'TXT');
  assert.deepEqual(chaos.answer, ['version.bind. 0 CH TXT "Meridian"']);
  for (const type of ['AXFR', 'IXFR=1']) {
    const words = [...serverWords(v4), '+tcp', 'gslb.example', type];
    const { code, output } = await run('kdig', words);
    assert.notEqual(code, 0, type);
    assert.match(output, /server replied with error 'REFUSED'/, type);
  }
});
