import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { CertificateConfig, DnsConfig, DnsListenerConfig } from '../config/config.ts';
import { type Certificate, openCertificate } from '../dns-transport/listeners.ts';

/** Certificates of DNS listeners, from disk. */

/** The different ones that the listeners show, in the order of their index. */
export function certificatesOf({ listeners }: DnsConfig): readonly CertificateConfig[] {
  const known = new Map<string, CertificateConfig>();
  for (const { certificate } of listeners) {
    if (certificate !== undefined) known.set(JSON.stringify(certificate), certificate);
  }
  return [...known.values()];
}

/** Which of them the listener shows; 0 when it shows none. */
export function certificateIndex(dns: DnsConfig, { certificate }: DnsListenerConfig): number {
  const texts = certificatesOf(dns).map((each) => JSON.stringify(each));
  return Math.max(0, texts.indexOf(JSON.stringify(certificate)));
}

export type ReadCertificate =
  | { readonly ok: true; readonly certificate: Certificate; readonly warning: string | undefined }
  | { readonly ok: false; readonly message: string };

/** Reads both files, and tries whether they can serve. */
export function readCertificate(
  { file, keyFile }: CertificateConfig,
  nowMs: number,
): ReadCertificate {
  let certificate: Certificate;
  try {
    certificate = { chain: readFileSync(file, 'utf8'), key: readFileSync(keyFile, 'utf8') };
  } catch (error) {
    const { code, path } = error as NodeJS.ErrnoException;
    return { ok: false, message: `${path ?? file} cannot be read (${code ?? 'ERROR'})` };
  }
  try {
    openCertificate(certificate);
    const { validTo } = new X509Certificate(certificate.chain);
    const warning = hasEnded(certificate, nowMs)
      ? `The certificate in ${file} has ended on ${validTo}.`
      : undefined;
    return { ok: true, certificate, warning };
  } catch (error) {
    const why = (error as Error).message;
    return { ok: false, message: `${file} and ${keyFile} are no certificate with its key: ${why}` };
  }
}

/** @param certificate one that was read: its chain is PEM */
export function hasEnded({ chain }: Certificate, nowMs: number): boolean {
  return Date.parse(new X509Certificate(chain).validTo) < nowMs;
}
