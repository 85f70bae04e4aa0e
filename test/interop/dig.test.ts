import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { after, test } from 'node:test';
import { freePort, loopbackAddress } from '../node/free-addresses.ts';
import { ask, askAll, type Place, run, serverWords, withoutJitter } from './ask.ts';
import { checkReply, QUESTIONS, questionWords } from './questions.ts';
import { PLACED, REAL, REGIONS, RESOLVERS, startWorldNode } from './world-node.ts';

/** A whole node asked by BIND's dig, which says so in words when a reply is not to its taste. */
const v4: Place = { address: loopbackAddress(), port: 5300 };
const port6 = await freePort('::1').catch(() => undefined);
const v6: Place | undefined = port6 === undefined ? undefined : { address: '::1', port: port6 };
const fixture = await startWorldNode([
  `${v4.address}:${v4.port}`,
  ...(v6 ? [`[${v6.address}]:${v6.port}`] : []),
]);
after(fixture.stop);

const dig = (...words: string[]) => ask('dig', v4, ...words);

for (const transport of ['UDP', 'TCP']) {
  for (const family of ['IPv4', 'IPv6']) {
    test(`dig is satisfied with every kind of name over ${transport} and ${family}`, async (t) => {
      const server = family === 'IPv4' ? v4 : v6;
      if (!server) {
        t.diagnostic('this machine has no ::1: only IPv4 is asked');
        return;
      }
      const flag = transport === 'TCP' ? ['+tcp'] : [];
      const replies = await askAll('dig', server, ...flag, ...questionWords(QUESTIONS));
      assert.equal(replies.length, QUESTIONS.length);
      for (const [index, reply] of replies.entries()) {
        checkReply(QUESTIONS[index]!, reply);
        assert.equal(reply.transport, transport);
        assert.ok(reply.hasEdns);
      }
    });
  }
}

test('dig gets the region that is nearest to a client subnet, with its scope', async () => {
  for (const { network, region } of PLACED) {
    const [vip4, vip6] = REGIONS[region].vips;
    const [a, aaaa] = await askAll(
      'dig',
      v4,
      `+subnet=${network}`,
      'www.gslb.example',
      'A',
      'www.gslb.example',
      'AAAA',
    );
    const scope = network.split('/')[1];
    for (const [reply, type, vip] of [
      [a, 'A', vip4],
      [aaaa, 'AAAA', vip6],
    ] as const) {
      assert.deepEqual(
        withoutJitter(reply?.answer),
        [`www.gslb.example. 30 IN ${type} ${vip}`],
        network,
      );
      assert.equal(reply?.subnet, `${network}/${scope}`);
    }
  }
});

test('dig gets the region of three universities on three continents', async () => {
  for (const { network, region } of REAL) {
    const reply = await dig(`+subnet=${network}`, 'www.gslb.example');
    assert.deepEqual(withoutJitter(reply.answer), [
      `www.gslb.example. 30 IN A ${REGIONS[region].vips[0]}`,
    ]);
    const scope = Number(reply.subnet?.split('/')[2]);
    assert.ok(scope >= 8 && scope <= 24, `scope ${scope} of ${network}`);
  }
});

test('dig gets the region that is nearest to the resolver when there is no subnet', async () => {
  for (const [region, address] of Object.entries(RESOLVERS)) {
    const vip = REGIONS[region as keyof typeof REGIONS].vips[0];
    for (const words of [['+noedns'], [], ['+subnet=0.0.0.0/0'], ['+tcp']]) {
      const reply = await dig('-b', address, ...words, 'www.gslb.example');
      assert.deepEqual(
        withoutJitter(reply.answer),
        [`www.gslb.example. 30 IN A ${vip}`],
        words.join(),
      );
      assert.equal(reply.hasEdns, words[0] !== '+noedns');
      const echo = words[0]?.startsWith('+subnet') ? '0.0.0.0/0/0' : undefined;
      assert.equal(reply.subnet, echo);
    }
  }
});

test('dig gets steered answers through aliases and wildcards, and the same for all by failover', async () => {
  const [alias, wild, standby] = await askAll(
    'dig',
    v4,
    '+subnet=198.51.100.128/25',
    'alias.gslb.example',
    'A',
    'any.wild-steered.gslb.example',
    'A',
    'app.gslb.example',
    'A',
  );
  assert.deepEqual(withoutJitter(alias?.answer), [
    'alias.gslb.example. 300 IN CNAME www.gslb.example.',
    'www.gslb.example. 30 IN A 192.0.2.3',
  ]);
  assert.equal(alias?.subnet, '198.51.100.128/25/25');
  assert.deepEqual(withoutJitter(wild?.answer), [
    'any.wild-steered.gslb.example. 30 IN A 192.0.2.3',
  ]);
  assert.deepEqual(withoutJitter(standby?.answer), ['app.gslb.example. 30 IN A 192.0.2.2']);
  assert.equal(standby?.subnet, '198.51.100.128/25/0', 'one class has the scope of everybody');
});

test('dig gets scope 0 with everything that is the same for everybody', async () => {
  for (const name of ['mail', 'nothing', 'sub', 'ent', 'outside', 'x.wild']) {
    const reply = await dig('+subnet=198.51.100.0/25', `${name}.gslb.example`);
    assert.equal(reply.subnet, '198.51.100.0/25/0', name);
  }
});

test('dig comes back over TCP for an answer that UDP cannot carry', async () => {
  for (const words of [[], ['+bufsize=4096'], ['+bufsize=512'], ['+noedns']]) {
    const cut = await dig(...words, '+ignore', 'big.gslb.example', 'TXT');
    assert.ok(cut.flags.includes('tc'), words.join());
    assert.deepEqual([cut.transport, cut.answer], ['UDP', []]);
    const whole = await dig(...words, 'big.gslb.example', 'TXT');
    assert.deepEqual([whole.transport, whole.answer.length], ['TCP', 40]);
    assert.ok(!whole.flags.includes('tc'));
  }
});

test('dig gets as much over UDP as it says that it takes', async () => {
  const middle = ['middle.gslb.example', 'TXT', '+ignore'];
  for (const [words, answers] of [
    [[], 4],
    [['+bufsize=1232'], 4],
    [['+bufsize=512'], 0],
    [['+noedns'], 0],
  ] as const) {
    const reply = await dig(...words, ...middle);
    assert.equal(reply.answer.length, answers, words.join());
    assert.equal(reply.flags.includes('tc'), answers === 0);
  }
});

test('dig keeps one TCP connection open for several questions', async () => {
  let connections = 0;
  const relay = createServer((socket) => {
    connections++;
    const onward = connect(v4.port, v4.address);
    socket.pipe(onward).pipe(socket);
    socket.on('error', () => onward.destroy());
    onward.on('error', () => socket.destroy());
  });
  relay.listen(0, v4.address);
  await once(relay, 'listening');
  const server = { address: v4.address, port: (relay.address() as { port: number }).port };
  const words = questionWords(QUESTIONS);
  const replies = await askAll('dig', server, '+tcp', '+keepopen', ...words);
  relay.close();
  assert.equal(connections, 1);
  for (const [index, question] of QUESTIONS.entries()) checkReply(question, replies[index]!);
});

test('dig gets NOTIMP for other opcodes', async () => {
  for (const opcode of ['IQUERY', 'STATUS', 'NOTIFY', 'UPDATE', '15']) {
    for (const words of [[], ['+noedns'], ['+tcp']]) {
      const reply = await dig(`+opcode=${opcode}`, ...words, 'gslb.example', 'SOA');
      assert.equal(reply.status, 'NOTIMP', opcode);
      assert.equal(reply.hasEdns, words[0] !== '+noedns', opcode);
      assert.ok(!reply.flags.includes('aa'));
    }
  }
});

test('dig gets BADVERS for a version of EDNS that does not exist yet', async () => {
  const refused = await dig('+edns=1', '+noednsnegotiation', 'www.gslb.example');
  assert.deepEqual([refused.status, refused.hasEdns, refused.answer], ['BADVERS', true, []]);
  const settled = await askAll('dig', v4, '+edns=1', '+ednsnegotiation', 'mail.gslb.example');
  assert.equal(settled.at(-1)?.status, 'NOERROR', 'dig goes back to version 0 by itself');
});

test('dig gets its answer whatever options and flags it sends along', async () => {
  const wanted = ['mail.gslb.example. 300 IN A 192.0.2.25'];
  const words = [
    '+ednsopt=65001:cafe',
    '+ednsopt=100',
    '+ednsflags=0x40',
    '+nsid',
    '+cookie=0123456789abcdef',
    '+nocookie',
    '+expire',
    '+keepalive',
    '+padding=128',
    '+dnssec',
    '+cdflag',
    '+zflag',
    '+adflag',
    '+bufsize=0',
    '+bufsize=65535',
  ];
  for (const word of words) {
    const reply = await dig(word, 'mail.gslb.example');
    assert.deepEqual([reply.status, reply.answer], ['NOERROR', wanted], word);
  }
});

test('dig gets its own spelling of the name back', async () => {
  const reply = await dig('wWw.GsLb.eXaMpLe', '+subnet=203.0.113.0/24');
  assert.equal(reply.question, 'wWw.GsLb.eXaMpLe. IN A');
  assert.deepEqual(withoutJitter(reply.answer), ['wWw.GsLb.eXaMpLe. 30 IN A 192.0.2.2']);
  const wild = await dig('X.WILD.gslb.example', 'A');
  assert.deepEqual(wild.answer, ['X.WILD.gslb.example. 300 IN A 192.0.2.9']);
});

test('dig gets one RRset for ANY', async () => {
  const [mail, www, nothing] = await askAll(
    'dig',
    v4,
    '+notcp',
    'mail.gslb.example',
    'ANY',
    'www.gslb.example',
    'ANY',
    'nothing.gslb.example',
    'ANY',
  );
  assert.deepEqual(mail?.answer, ['mail.gslb.example. 300 IN A 192.0.2.25']);
  assert.equal(www?.status, 'NOERROR');
  assert.equal(www?.answer.length, 1);
  assert.equal(nothing?.status, 'NXDOMAIN');
});

test('dig is told who answers, with NSID and in the CHAOS class', async () => {
  const chaos = await dig('version.bind', 'CH', 'TXT');
  assert.deepEqual(chaos.answer, ['version.bind. 0 CH TXT "Meridian"']);
  const other = await dig('authors.bind', 'CH', 'TXT');
  assert.deepEqual([other.status, other.flags.includes('aa')], ['REFUSED', false]);
  const { output } = await run('dig', [...serverWords(v4), '+norec', '+nsid', 'mail.gslb.example']);
  assert.match(output, /^; NSID: [0-9a-f ]+ \(".+"\)$/m);
});

test('dig is refused zone transfers', async () => {
  for (const type of ['AXFR', 'IXFR=1']) {
    const words = ['+norec', ...serverWords(v4), '+onesoa', 'gslb.example', type];
    const { output } = await run('dig', words);
    assert.match(output, /Transfer failed\./, type);
    assert.doesNotMatch(output, /192\.0\.2\./);
  }
});

test('dig is told that there is no recursion, and warns of nothing else', async () => {
  const { code, output } = await run('dig', [...serverWords(v4), 'mail.gslb.example']);
  assert.equal(code, 0);
  const warnings = output.split('\n').filter((line) => /warning/i.test(line));
  assert.deepEqual(warnings, [';; WARNING: recursion requested but not available']);
  assert.match(output, /^;; flags: qr aa rd;/m);
});
