/**
 * A plan as it is published and kept: JSON, Brotli, with a mark before it and a CRC-32 behind. It comes from other nodes
 * and from disks: whatever is wrong with it, it is refused.
 */
import { brotliCompressSync, brotliDecompressSync, constants, crc32 } from 'node:zlib';
import { z } from 'zod';
import { SLOTS } from '../steering/slots.ts';
import type { CapacityPlan } from './plan.ts';
import { TRIM_MAX, TRIM_MIN } from './share-control.ts';

/** Classes of a plan: the replan of twenty regions then takes a quarter of a second. */
export const PLAN_CLASSES_MAX = 2_000;
export const PLAN_REGIONS_MAX = 256;
const TRIMS_MAX = 10_000;
const TEXT_MAX = 2_000;
/** Octets when it is unpacked. */
const UNPACKED_MAX = 32 * 2 ** 20;
const MAGIC = 'MCP1';
const CRC_OCTETS = 4;
const QUALITY = 5;

const amount = z.number().min(0);
const text = z.string().min(1).max(TEXT_MAX);

const planSchema = z.strictObject({
  generation: z.int().min(1),
  madeAtMs: z.int().min(0),
  regions: z
    .array(z.strictObject({ name: text, capacity: amount.nullable(), target: amount.nullable() }))
    .max(PLAN_REGIONS_MAX),
  classes: z
    .array(
      z.strictObject({
        key: text,
        pool: text,
        demand: z.number().positive(),
        waysMs: z.array(amount.nullable()),
        slots: z.array(z.int().min(0).max(SLOTS)),
      }),
    )
    .max(PLAN_CLASSES_MAX),
  trims: z.array(z.tuple([text, z.number().min(TRIM_MIN).max(TRIM_MAX)])).max(TRIMS_MAX),
});

export function encodePlan(plan: CapacityPlan): Uint8Array {
  const packed = brotliCompressSync(Buffer.from(JSON.stringify(plan)), {
    params: { [constants.BROTLI_PARAM_QUALITY]: QUALITY },
  });
  const body = Buffer.concat([Buffer.from(MAGIC), packed]);
  const sum = Buffer.alloc(CRC_OCTETS);
  sum.writeUInt32LE(crc32(body));
  return Buffer.concat([body, sum]);
}

export type PlanReading =
  | { readonly ok: true; readonly plan: CapacityPlan }
  | { readonly ok: false; readonly reason: string };

/** Reads a plan. Never throws: what is wrong is the reason. */
export function decodePlan(bytes: Uint8Array): PlanReading {
  try {
    const plan = read(Buffer.from(bytes));
    const reason = faultOf(plan);
    return reason === undefined ? { ok: true, plan } : { ok: false, reason };
  } catch (error) {
    return { ok: false, reason: (error as Error).message.split('\n', 1)[0]! };
  }
}

function read(file: Buffer): CapacityPlan {
  const end = file.length - CRC_OCTETS;
  if (end < MAGIC.length || file.toString('latin1', 0, MAGIC.length) !== MAGIC) {
    throw new Error('it is no capacity plan');
  }
  if (file.readUInt32LE(end) !== crc32(file.subarray(0, end))) throw new Error('it is damaged');
  const json = brotliDecompressSync(file.subarray(MAGIC.length, end), {
    maxOutputLength: UNPACKED_MAX,
  });
  const parsed = planSchema.safeParse(JSON.parse(json.toString()));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new Error(`its ${issue?.path.join('.')} is wrong: ${issue?.message}`);
}

function faultOf({ classes, regions }: CapacityPlan): string | undefined {
  let last = '';
  for (const { key, slots, waysMs } of classes) {
    if (key <= last) return 'its classes are in no order';
    last = key;
    if (slots.length !== regions.length || waysMs.length !== regions.length) {
      return `its class ${key} has other regions`;
    }
    if (slots.reduce((sum, each) => sum + each, 0) !== SLOTS) {
      return `the slots of its class ${key} are not ${SLOTS}`;
    }
  }
  return new Set(regions.map(({ name }) => name)).size === regions.length
    ? undefined
    : 'it has a region twice';
}
