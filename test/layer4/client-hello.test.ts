import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CLIENT_HELLO_BYTES_MAX, readServerName } from '../../src/layer4/client-hello.ts';
import { helloOf, inRecords } from './hello.ts';

test('readServerName() reads the name of a hello of TLS 1.2 and 1.3, in lower case', async () => {
  for (const minVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    const hello = await helloOf({
      servername: 'WWW.Example.com',
      minVersion,
      ALPNProtocols: ['h2'],
    });
    const expected = { kind: 'hello', serverName: 'www.example.com' };
    assert.deepEqual(readServerName(hello), expected);
    assert.deepEqual(readServerName(Buffer.concat([hello, Buffer.from('more')])), expected);
  }
  assert.deepEqual(readServerName(await helloOf({})), { kind: 'hello', serverName: '' });
});

test('a hello in any pieces and records is read when it is whole, and not before', async () => {
  const hello = await helloOf({ servername: 'a.example' });
  for (const length of [1, 3, 4, 5, 100, 16_384]) {
    const cut = inRecords(hello, length);
    for (let end = 0; end < cut.length; end += 1) {
      assert.equal(readServerName(cut.subarray(0, end)).kind, 'incomplete', `${length} ${end}`);
    }
    assert.deepEqual(readServerName(cut), { kind: 'hello', serverName: 'a.example' });
  }
});

test('what is no hello, or a broken one, is malformed', async () => {
  const hello = await helloOf({ servername: 'a.example' });
  const changed = (at: number, octet: number): Uint8Array => {
    const copy = Uint8Array.from(hello);
    copy[at] = octet;
    return copy;
  };
  const nameAt = hello.indexOf('a.example');
  const broken: readonly (readonly [string, Uint8Array])[] = [
    ['HTTP', Buffer.from('GET / HTTP/1.1\r\n')],
    ['an alert', changed(0, 21)],
    ['SSL 2', changed(1, 2)],
    ['a server hello', changed(5, 2)],
    ['an empty record', Uint8Array.of(22, 3, 1, 0, 0)],
    ['too long a record', Uint8Array.of(22, 3, 1, 0x40, 1)],
    ['too long a hello', Uint8Array.of(22, 3, 1, 0, 4, 1, 1, 0, 0)],
    ['too long a session id', changed(43, 255)],
    ['a name with a blank', changed(nameAt, 0x20)],
    ['a name that is too long for its list', changed(nameAt - 1, 200)],
  ];
  for (const [what, bytes] of broken) {
    assert.equal(readServerName(bytes).kind, 'malformed', what);
  }
  assert.ok(hello.length < CLIENT_HELLO_BYTES_MAX);
});
