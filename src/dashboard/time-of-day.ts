/** `18:04:59` in the reader's time zone, of the same width for all. */
export function timeOfDay(atMs: number): string {
  return new Date(atMs).toLocaleTimeString('en-GB');
}
