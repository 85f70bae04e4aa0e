import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { isIPv6 } from 'node:net';
import { z } from 'zod';
import { openSyscalls, type Syscalls } from '../io/syscall.ts';
import { parseAddress } from '../ip/address.ts';
import { runProgram } from './child.ts';
import { type Course, runCourse } from './course.ts';
import { type Finding, localFault, shorten } from './failure.ts';
import type { ProbeKind } from './probe.ts';

/** Echo requests at once on one node: each may be a process. */
export const ECHOES_MAX = 256;

const icmpOptions = z.strictObject({});
export type IcmpProbeOptions = z.infer<typeof icmpOptions>;

/**
 * ICMP echo. Node has no ICMP; two ways lead there without special rights. Linux gives groups that
 * `net.ipv4.ping_group_range` names a socket for echo alone (most distributions and container engines
 * name all groups); elsewhere, and where that is refused, the system's `ping` may do what this
 * process may not. When neither can, the attempt is a fault of this host: it never says "down".
 */
export const icmp: ProbeKind<IcmpProbeOptions> = {
  kind: 'icmp',
  summary: 'ICMP echo ("ping"), where this host allows it',
  options: icmpOptions,
  inFlightMax: ECHOES_MAX,
  run: (target, _options, signal) =>
    runCourse(target, signal, async (course) => {
      const fd = openEcho(course);
      return typeof fd === 'number' ? echo(course, fd) : runPing(course, fd);
    }),
};

const ECHO_REQUEST = { 4: 8, 6: 128 } as const;
const ECHO_REPLY = { 4: 0, 6: 129 } as const;
/** Type, code, checksum, identifier and sequence number (RFC 792, RFC 4443 4.1). */
const HEADER_BYTES = 8;
const COOKIE_BYTES = 16;
/** A connected socket needs a port, which ICMP has not. */
const ANY_PORT = 1;

let syscalls: Syscalls | string | undefined;

/** The descriptor of an echo socket, or why there is none. */
function openEcho({ target }: Course): number | string {
  if (syscalls === undefined) {
    const opened = openSyscalls();
    syscalls = opened.ok ? opened.calls : opened.reason;
  }
  if (typeof syscalls === 'string') return syscalls;
  const source = parseAddress(target.sourceAddress ?? (isIPv6(target.address) ? '::' : '0.0.0.0'));
  if (source === undefined) return 'the source address is none';
  try {
    return syscalls.pingSocket(source.bytes);
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    if (code !== 'EACCES' && code !== 'EPERM') throw error;
    return `${message}: no group of this process is in net.ipv4.ping_group_range`;
  }
}

async function echo(course: Course, fd: number): Promise<Finding> {
  const { address } = course.target;
  const version = isIPv6(address) ? 6 : 4;
  const socket = createSocket({
    type: `udp${version}`,
    lookup: (name, _options, done) => done(null, name, version),
  });
  course.onEnd(() => socket.close());
  const failed = new Promise<never>((_, fail) => socket.on('error', fail));
  failed.catch(() => undefined);
  const bound = once(socket, 'listening');
  socket.bind({ fd });
  await Promise.race([bound, failed]);
  // Connected, so that "host unreachable" comes back as an error.
  const connected = once(socket, 'connect');
  socket.connect(ANY_PORT, address);
  await Promise.race([connected, failed]);
  // The kernel fills in checksum and identifier.
  const request = Buffer.concat([Buffer.alloc(HEADER_BYTES), randomBytes(COOKIE_BYTES)]);
  request[0] = ECHO_REQUEST[version];
  const answered = new Promise<void>((resolve) => {
    socket.on('message', (message) => {
      const isReply = message[0] === ECHO_REPLY[version];
      if (isReply && message.subarray(HEADER_BYTES).equals(request.subarray(HEADER_BYTES)))
        resolve();
    });
  });
  const sentMs = course.nowMs();
  socket.send(request);
  await Promise.race([answered, failed]);
  course.note('firstByteMs', sentMs);
  return { ok: true, reason: 'echo reply' };
}

const PING_PATHS = ['/usr/bin/ping', '/bin/ping', '/sbin/ping'];
const PING6_PATHS = ['/sbin/ping6'];

/** `why` the socket is refused: told when the program cannot help either. */
async function runPing(course: Course, why: string): Promise<Finding> {
  const { address, sourceAddress } = course.target;
  const isMac = process.platform === 'darwin';
  const paths = isMac && isIPv6(address) ? PING6_PATHS : PING_PATHS;
  const path = paths.find((each) => existsSync(each));
  if (path === undefined) throw localFault(`ICMP is not possible here: ${why}; no ping program`);
  const source = sourceAddress === undefined ? [] : [isMac ? '-S' : '-I', sourceAddress];
  const ran = await runProgram(course, path, ['-n', '-c', '1', ...source, address], {});
  if (ran === 'too much output') throw localFault('ping writes too much');
  if (ran.exitCode === 0) return { ok: true, reason: 'echo reply' };
  // No reply is 1 with iputils and 2 with BSD, and nothing to complain of.
  const noReply = isMac ? 2 : 1;
  if (ran.exitCode === noReply && ran.errors === '') return { ok: false, reason: 'no echo reply' };
  throw localFault(shorten(`ping failed: ${ran.errors || `exit ${ran.exitCode}`}`));
}
