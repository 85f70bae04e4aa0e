/** Serial numbers of zones: 32 bits that wrap, so that one of two is later only within half the circle (RFC 1982). */

export const SERIALS = 2 ** 32;

/** False also when the two are equal, or half the circle apart, where the RFC leaves it open. */
export function isNewerSerial(serial: number, than: number): boolean {
  const ahead = (serial - than + SERIALS) % SERIALS;
  return ahead > 0 && ahead < SERIALS / 2;
}

export function laterSerial(one: number, other: number): number {
  return isNewerSerial(other, one) ? other : one;
}

export function nextSerial(serial: number): number {
  return (serial + 1) % SERIALS;
}
