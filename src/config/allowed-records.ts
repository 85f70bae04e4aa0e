/** Which record types may be written in a zone. */

/** What signs a zone: RRSIG, NSEC, NSEC3, NSEC3PARAM. As bytes without their meaning they would be lies. */
export const WITHOUT_MEANING: ReadonlySet<number> = new Set([46, 47, 50, 51]);

/** RFC 6895 section 3.1: OPT, and the numbers of queries and of transactions. */
export function isMetaType(type: number): boolean {
  return type === 0 || type === 41 || (type >= 128 && type <= 255);
}
