import assert from 'node:assert/strict';
import { type IncomingHttpHeaders, request } from 'node:http';
import type { TestContext } from 'node:test';
import { type Admin, type AdminOptions, createAdmin } from '../../src/admin/api.ts';
import { createFixturePlane, type FixturePlane } from './fixture-plane.ts';

/** A real admin API on a free port before the fixture plane, closed when the test ends; and a plain client. */
export type AdminHarness = {
  readonly admin: Admin;
  readonly plane: FixturePlane;
  readonly log: readonly LogLine[];
  call(method: string, path: string, more?: CallOptions): Promise<Reply>;
};
export type LogLine = {
  readonly level: string;
  readonly fields: Record<string, unknown>;
  readonly message: string;
};
export type CallOptions = {
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON, with the content type unless `headers` says otherwise; a string is sent as it is. */
  readonly body?: unknown;
};
export type Reply = {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The body as JSON. */
  json<T = Record<string, unknown>>(): T;
};

export async function openAdmin(
  t: TestContext,
  options: Partial<AdminOptions> & { readonly plane?: FixturePlane } = {},
): Promise<AdminHarness> {
  const plane = options.plane ?? createFixturePlane();
  const log: LogLine[] = [];
  const at = (level: string) => (fields: object, message: string) => {
    log.push({ level, fields: { ...fields }, message });
  };
  const admin = await createAdmin({
    address: '127.0.0.1',
    port: 0,
    tokens: [],
    logger: { info: at('info'), warn: at('warn'), error: at('error') },
    ...options,
    plane,
  });
  if (!admin.ok) throw new Error(admin.message);
  t.after(() => admin.close());
  return { admin, plane, log, call: (method, path, more) => call(admin.port, method, path, more) };
}

/** One request with full control over its headers, `host` too. */
export function call(
  port: number,
  method: string,
  path: string,
  { headers = {}, body }: CallOptions = {},
): Promise<Reply> {
  const payload = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
  const type = body === undefined ? {} : { 'content-type': 'application/json' };
  return new Promise((resolve, reject) => {
    const outgoing = request(
      { host: '127.0.0.1', port, method, path, agent: false, headers: { ...type, ...headers } },
      (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          text += chunk;
        });
        response.on('error', reject);
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            text,
            json: <T>() => JSON.parse(text) as T,
          }),
        );
      },
    );
    outgoing.on('error', reject);
    outgoing.end(payload);
  });
}

/** Asserts the form of a problem document (RFC 9457) and returns it. */
export function assertProblem(reply: Reply, status: number, code: string): Record<string, unknown> {
  const problem = reply.json();
  assert.equal(reply.status, status, reply.text);
  assert.match(String(reply.headers['content-type']), /^application\/problem\+json/);
  assert.equal(problem['status'], status);
  assert.equal(problem['code'], code, reply.text);
  assert.equal(problem['type'], `urn:meridian:problem:${code}`);
  assert.equal(typeof problem['title'], 'string');
  assert.match(String(problem['detail']), /\.$/, 'the detail is a sentence');
  return problem;
}

/** What a value looks like after a way through JSON. */
export const throughJson = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
