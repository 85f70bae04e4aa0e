/**
 * The secrets of server cookies over time (RFC 9018 5). Nodes share one plan: a new secret is in it before any
 * node makes cookies with it, and stays while cookies of it may come back, so that nodes that learn of
 * a change one after the other understand each other's cookies all the time.
 */
import { COOKIE_SECRET_LENGTH, type CookieSecrets } from '../dns/cookie.ts';

/** A secret makes cookies for so long. */
export const COOKIE_SECRET_LIFE_MS = 24 * 3600_000;
/** So long before it is used it is known; nodes hear of it in seconds. */
export const COOKIE_SECRET_NOTICE_MS = 600_000;
/** A cookie is good for an hour, and clocks may be five minutes apart (RFC 9018 4.3). */
const COOKIE_LIFE_MS = 3_900_000;

/** Secrets of wrong clocks that are kept. */
const ASTRAY_MAX = 2;

/** Oldest first; each makes cookies from its time on until the next one does. */
export type CookiePlan = readonly { readonly secret: Uint8Array; readonly fromMs: number }[];

/** The plan to follow after this one; the same when there is nothing to change. */
export function nextCookiePlan(
  plan: CookiePlan,
  nowMs: number,
  draw: (octets: number) => Uint8Array,
): CookiePlan {
  const isAstray = ({ fromMs }: CookiePlan[number]): boolean =>
    fromMs > nowMs + COOKIE_SECRET_LIFE_MS;
  // What is planned for later than the day after was planned by a wrong clock: it is kept, for whoever has that
  // clock, and holds up nothing.
  const astray = plan.filter(isAstray);
  if (astray.length > 0) {
    const own = plan.filter((each) => !isAstray(each));
    const next = nextCookiePlan(own, nowMs, draw);
    return next === own ? plan : [...next, ...astray.slice(-ASTRAY_MAX)];
  }
  const newest = plan.at(-1);
  if (newest === undefined) return [{ secret: draw(COOKIE_SECRET_LENGTH), fromMs: nowMs }];
  const dueMs = newest.fromMs + COOKIE_SECRET_LIFE_MS;
  if (nowMs < dueMs - COOKIE_SECRET_NOTICE_MS) return plan;
  const kept = plan.filter((_, index) => {
    const next = plan[index + 1];
    return next === undefined || next.fromMs + COOKIE_LIFE_MS > nowMs;
  });
  const fromMs = Math.max(dueMs, nowMs + COOKIE_SECRET_NOTICE_MS);
  return [...kept, { secret: draw(COOKIE_SECRET_LENGTH), fromMs }];
}

/** What is made and understood now; undefined when the plan is empty. */
export function cookieSecretsAt(plan: CookiePlan, nowMs: number): CookieSecrets | undefined {
  const current = plan.findLast(({ fromMs }) => fromMs <= nowMs) ?? plan[0];
  if (current === undefined) return undefined;
  const others = plan.filter((each) => each !== current).map(({ secret }) => secret);
  return { current: current.secret, others };
}

/** As text that parseCookiePlan() reads. */
export function formatCookiePlan(plan: CookiePlan): string {
  const rows = plan.map(({ fromMs, secret }) => [fromMs, Buffer.from(secret).toString('hex')]);
  return JSON.stringify(rows);
}

/** Undefined when it is no plan. */
export function parseCookiePlan(text: string): CookiePlan | undefined {
  let rows: unknown;
  try {
    rows = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!Array.isArray(rows)) return undefined;
  const plan = rows.map((row: unknown) => {
    const [fromMs, secret] = Array.isArray(row) ? (row as unknown[]) : [];
    const isSecret = typeof secret === 'string' && /^[0-9a-f]{32}$/.test(secret);
    if (typeof fromMs !== 'number' || !isSecret) return undefined;
    return { fromMs, secret: new Uint8Array(Buffer.from(secret, 'hex')) };
  });
  const whole = plan.filter((each) => each !== undefined);
  return whole.length === plan.length && whole.length > 0 ? whole : undefined;
}
