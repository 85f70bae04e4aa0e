import { defineType } from '../define-type.ts';
import { problem, type RdataField } from '../rdata-fields.ts';

/** RFC 1876 2: the point on the WGS 84 ellipsoid, in thousandths of an arc second and centimetres. */
const EQUATOR = 2 ** 31;
const BELOW_SEA_CM = 10_000_000;
const ARC_SECOND = 1000;
const ALTITUDE_MAX_CM = 2 ** 32 - 1;
const SYNTAX = 'for instance 52 22 23 N 4 53 32 E -2m 1m 10000m 10m';
/** Size, horizontal and vertical precision when they are left out: 1 m, 10 km, 10 m. */
const DEFAULTS_CM = [100, 1_000_000, 1000] as const;
const OCTETS = 16;

const place: RdataField = {
  label:
    'degrees [minutes [seconds]] N|S degrees [minutes [seconds]] E|W altitude [size [precisions]]',
  takesRest: true,
  parse(tokens) {
    const words = tokens.map(({ text }) => text);
    const latitude = readAngle(words, 90, 'N', 'S');
    if (latitude === undefined) return problem('no place', SYNTAX);
    const longitude = readAngle(words, 180, 'E', 'W');
    if (longitude === undefined) return problem('no place', SYNTAX);
    const [altitude, ...sizes] = words.map(readCentimetres);
    if (altitude === undefined || sizes.length > 3) return problem('no altitude', SYNTAX);
    const [size, horizontal, vertical] = DEFAULTS_CM.map((usual, index) =>
      packSize(index < sizes.length ? sizes[index] : usual),
    );
    const height = altitude + BELOW_SEA_CM;
    if (size === undefined || horizontal === undefined || vertical === undefined) {
      return problem('a size or precision is not metres', SYNTAX);
    }
    if (height < 0 || height > ALTITUDE_MAX_CM) return problem('no altitude', SYNTAX);
    const field = new Uint8Array(OCTETS);
    field.set([0, size, horizontal, vertical]);
    const view = new DataView(field.buffer);
    view.setUint32(4, EQUATOR + latitude);
    view.setUint32(8, EQUATOR + longitude);
    view.setUint32(12, height);
    return field;
  },
  end(rdata, at) {
    const isVersion = rdata[at] === 0;
    const areSizes = rdata
      .subarray(at + 1, at + 4)
      .every((each) => each >> 4 < 10 && (each & 15) < 10);
    return isVersion && areSizes ? at + OCTETS : -1;
  },
  format(rdata, at) {
    const view = new DataView(rdata.buffer, rdata.byteOffset + at, OCTETS);
    const altitude = metres(view.getUint32(12) - BELOW_SEA_CM);
    const sizes = [1, 2, 3].map((index) => metres(unpackSize(rdata[at + index]!)));
    const latitude = angle(view.getUint32(4) - EQUATOR, 'N', 'S');
    const longitude = angle(view.getUint32(8) - EQUATOR, 'E', 'W');
    return [latitude, longitude, altitude, ...sizes].join(' ');
  },
};

export const loc = defineType({
  kind: 'LOC',
  summary: 'place on earth',
  fields: [place],
});

/** Takes the words of one angle off the front; thousandths of an arc second. */
function readAngle(words: string[], max: number, plus: string, minus: string): number | undefined {
  const limits = [max, 59, 59.999];
  let total = 0;
  for (const [index, unit] of [3600, 60, 1].entries()) {
    const word = words[0] ?? '';
    if (index > 0 && (word === plus || word === minus)) break;
    const pattern = index < 2 ? /^[0-9]{1,3}$/ : /^[0-9]{1,2}(\.[0-9]{1,3})?$/;
    if (!pattern.test(word) || Number(word) > limits[index]!) return undefined;
    total += Math.round(Number(word) * unit * ARC_SECOND);
    words.shift();
  }
  const side = words.shift();
  if (total > max * 3600 * ARC_SECOND || (side !== plus && side !== minus)) return undefined;
  return side === plus ? total : -total;
}

function readCentimetres(word: string): number | undefined {
  const digits = /^(-?[0-9]{1,8}(\.[0-9]{1,2})?)m?$/.exec(word)?.[1];
  return digits === undefined ? undefined : Math.round(Number(digits) * 100);
}

/** A digit and a power of ten, four bits each. */
function packSize(centimetres: number | undefined): number | undefined {
  if (centimetres === undefined || centimetres < 0 || centimetres > 9e9) return undefined;
  let mantissa = centimetres;
  let exponent = 0;
  while (mantissa > 9) {
    mantissa = Math.floor(mantissa / 10);
    exponent += 1;
  }
  return (mantissa << 4) | exponent;
}

const unpackSize = (packed: number): number => (packed >> 4) * 10 ** (packed & 15);

const metres = (centimetres: number): string => `${(centimetres / 100).toFixed(2)}m`;

function angle(value: number, plus: string, minus: string): string {
  const total = Math.abs(value);
  const seconds = (total % (60 * ARC_SECOND)) / ARC_SECOND;
  const minutes = Math.floor(total / (60 * ARC_SECOND)) % 60;
  const degrees = Math.floor(total / (3600 * ARC_SECOND));
  return `${degrees} ${minutes} ${seconds.toFixed(3)} ${value < 0 ? minus : plus}`;
}
