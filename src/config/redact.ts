import type { Config } from './config.ts';
import { withoutFile } from './zone-rrsets.ts';

const REDACTED = '(redacted)';
/** Option names of extensions that hold secrets. */
const SECRET_KEY = /password|secret|token|credential|authorization|cookie|private.?key|api.?key/i;
/** The user information of an URL: `redis://user:password@host`. */
const URL_CREDENTIALS = /^([a-z][a-z0-9+.-]*:\/\/)[^/@\s]+@/i;

/**
 * The configuration as it may be shown and logged: tokens, credentials in URLs, and options and header
 * fields of extensions whose name says that they are secret, are replaced. Hashed tokens too: a hash of
 * a weak token can be guessed.
 */
export function redactConfig(config: Config): Config {
  const shown: Config = {
    ...config,
    zones: Object.fromEntries(
      Object.entries(config.zones).map(([name, zone]) => [name, withoutFile(zone)]),
    ),
    admin: { ...config.admin, tokens: [] },
    cluster: { ...config.cluster, keys: [] },
  };
  // A copy of the same shape: only texts are replaced by texts.
  const redacted = redact(shown) as Config;
  const monitors = Object.entries(redacted.monitors).map(([name, monitor]) => [
    name,
    { ...monitor, options: hideOptions(monitor.options) },
  ]);
  return {
    ...redacted,
    monitors: Object.fromEntries(monitors),
    admin: { ...redacted.admin, tokens: config.admin.tokens.map(() => REDACTED) },
    cluster: { ...redacted.cluster, keys: config.cluster.keys.map(() => REDACTED) },
  };
}

/**
 * One value under its key, as it may be shown.
 * @param key its name, or its path with dots
 */
export function redactEntry(key: string, value: unknown): unknown {
  if (BELONGS_TO_A_PROBE.test(key)) return hide(value);
  return typeof value === 'string' && SECRET_KEY.test(key) ? REDACTED : redact(value);
}

/** What a probe sends or is started with may hold anything under any name: only the names are shown. */
const BELONGS_TO_A_PROBE = /(^|\.)options\.(headers|env|args|send)(\.|$)/;

function hideOptions(options: unknown): unknown {
  if (typeof options !== 'object' || options === null) return options;
  return Object.fromEntries(
    Object.entries(options).map(([key, value]) => [key, redactEntry(`options.${key}`, value)]),
  );
}

function hide(value: unknown): unknown {
  if (value === undefined || value === null) return value;
  if (Array.isArray(value)) return value.map(hide);
  if (typeof value !== 'object') return REDACTED;
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, hide(entry)]));
}

function redact(value: unknown): unknown {
  if (typeof value === 'string') return value.replace(URL_CREDENTIALS, `$1${REDACTED}@`);
  if (Array.isArray(value)) return value.map(redact);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, entry]) => [key, redactEntry(key, entry)]),
  );
}
