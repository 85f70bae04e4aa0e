/** Serial numbers of zones wrap (RFC 1982): newer is what is less than half of the circle ahead. */

/** Whether `serial` is newer than `than`; of two that are half of the circle apart, neither is (RFC 1982 3.2). */
export function isNewerSerial(serial: number, than: number): boolean {
  return ((serial - than) | 0) > 0;
}
