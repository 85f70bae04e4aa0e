/**
 * The secrets that nodes share, each kind with what it is for. A name is the kind, or the kind and a
 * subject (`dnssec-keys/example.com`). What is not in this table has no place in the store.
 */
export type SecretKind = {
  readonly kind: string;
  /** What the part after `/` names; undefined = there is only one. */
  readonly subject: 'zone' | 'name' | undefined;
  readonly summary: string;
};

export const secretKinds: readonly SecretKind[] = [
  {
    kind: 'dns-cookies',
    subject: undefined,
    summary: 'Secrets of DNS cookies (RFC 9018), the current and the one before it.',
  },
  {
    kind: 'dnssec-keys',
    subject: 'zone',
    summary: 'The signing keys of a zone, and where a change of them stands.',
  },
  {
    kind: 'zone-serial',
    subject: 'zone',
    summary: 'What signing has added to the serial of a zone: it never goes back.',
  },
  {
    kind: 'zone-records',
    subject: 'zone',
    summary: 'Records that were added to a zone while it was running (updates, ACME challenges).',
  },
  {
    kind: 'tls-tickets',
    subject: undefined,
    summary: 'Keys of TLS session tickets, so that a session resumes at any node.',
  },
  {
    kind: 'certificate',
    subject: 'name',
    summary: 'A certificate with its private key.',
  },
  {
    kind: 'acme-account',
    subject: 'name',
    summary: 'The account key that certificates are ordered with.',
  },
];

/** Names of zones and certificates; `*` for wildcards, `/` and escapes for reverse zones (RFC 2317). */
const SUBJECT = /^[A-Za-z0-9_*./\\-]{1,255}$/;

/** The kind that a name belongs to; undefined for a name that no secret can have. */
export function secretKindOf(name: string): SecretKind | undefined {
  const slash = name.indexOf('/');
  const kindName = slash < 0 ? name : name.slice(0, slash);
  const kind = secretKinds.find((each) => each.kind === kindName);
  if (kind === undefined || (kind.subject === undefined) !== slash < 0) return undefined;
  return slash < 0 || SUBJECT.test(name.slice(slash + 1)) ? kind : undefined;
}
