import type { Secrets } from '../cluster/secrets.ts';
import type { Clock } from '../control/clock.ts';
import type { CookieSecrets } from '../dns/cookie.ts';
import {
  type CookiePlan,
  cookieSecretsAt,
  formatCookiePlan,
  nextCookiePlan,
  parseCookiePlan,
} from '../nameserver/cookie-secrets.ts';

/**
 * Keeps the secrets of DNS cookies: one plan for all nodes where they share secrets, else one of this
 * node's own, that it forgets with its life. Whichever node sees that a change is due makes it.
 */
export type CookieKeeper = { close(): void };

export type CookieKeeperParts = {
  readonly secrets: Pick<Secrets, 'get' | 'put' | 'createOnce' | 'watch'>;
  readonly clock: Pick<Clock, 'nowMs' | 'setTimer'>;
  readonly draw: (octets: number) => Uint8Array;
  /** Called with what workers are to use from now on. */
  tell(cookies: CookieSecrets): void;
};

const NAME = 'dns-cookies';
/** How often it is looked whether a secret is due. */
const LOOK_MS = 60_000;

export function keepCookies({ clock, draw, secrets, tell }: CookieKeeperParts): CookieKeeper {
  /** Until the shared plan is known, and where none can be. */
  let own: CookiePlan = nextCookiePlan([], clock.nowMs(), draw);
  let told = '';
  let cancel = (): void => {};

  const shared = (): CookiePlan | undefined => {
    const secret = secrets.get(NAME);
    return secret.state === 'known' ? parseCookiePlan(textOf(secret.bytes)) : undefined;
  };
  const publish = (): void => {
    const cookies = cookieSecretsAt(shared() ?? own, clock.nowMs());
    if (cookies === undefined) return;
    const text = [cookies.current, ...cookies.others].join();
    if (text === told) return;
    told = text;
    tell(cookies);
  };
  const look = (): void => {
    const nowMs = clock.nowMs();
    const plan = shared();
    own = nextCookiePlan(own, nowMs, draw);
    if (plan === undefined) {
      // Fails where secrets cannot be shared: then each node has its own.
      void secrets.createOnce(NAME, () => octetsOf(formatCookiePlan(own))).then(publish, () => {});
    } else {
      const next = nextCookiePlan(plan, nowMs, draw);
      if (next !== plan) secrets.put(NAME, octetsOf(formatCookiePlan(next)));
    }
    publish();
    cancel = clock.setTimer(LOOK_MS, look);
  };
  const unwatch = secrets.watch(NAME, publish);
  look();
  return {
    close() {
      unwatch();
      cancel();
    },
  };
}

const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const octetsOf = (text: string): Uint8Array => new TextEncoder().encode(text);
