/**
 * Holds connections to a proxy, each of which has had one response: `node http-idle-holder.ts PORT COUNT`. It prints
 * `held` when all have, and `closed` for each that does not last.
 */
import { connect } from 'node:net';

const [port = 0, count = 0] = process.argv.slice(2).map(Number);
/** At once, that no queue of an accepting socket runs over. */
const OPENING_MAX = 100;
const REQUEST = `GET /hello HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`;

let opened = 0;
let held = 0;
for (let index = 0; index < Math.min(OPENING_MAX, count); index += 1) open();

function open(): void {
  opened += 1;
  const socket = connect(port, '127.0.0.1', () => socket.write(REQUEST));
  socket.once('data', () => {
    held += 1;
    if (opened < count) open();
    if (held === count) process.stdout.write('held\n');
  });
  socket.on('error', (error) => process.stdout.write(`${error.message}\n`));
  socket.on('close', () => process.stdout.write('closed\n'));
}
