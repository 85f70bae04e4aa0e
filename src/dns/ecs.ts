/**
 * EDNS Client Subnet (RFC 7871): what makes the option of a query acceptable and how a response
 * echoes it. What the scope should be is steering's business; here are only the wire rules.
 */

/** Address families of IANA's registry as the option uses them (RFC 7871 6). */
export const ECS_FAMILY_NONE = 0;
export const ECS_FAMILY_IPV4 = 1;
export const ECS_FAMILY_IPV6 = 2;

/** FAMILY, SOURCE PREFIX-LENGTH and SCOPE PREFIX-LENGTH, before the address (RFC 7871 6). */
export const ECS_FIXED_LENGTH = 4;

/** The option's fields as plain mutable numbers, part of a reusable record. */
export type EcsFields = {
  /** 1, 2, or 0 (only with source 0 and no address). */
  ecsFamily: number;
  /** SOURCE PREFIX-LENGTH in bits; 0 = the client wants its address kept out (RFC 7871 7.1.2). */
  ecsSource: number;
  /** SCOPE PREFIX-LENGTH in bits; always 0 in an accepted query. */
  ecsScope: number;
  /** The address, zero padded: 4 octets used for IPv4, 16 for IPv6. */
  readonly ecsAddress: Uint8Array;
};

/** Most bits of an address of the family; 0 for family 0, -1 for an unknown family. */
export function ecsBitsMax(family: number): number {
  if (family === ECS_FAMILY_IPV4) return 32;
  if (family === ECS_FAMILY_IPV6) return 128;
  return family === ECS_FAMILY_NONE ? 0 : -1;
}

/** Octets of ADDRESS for a prefix length: as few as hold the bits (RFC 7871 6). */
export function ecsAddressLength(source: number): number {
  return (source + 7) >> 3;
}

/**
 * Reads and checks the option value of a query into `ecs`.
 *
 * False, meaning FORMERR (RFC 7871 7.2.1: "a query with a wrongly formatted option ... MUST be
 * rejected and a FORMERR response MUST be returned"), when SCOPE is not 0 (7.1.2), the family is
 * unknown, SOURCE is longer than an address, the address has too few or too many octets, or
 * a bit beyond SOURCE is set (6). Family 0 is accepted with SOURCE 0 and no address, as BIND does: a
 * family "is irrelevant if there are no ADDRESS bits" (7.1.2), and clients were seen to send it.
 */
export function readEcs(
  ecs: EcsFields,
  bytes: Uint8Array,
  offset: number,
  length: number,
): boolean {
  if (length < ECS_FIXED_LENGTH) return false;
  const family = (bytes[offset]! << 8) | bytes[offset + 1]!;
  const source = bytes[offset + 2]!;
  if (source > ecsBitsMax(family) || bytes[offset + 3] !== 0) return false;
  const addressLength = ecsAddressLength(source);
  if (length !== ECS_FIXED_LENGTH + addressLength) return false;
  const address = ecs.ecsAddress;
  const start = offset + ECS_FIXED_LENGTH;
  for (let index = 0; index < addressLength; index += 1) address[index] = bytes[start + index]!;
  const room = family === ECS_FAMILY_IPV4 ? 4 : 16;
  for (let index = addressLength; index < room; index += 1) address[index] = 0;
  if ((source & 7) !== 0 && (address[addressLength - 1]! & (0xff >> (source & 7))) !== 0) {
    return false;
  }
  ecs.ecsFamily = family;
  ecs.ecsSource = source;
  ecs.ecsScope = 0;
  return true;
}

/** Octets of the option in a response, its code and length included. */
export function ecsOptionLength(ecs: EcsFields): number {
  return 4 + ECS_FIXED_LENGTH + ecsAddressLength(ecs.ecsSource);
}

/**
 * Writes the option of a response at `position`: FAMILY, SOURCE and ADDRESS exactly as received,
 * with our SCOPE (RFC 7871 7.2.1). A scope longer than an address is cut; SOURCE 0 has scope 0.
 * @returns the position after it. The caller has made sure that it fits.
 */
export function writeEcs(
  out: Uint8Array,
  position: number,
  ecs: EcsFields,
  optionCode: number,
  scope: number,
): number {
  const addressLength = ecsAddressLength(ecs.ecsSource);
  const valueLength = ECS_FIXED_LENGTH + addressLength;
  out[position] = optionCode >> 8;
  out[position + 1] = optionCode;
  out[position + 2] = 0;
  out[position + 3] = valueLength;
  out[position + 4] = ecs.ecsFamily >> 8;
  out[position + 5] = ecs.ecsFamily;
  out[position + 6] = ecs.ecsSource;
  out[position + 7] = ecs.ecsSource === 0 ? 0 : Math.min(scope, ecsBitsMax(ecs.ecsFamily));
  const start = position + 4 + ECS_FIXED_LENGTH;
  for (let index = 0; index < addressLength; index += 1) {
    out[start + index] = ecs.ecsAddress[index]!;
  }
  return start + addressLength;
}
