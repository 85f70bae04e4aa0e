import { COOKIE_SERVER_LENGTH } from '../dns/cookie.ts';
import { COOKIE_CLIENT_LENGTH } from '../dns/message.ts';
import { readNumber } from '../dns/rdata-fields.ts';
import { bad, type Check, type Found, ok, warn } from './finding.ts';
import type { NameserverSights } from './observation.ts';
import { serving, titleOf } from './standing.ts';

/**
 * A server cookie of RFC 9018 says what time its maker believes it is: octets 12 to 15 of the option
 * are seconds since 1970. Servers with cookies of their own kind show nothing.
 */
export const clock: Check = {
  kind: 'clock',
  look(observation) {
    const seen = serving(observation).flatMap((server) => {
      const skewSeconds = skewOf(server);
      return skewSeconds === undefined ? [] : [{ server, skewSeconds }];
    });
    if (seen.length === 0) return [];
    const off = seen.filter(({ skewSeconds }) => Math.abs(skewSeconds) > SKEW_SECONDS_OK);
    if (off.length === 0) {
      return [ok(`Every clock that DNS cookies show agrees with this machine's (${seen.length}).`)];
    }
    if (seen.length > 1 && off.length === seen.length && isTogether(seen)) {
      return [
        warn(
          `All ${seen.length} clocks are ${spanText(seen[0]!.skewSeconds)} this machine's.`,
          "It is likely this machine's clock that is wrong: set it by NTP, and ask again.",
        ),
      ];
    }
    return off.map(({ server, skewSeconds }) => skewFinding(server, skewSeconds));
  },
};

/** Cookies have whole seconds, and a reply takes its time. */
const SKEW_SECONDS_OK = 5;
/** Other nodes take a cookie from the future for a forgery beyond this (RFC 9018 4.3: "5 minutes"). */
const SKEW_SECONDS_BAD = 300;

/** Seconds that the server's clock is ahead; undefined when it does not show. */
export function skewOf({ soa, soaAtSeconds }: NameserverSights): number | undefined {
  const cookie = soa.ok ? soa.message.edns?.cookie : undefined;
  if (cookie?.length !== COOKIE_CLIENT_LENGTH + COOKIE_SERVER_LENGTH) return undefined;
  // Version 1, and three octets of zero (RFC 9018 4.1, 4.2).
  if (readNumber(cookie, COOKIE_CLIENT_LENGTH, 4) !== 0x01000000) return undefined;
  // Serial numbers of 32 bits (RFC 9018 4.3): the difference is right beyond 2106.
  return (readNumber(cookie, COOKIE_CLIENT_LENGTH + 4, 4) - Math.floor(soaAtSeconds)) | 0;
}

function isTogether(seen: readonly { readonly skewSeconds: number }[]): boolean {
  const skews = seen.map(({ skewSeconds }) => skewSeconds);
  return Math.max(...skews) - Math.min(...skews) <= SKEW_SECONDS_OK;
}

function skewFinding(server: NameserverSights, skewSeconds: number): Found {
  const message = `The clock of ${titleOf(server)} is ${spanText(skewSeconds)} this machine's.`;
  const hint =
    'Set it by NTP (timedatectl, chronyc tracking): cookies, signatures and what nodes tell each other depend on the time.';
  return Math.abs(skewSeconds) > SKEW_SECONDS_BAD ? bad(message, hint) : warn(message, hint);
}

const spanText = (seconds: number): string =>
  `${Math.abs(seconds)} s ${seconds > 0 ? 'ahead of' : 'behind'}`;
