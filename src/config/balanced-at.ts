/**
 * Where a balancer listens that speaks for an endpoint. On all addresses it is at the region's VIPs, and
 * not at those of an endpoint that has its own, which may be another machine's.
 */
export function balancedAt(
  addresses: readonly string[],
  vips: readonly string[],
): readonly string[] {
  const isAtVips = addresses.every((address) => vips.includes(address));
  return isAtVips ? [...addresses, '0.0.0.0', '::'] : addresses;
}
