/**
 * Checks of the JSON files in `geo/`. They ship with the program, so a malformed one is a broken installation and
 * throws.
 */
export type ShippedData = {
  record(value: unknown, where: string): Record<string, unknown>;
  row(value: unknown, where: string): readonly unknown[];
  coordinates(latitude: unknown, longitude: unknown, where: string): Coordinates;
  malformed(where: string): Error;
};

export type Coordinates = { readonly latitude: number; readonly longitude: number };

/** @param file its path, for the message */
export function shippedData(file: string): ShippedData {
  const malformed = (where: string): Error => new Error(`${file} is malformed at "${where}"`);
  return {
    record(value, where) {
      const isRecord = typeof value === 'object' && value !== null && !Array.isArray(value);
      if (!isRecord) throw malformed(where);
      // Checked on the lines above: a plain object of yet unknown members.
      return value as Record<string, unknown>;
    },
    row(value, where) {
      if (!Array.isArray(value)) throw malformed(where);
      return value;
    },
    coordinates(latitude, longitude, where) {
      if (typeof latitude !== 'number' || typeof longitude !== 'number') throw malformed(where);
      if (Math.abs(latitude) > 90 || Math.abs(longitude) > 180) throw malformed(where);
      return { latitude, longitude };
    },
    malformed,
  };
}
