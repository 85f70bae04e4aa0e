import type { MessagePort } from 'node:worker_threads';
import type { CookieSecrets } from '../dns/cookie.ts';
import type { ZoneSigningKeys } from '../dns/dnssec/signing-keys.ts';
import type { Bell } from '../io/bell.ts';
import type { ServedHealth } from '../nameserver/served-health.ts';
import type { Snapshot } from '../nameserver/snapshot.ts';
import type { NewSignatures } from '../signing/new-signatures.ts';
import type { SignedParts } from '../signing/sign-snapshot.ts';

/** What the main thread tells the signer. */
export type ToSigner =
  | { readonly type: 'start' }
  | { readonly type: 'keys'; readonly keys: readonly ZoneSigningKeys[] }
  /** Sign all of it; nobody serves it yet. */
  | { readonly type: 'sign'; readonly id: number; readonly snapshot: Snapshot }
  /** It is served now: cold answers are of it. */
  | { readonly type: 'snapshot'; readonly snapshot: Snapshot; readonly health: ServedHealth }
  | { readonly type: 'health'; readonly generation: number; readonly health: ServedHealth }
  | { readonly type: 'cookies'; readonly cookies: CookieSecrets }
  /** A worker that will bring its cold queries; its bell is rung when there is an answer. */
  | { readonly type: 'client'; readonly port: MessagePort; readonly bell: Bell | undefined }
  | { readonly type: 'stop' };

export type FromSigner =
  | { readonly type: 'ready'; readonly engine: string }
  | { readonly type: 'signed'; readonly id: number; readonly parts: SignedParts }
  | ({ readonly type: 'signatures' } & NewSignatures);
