import { setTimeout as passed } from 'node:timers/promises';
import { freePort } from '../node/free-addresses.ts';
import { type ServerProcess, startServer } from './server-process.ts';

/** nginx of a test's own: `server` is what stands in its server block. */
export async function startNginx(
  server: string,
  files: Readonly<Record<string, string>> = {},
): Promise<ServerProcess & { readonly port: number }> {
  const port = await freePort();
  const nginx = startServer(
    (directory) => ({ ...files, 'nginx.conf': configuration(directory, port, server) }),
    (directory) => ['nginx', '-p', directory, '-c', `${directory}/nginx.conf`],
  );
  for (let tries = 0; !(await answers(port)); tries++) {
    if (tries === TRIES_MAX) throw new Error(`nginx does not answer: ${nginx.said()}`);
    await passed(TRY_EVERY_MS);
  }
  return { ...nginx, port };
}

const TRIES_MAX = 200;
const TRY_EVERY_MS = 25;

const configuration = (directory: string, port: number, server: string): string => `
daemon off;
master_process off;
pid ${directory}/pid;
error_log stderr crit;
events { worker_connections 1024; }
http {
  access_log off;
  client_body_temp_path ${directory}/1; proxy_temp_path ${directory}/2; fastcgi_temp_path ${directory}/3;
  uwsgi_temp_path ${directory}/4; scgi_temp_path ${directory}/5;
  server {
    listen 127.0.0.1:${port};
    root ${directory};
    ${server}
  }
}
`;

async function answers(port: number): Promise<boolean> {
  try {
    await (await fetch(`http://127.0.0.1:${port}/`)).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}
