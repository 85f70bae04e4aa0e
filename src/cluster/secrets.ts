import type { Store } from '../store/store.ts';
import type { Log } from '../telemetry/log.ts';
import { type Fact, formatFact, parseFact } from './fact.ts';
import type { Replica } from './replica.ts';
import type { Keyring } from './sealed.ts';
import { secretKindOf } from './secret-kinds.ts';
import { compareStamps, createStampSource, reformed } from './stamp.ts';
import { FACTS_PREFIX } from './store-sync.ts';

/**
 * Secrets that all nodes share, as sealed facts. What two nodes must never have two of (a zone's
 * signing key) is made by `createOnce`: whoever writes it into the store first has made it.
 */
export type Secrets = {
  get(name: string): Secret;
  /** The names that are known, sorted. */
  names(): readonly string[];
  /** In force here at once; why not, when it is not. */
  put(name: string, bytes: Uint8Array): SecretDone;
  /** Forgets it everywhere. */
  drop(name: string): SecretDone;
  /**
   * The value that all nodes have, made now if there is none. Without an answer of the store nothing is
   * made: a second value would be worse than none.
   */
  createOnce(name: string, make: () => Uint8Array): Promise<SecretMade>;
  /** Called after every change of the name, with what `get` gives; returns the function that stops it. */
  watch(name: string, onChange: (secret: Secret) => void): () => void;
  /** The value under a new stamp, for a replica that must restamp it; undefined when it does not open. */
  reword(fact: Fact, stamp: string): string | undefined;
  close(): void;
};

export type Secret =
  | { readonly state: 'known'; readonly bytes: Uint8Array }
  | { readonly state: 'absent' }
  /** It is there and cannot be read here. */
  | { readonly state: 'locked'; readonly reason: string };

export type SecretDone =
  | { readonly ok: true; readonly key: string }
  | { readonly ok: false; readonly reason: string };
export type SecretMade =
  | { readonly ok: true; readonly bytes: Uint8Array; readonly isNew: boolean }
  | { readonly ok: false; readonly reason: string };

export type SecretsOptions = {
  readonly node: string;
  readonly replica: Replica;
  readonly store: Store;
  readonly keyring: Keyring;
  /** The cluster's time. */
  readonly clock: { nowMs(): number; setTimer(ms: number, run: () => void): () => void };
  readonly log: Pick<Log, 'info' | 'warn'>;
};

export const SECRETS_PREFIX = 'secret/';
/** How often it is looked for values that an old key has sealed. */
export const RESEAL_MS = 60_000;
/**
 * A value that was sealed just now is left alone: while keys are being exchanged on one node after the
 * other, two that disagree about the first key would seal it against each other.
 */
export const RESEAL_AGE_MS = 3600_000;
/** Sealed again in one go. */
const RESEALS_MAX = 100;
const ATTEMPTS_MAX = 5;
/** Values that were complained of and are not again. */
const COMPLAINTS_MAX = 1000;

export function createSecrets(options: SecretsOptions): Secrets {
  const { clock, keyring, log, replica } = options;
  const making = new Map<string, Promise<SecretMade>>();
  const complained = new Set<string>();
  const read = (fact: Fact | undefined): Secret => {
    if (fact?.value === undefined) return { state: 'absent' };
    const opened = keyring.open(fact.value, nameOf(fact), fact.stamp);
    if (opened.ok) return { state: 'known', bytes: opened.bytes };
    if (!complained.has(fact.stamp)) {
      if (complained.size >= COMPLAINTS_MAX) complained.clear();
      complained.add(fact.stamp);
      log.warn('secret.locked', `The secret ${opened.reason}.`);
    }
    return { state: 'locked', reason: opened.reason };
  };
  const get = (name: string): Secret => read(replica.get(SECRETS_PREFIX + name));
  const put = (name: string, bytes: Uint8Array | undefined): SecretDone => {
    const problem = nameProblem(name, keyring);
    if (problem !== undefined) return { ok: false, reason: problem };
    const key = SECRETS_PREFIX + name;
    const nowMs = clock.nowMs();
    const wording = bytes && ((stamp: string) => keyring.seal(bytes, name, stamp, nowMs) ?? '');
    if (bytes && keyring.seal(bytes, name, '', nowMs) === undefined) {
      return { ok: false, reason: `${name} is too large` };
    }
    const written = replica.write(key, wording, nowMs);
    return written.ok ? { ok: true, key } : { ok: false, reason: `${name}: ${written.reason}` };
  };
  let cancelTimer = (): void => {};
  const resealSoon = (): void => {
    cancelTimer = clock.setTimer(RESEAL_MS, () => {
      const count = reseal(options);
      if (count > 0) {
        log.info(
          'secret.resealed',
          `${count} secrets are sealed with key ${keyring.keyIds[0]} now.`,
        );
      }
      resealSoon();
    });
  };
  // With one key there is nothing that another one has sealed and that opens here.
  if (keyring.keyIds.length > 1) resealSoon();

  return {
    get,
    names: () => replica.list(SECRETS_PREFIX).map(nameOf),
    put,
    drop: (name) => put(name, undefined),
    createOnce(name, make) {
      const running = making.get(name) ?? createOnce(options, get, name, make);
      making.set(name, running);
      return running.finally(() => making.delete(name));
    },
    watch: (name, onChange) =>
      replica.onChange(({ fact }) => {
        if (fact.key === SECRETS_PREFIX + name) onChange(read(fact));
      }),
    reword(fact, stamp) {
      const opened = keyring.open(fact.value ?? '', nameOf(fact), fact.stamp);
      return opened.ok ? keyring.seal(opened.bytes, nameOf(fact), stamp, clock.nowMs()) : undefined;
    },
    close: () => cancelTimer(),
  };
}

/** First of all nodes, decided by the store's compare-and-set. */
async function createOnce(
  { clock, keyring, node, replica, store }: SecretsOptions,
  get: (name: string) => Secret,
  name: string,
  make: () => Uint8Array,
): Promise<SecretMade> {
  const problem = nameProblem(name, keyring);
  if (problem !== undefined) return { ok: false, reason: problem };
  const key = SECRETS_PREFIX + name;
  let made: Uint8Array | undefined;
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
    const known = get(name);
    if (known.state === 'known')
      return { ok: true, bytes: known.bytes, isNew: isSame(known, made) };
    if (known.state === 'locked') return { ok: false, reason: known.reason };
    try {
      const entry = await store.get(FACTS_PREFIX + key);
      const there = entry && parseFact(key, entry.value);
      const before = replica.get(key);
      if (there) replica.merge([there], clock.nowMs(), 'store');
      // Also when it came from another node while the store was asked.
      if (get(name).state !== 'absent') continue;
      made ??= make();
      const stamps = createStampSource(node);
      const over = [there, before]
        .flatMap((fact) => fact?.stamp ?? [])
        .sort(compareStamps)
        .at(-1);
      const nowMs = clock.nowMs();
      // After a secret that was dropped this one must be later than the dropping.
      const stamp = over === undefined ? stamps.created(nowMs) : stamps.written(nowMs, over);
      const value = keyring.seal(made, name, stamp, nowMs);
      if (value === undefined) return { ok: false, reason: `${name} is too large` };
      const fact: Fact = { key, stamp, value };
      const version = entry?.version ?? 0;
      const { ok } = await store.compareAndSet(FACTS_PREFIX + key, version, formatFact(fact));
      if (ok) replica.merge([fact], nowMs, 'store');
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      return {
        ok: false,
        reason: `${name} is not known here, and the store does not answer (${why})`,
      };
    }
  }
  return { ok: false, reason: `${name}: other nodes keep writing it` };
}

function isSame(known: { readonly bytes: Uint8Array }, made: Uint8Array | undefined): boolean {
  return made !== undefined && Buffer.compare(known.bytes, made) === 0;
}

/** Seals with the first key what another one has sealed; how many there were. */
function reseal({ clock, keyring, replica }: SecretsOptions): number {
  const nowMs = clock.nowMs();
  let count = 0;
  for (const fact of replica.list(SECRETS_PREFIX)) {
    if (count >= RESEALS_MAX) break;
    const name = nameOf(fact);
    const opened = keyring.open(fact.value!, name, fact.stamp);
    if (!opened.ok || opened.isCurrent || nowMs - opened.sealedAtMs < RESEAL_AGE_MS) continue;
    // The same word in another form: a value that is put meanwhile elsewhere is still later.
    const stamp = reformed(fact.stamp);
    const value = stamp && keyring.seal(opened.bytes, name, stamp, nowMs);
    if (value === undefined || stamp === undefined) continue;
    if (replica.write(fact.key, value, nowMs, { stamp }).ok) count += 1;
  }
  return count;
}

function nameProblem(name: string, keyring: Keyring): string | undefined {
  if (secretKindOf(name) === undefined) return `no kind of secret is called ${name}`;
  if (keyring.keyIds.length > 0) return undefined;
  return `${name} cannot be sealed: this node has no cluster key (cluster.keys)`;
}

function nameOf({ key }: Fact): string {
  return key.slice(SECRETS_PREFIX.length);
}
