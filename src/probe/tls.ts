import { z } from 'zod';
import { tlsShape } from './certificate.ts';
import { openTls } from './connection.ts';
import { runCourse } from './course.ts';
import type { ProbeKind } from './probe.ts';

const tlsOptions = z.strictObject({
  ...tlsShape,
  alpn: z
    .array(z.string().min(1).max(255))
    .max(16)
    .default([])
    .describe('Protocols to offer (`h2`, `http/1.1` …), of which the server must choose one.'),
});
export type TlsProbeOptions = z.infer<typeof tlsOptions>;

/** Shakes hands and looks at the certificate; nothing is asked over the connection. */
export const tls: ProbeKind<TlsProbeOptions> = {
  kind: 'tls',
  summary: 'TLS handshake; checks the certificate, its expiry and, if wanted, the protocol',
  options: tlsOptions,
  run: (target, { alpn, ...settings }, signal) =>
    runCourse(target, signal, async (course) => {
      const { certificate, socket } = await openTls(course, { settings, alpn });
      const { problem, ...seen } = certificate;
      if (problem !== undefined) return { ok: false, reason: problem, ...seen };
      const chosen = socket.alpnProtocol;
      if (alpn.length > 0 && (typeof chosen !== 'string' || !alpn.includes(chosen))) {
        return { ok: false, reason: `the server speaks none of ${alpn.join(', ')}`, ...seen };
      }
      const speaking = alpn.length > 0 ? `, ${String(chosen)}` : '';
      return { ok: true, reason: `${socket.getProtocol() ?? 'TLS'}${speaking}`, ...seen };
    }),
};
