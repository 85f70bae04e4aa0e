import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createWitness } from '../../src/store/redis/follower.ts';
import { parseSentinelReply, redirection } from '../../src/store/redis/locate.ts';
import { createRemoteClock } from '../../src/store/remote-clock.ts';

test('createWitness() finds a gap between two notices, and none where there is none', () => {
  const witness = createWitness(0);
  assert.deepEqual(witness.hear({ before: 5, version: 6 }), { isNews: true, isGap: false });
  assert.equal(witness.compare(0, 8), 'heard', 'before the first comparison all is listed anyway');
  assert.deepEqual(witness.hear({ before: 6, version: 7 }), { isNews: false, isGap: false });
  assert.deepEqual(witness.hear({ before: 8, version: 9 }), { isNews: true, isGap: false });
  assert.deepEqual(witness.hear({ before: 10, version: 11 }), { isNews: true, isGap: true });
  assert.deepEqual(witness.hear({ before: 11, version: 12 }), { isNews: true, isGap: false });
  assert.deepEqual(
    witness.hear({ before: 0, version: 13 }),
    { isNews: true, isGap: true },
    'emptied',
  );
});

test('createWitness() waits for a notice that is late and misses one that does not come', () => {
  const witness = createWitness(0);
  witness.compare(0, 1);
  assert.equal(witness.compare(1, 2), 'wait');
  witness.hear({ before: 1, version: 2 });
  assert.equal(witness.compare(2, 2), 'heard');
  assert.equal(witness.compare(2, 3), 'wait');
  assert.equal(witness.compare(2, 3), 'missed');
  assert.equal(witness.compare(3, 3), 'heard');
  assert.equal(witness.compare(3, 2), 'missed', 'the store knows less than it did');
});

test('createWitness() is deaf when it hears of nothing again and again', () => {
  const witness = createWitness(0);
  witness.compare(0, 1);
  const findings = [2, 2, 3, 3, 4, 4, 5, 5].map((last) => witness.compare(last - 1, last));
  assert.deepEqual(findings.slice(-2), ['wait', 'deaf']);
  assert.equal(findings.filter((finding) => finding === 'missed').length, 3);
});

test('createRemoteClock() follows the answer that took the shortest time', () => {
  const clock = createRemoteClock();
  assert.equal(clock.nowMs(0), null);
  clock.observe(1000, 1200, 6080);
  assert.equal(clock.nowMs(1200), 6180);
  clock.observe(2000, 2002, 7001);
  clock.observe(3000, 3300, 8200);
  assert.equal(clock.nowMs(4000), 9000);
  assert.equal(clock.nowMs(3300 + 60_001), null, 'nobody knows any more');
});

test('createRemoteClock() forgets what a clock that was set contradicts', () => {
  const clock = createRemoteClock();
  clock.observe(1000, 1002, 5001);
  clock.observe(2000, 2100, 9050);
  assert.equal(clock.nowMs(2100), 9100);
});

test('redirection() reads where a Cluster sends us', () => {
  const asked = { host: '192.0.2.1', port: 7000 };
  const read = (text: string) => redirection(text, asked);
  assert.deepEqual(read('MOVED 3999 192.0.2.2:6381'), { host: '192.0.2.2', port: 6381 });
  assert.deepEqual(read('MOVED 3999 2001:db8::1:6381'), { host: '2001:db8::1', port: 6381 });
  assert.deepEqual(read('MOVED 3999 :6381'), { host: '192.0.2.1', port: 6381 });
  assert.equal(read('MOVED 3999 h:0'), undefined);
  assert.equal(read('READONLY no'), undefined);
});

test('parseSentinelReply() reads address and epoch, and nothing else', () => {
  const words = ['name', 'ip', 'ip', '192.0.2.1', 'port', '6379', 'config-epoch', '7'];
  assert.deepEqual(parseSentinelReply(words), {
    address: { host: '192.0.2.1', port: 6379 },
    epoch: 7,
  });
  for (const wrong of [null, 'x', [], ['ip', '192.0.2.1'], [...words, 'port', 'x'].with(5, '0')]) {
    assert.equal(parseSentinelReply(wrong), undefined);
  }
});
