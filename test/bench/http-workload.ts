/** What the HTTP bench asks, and what answers: nginx with a body of a few octets and two files. */
import { freePort } from '../node/free-addresses.ts';
import type { Child, Scratch } from './scratch.ts';

export type HttpWorkload = {
  readonly name: string;
  readonly path: string;
  readonly connections: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Octets of a POST; a GET without. */
  readonly bodyOctets?: number;
};

const SMALL = '/hello';
const KIBIBYTE = 1024;

/** What a browser sends: about 650 octets of fields. */
export const BROWSER_HEADERS = {
  'User-Agent':
    'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36',
  Accept:
    'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8',
  'Accept-Encoding': 'identity',
  'Accept-Language': 'en-GB,en;q=0.9,de;q=0.8',
  'Cache-Control': 'max-age=0',
  Cookie: 'session=4f2a9c1e7b3d5f608192a3b4c5d6e7f8; theme=dark; consent=necessary%2Cstatistics',
  'Sec-CH-UA': '"Chromium";v="140", "Not A(Brand";v="24", "Google Chrome";v="140"',
  'Sec-CH-UA-Mobile': '?0',
  'Sec-CH-UA-Platform': '"Linux"',
  'Sec-Fetch-Dest': 'document',
  'Sec-Fetch-Mode': 'navigate',
  'Sec-Fetch-Site': 'same-origin',
  'Sec-Fetch-User': '?1',
  'Upgrade-Insecure-Requests': '1',
} as const;

export const GET_64 = 'get-64';
export const GET_256 = 'get-256';
export const GET_16K = 'get-16k';
export const GET_1M = 'get-1m';
export const CLOSE = 'close';

export const HTTP_WORKLOADS: readonly HttpWorkload[] = [
  { name: GET_64, path: SMALL, connections: 64 },
  { name: GET_256, path: SMALL, connections: 256 },
  { name: 'browser', path: SMALL, connections: 64, headers: BROWSER_HEADERS },
  { name: 'post-4k', path: SMALL, connections: 64, bodyOctets: 4 * KIBIBYTE },
  { name: GET_16K, path: '/files/16k', connections: 64 },
  { name: GET_1M, path: '/files/1m', connections: 16 },
  { name: CLOSE, path: SMALL, connections: 64, headers: { Connection: 'close' } },
];

export type Backend = { readonly port: number; readonly child: Child };

/** On the load generator's core: what it takes is nobody's cost. */
export async function startBackend(scratch: Scratch, core: number): Promise<Backend> {
  const port = await freePort();
  scratch.write('backend/files/16k', 'x'.repeat(16 * KIBIBYTE));
  scratch.write('backend/files/1m', 'x'.repeat(KIBIBYTE * KIBIBYTE));
  const server = `
  server {
    listen 127.0.0.1:${port} backlog=4096 reuseport;
    location / { return 200 "hello, world\\n"; }
    location /files/ { root ${scratch.directory('backend')}; }
  }`;
  return { port, child: startNginx(scratch, 'backend', core, server) };
}

/** nginx with one worker, whose connections live on; all that it writes is in the scratch directory. */
export function startNginx(scratch: Scratch, folder: string, core: number, http: string): Child {
  const place = scratch.directory(folder);
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (kind) => `  ${kind}_temp_path ${place}/${kind};\n`,
  );
  const file = scratch.write(
    `${folder}/nginx.conf`,
    `worker_processes 1; daemon off; pid ${place}/pid; error_log ${place}/errors;
# The worker reads what is in the bench's own directory.
${process.getuid?.() === 0 ? 'user root;' : ''}
events { worker_connections ${NGINX_DESCRIPTORS}; }
http {
  access_log off; keepalive_requests 100000000; keepalive_timeout 3600;
${temporary.join('')}${http}
}
`,
  );
  return scratch.start('taskset', ['-c', String(core), 'nginx', '-p', place, '-c', file]);
}

/** Two for each request under way through a proxy. */
const NGINX_DESCRIPTORS = 20_000;
