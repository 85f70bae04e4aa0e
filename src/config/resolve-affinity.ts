import type { AffinityConfig, SessionKeySource } from './affinity-config.ts';
import { SESSION_IDLE_DEFAULT_MS, SESSIONS_DEFAULT } from './affinity-schema.ts';
import { present } from './present.ts';
import type { ConfigFile } from './schema.ts';

type FileAffinity = NonNullable<ConfigFile['balancer']['upstreams'][string]['affinity']>;

/** @param storeKind through which nodes would share sessions */
export function resolveAffinity(written: FileAffinity, storeKind: string): AffinityConfig {
  const { cookie, idleTimeout, loadFactor, secret = '', shared } = written;
  const { sessionsMax = SESSIONS_DEFAULT } = written;
  const key = keySourceOf(written);
  const table = key && {
    key,
    ttlSeconds: Math.round((idleTimeout ?? SESSION_IDLE_DEFAULT_MS) / 1000),
    sessionsMax,
    shared: shared ?? storeKind === 'redis',
    secret,
  };
  return present({ cookie: cookie && resolveCookie(cookie), table, loadFactor });
}

function keySourceOf(written: FileAffinity): SessionKeySource | undefined {
  const { applicationCookie, header, parameter, source } = written;
  if (source) return { kind: 'client', prefix4: source.ipv4Bits, prefix6: source.ipv6Bits };
  if (header !== undefined) return { kind: 'header', name: header.toLowerCase() };
  if (parameter !== undefined) return { kind: 'query', name: parameter };
  return applicationCookie === undefined ? undefined : { kind: 'cookie', name: applicationCookie };
}

function resolveCookie({
  maxAge = 0,
  maxLife = 0,
  ...cookie
}: NonNullable<FileAffinity['cookie']>) {
  const [maxAgeSeconds, maxLifeSeconds] = [maxAge, maxLife].map((ms) => Math.round(ms / 1000));
  return present({ ...cookie, maxAgeSeconds: maxAgeSeconds!, maxLifeSeconds: maxLifeSeconds! });
}
