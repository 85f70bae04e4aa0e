import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';

/**
 * A network namespace in which TCP Fast Open (RFC 7413) is on for servers; curl asks twice: for a cookie, and with the
 * query in the first packet. The kernel counts such connections.
 */
const SERVER = `
  import { execFile } from 'node:child_process';
  import { readFileSync } from 'node:fs';
  import { createServer } from 'node:http';
  import { promisify } from 'node:util';
  import { openTcpSocket } from './src/io/sockets.ts';
  import { openSyscalls } from './src/io/syscall.ts';
  const { calls } = openSyscalls();
  const at = { address: '127.0.0.1', port: 0 };
  const { value } = openTcpSocket(calls, at, Uint8Array.of(127, 0, 0, 1), FAST_OPEN_MAX);
  const server = createServer((_, response) => response.end('answer'));
  server.listen({ fd: value.hand().fd }, async () => {
    for (let at = 0; at < 2; at += 1) {
      const words = ['-s', '--tcp-fastopen', 'http://127.0.0.1:' + value.port + '/'];
      const { stdout } = await promisify(execFile)('curl', words);
      if (stdout !== 'answer') throw new Error(stdout);
    }
    const [names, values] = readFileSync('/proc/net/netstat', 'utf8').split('\\n');
    console.log(values.split(' ')[names.split(' ').indexOf('TCPFastOpenPassive')]);
    process.exit(0);
  });
`;

/** How many connections had their query in the first packet. */
function fastOpened(fastOpenMax: number): string {
  const script = SERVER.replace('FAST_OPEN_MAX', String(fastOpenMax));
  const prepare = 'ip link set lo up && echo 3 > /proc/sys/net/ipv4/tcp_fastopen';
  const node = [process.execPath, '--disable-warning=ExperimentalWarning', '--input-type=module'];
  const words = ['-n', 'sh', '-c', `${prepare} && exec "$@"`, 'sh', ...node, '-e', script];
  const { status, stderr, stdout } = spawnSync('unshare', words, { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  return stdout.trim();
}

test('a query may come with the first packet of a connection, where it is asked for', () => {
  assert.equal(fastOpened(16), '1');
  assert.equal(fastOpened(0), '0');
});
