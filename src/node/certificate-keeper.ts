import type { DnsConfig } from '../config/config.ts';
import type { Clock } from '../control/clock.ts';
import type { Events } from '../control/events.ts';
import type { Certificate } from '../dns-transport/listeners.ts';
import type { SocketProblem } from '../io/sockets.ts';
import { certificatesOf, hasEnded, readCertificate } from '../workers/certificates.ts';
import { fileVersion } from '../workers/geo-files.ts';

/**
 * The certificates that DNS listeners show. They are read when the node starts, and again when a file has
 * changed, as a robot renews them; one that cannot serve does not take the place of one that does, and
 * connections that are there keep what they began with.
 */
export type CertificateKeeper = {
  readonly certificates: readonly Certificate[];
  /** Tells of new ones from now on. */
  watch(tell: (certificates: readonly Certificate[]) => void): void;
  close(): void;
};

export const CERTIFICATE_POLL_MS = 30_000;

export function openCertificates(
  dns: DnsConfig,
  clock: Clock,
  events: Pick<Events, 'record'>,
):
  | { readonly ok: true; readonly keeper: CertificateKeeper }
  | { readonly ok: false; readonly problems: readonly SocketProblem[] } {
  const files = certificatesOf(dns);
  const problems: SocketProblem[] = [];
  const versions = files.map(versionOf);
  const certificates: Certificate[] = [];
  for (const each of files) {
    const read = readCertificate(each, clock.nowMs());
    if (!read.ok) {
      const hint =
        'dns.certificate names the files; they are PEM, as certbot and others write them.';
      problems.push({ code: 'CERTIFICATE', message: `${read.message}.`, hint });
      continue;
    }
    if (read.warning !== undefined)
      events.record('dns.certificate', each.file, read.warning, 'warn');
    certificates.push(read.certificate);
  }
  if (problems.length > 0) return { ok: false, problems };
  let cancel = (): void => {};
  const look = (tell: (certificates: readonly Certificate[]) => void): void => {
    let isNew = false;
    for (const [index, each] of files.entries()) {
      const version = versionOf(each);
      if (version === versions[index]) continue;
      versions[index] = version;
      const read = readCertificate(each, clock.nowMs());
      // One that has ended, a copy of long ago for instance, is better than none, and than nothing else.
      const hadEnded = hasEnded(certificates[index]!, clock.nowMs());
      const isTaken = read.ok && (read.warning === undefined || hadEnded);
      const kept = read.ok && !isTaken ? ' The one from before stays.' : '';
      const said = read.ok
        ? (read.warning ?? `The certificate in ${each.file} was read again.`)
        : `The certificate was not read again: ${read.message}.`;
      const isGood = read.ok && read.warning === undefined;
      events.record('dns.certificate', each.file, `${said}${kept}`, isGood ? 'info' : 'warn');
      if (!isTaken) continue;
      certificates[index] = read.certificate;
      isNew = true;
    }
    if (isNew) tell([...certificates]);
    cancel = clock.setTimer(CERTIFICATE_POLL_MS, () => look(tell));
  };
  return {
    ok: true,
    keeper: {
      certificates,
      watch(tell) {
        if (files.length > 0) cancel = clock.setTimer(CERTIFICATE_POLL_MS, () => look(tell));
      },
      close: () => cancel(),
    },
  };
}

function versionOf({ file, keyFile }: { readonly file: string; readonly keyFile: string }): string {
  return `${fileVersion(file)} ${fileVersion(keyFile)}`;
}
