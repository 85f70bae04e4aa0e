import { z } from 'zod';
import { balancingAlgorithms } from '../balancing/registry.ts';
import { filterKinds } from '../filter/registry.ts';
import { probeKinds } from '../probe/registry.ts';
import { steeringSteps } from '../steering/steps/registry.ts';
import { storeKinds } from '../store/registry.ts';

/**
 * How a registry becomes part of the file's schema. An extension is written flat, its own options
 * beside the common keys (`{ kind: http, path: /healthz, interval: 5s }`), and comes out as
 * `{ kind, options, …common }`: nobody learns an `options:` level, and the core still sees what is
 * whose. One line in a registry is therefore all that a new kind needs.
 */
export type Extension = {
  readonly kind: string;
  readonly summary: string;
  readonly options: z.ZodType;
};
export type ExtensionOutput = { readonly kind: string; readonly options: unknown };

export const extensions = {
  steps: steeringSteps as readonly Extension[],
  algorithms: balancingAlgorithms as readonly Extension[],
  probes: probeKinds as readonly Extension[],
  filters: filterKinds as readonly Extension[],
  stores: storeKinds as readonly Extension[],
};

/** What zod asks of the members, whose keys are known at run time only. */
type Members = Parameters<typeof z.discriminatedUnion>[1];

/** The map form: `discriminator` names the kind, `common` are keys that every kind has. */
export function flatExtension<Shape extends z.ZodRawShape>(
  discriminator: 'kind' | 'step',
  registry: readonly Extension[],
  common: Shape,
) {
  const members = registry.map((extension) => {
    const literal = z.literal(extension.kind).describe(extension.summary);
    const own = optionsObject(extension);
    for (const key of [discriminator, ...Object.keys(common)]) {
      if (key in own.shape)
        throw new Error(`${extension.kind}: the option "${key}" has a meaning already.`);
    }
    return own
      .safeExtend({ [discriminator]: literal, ...common })
      .strict()
      .transform((value) => split(value, discriminator, common));
  });
  type Output = ExtensionOutput & { readonly [Key in keyof Shape]: z.output<Shape[Key]> };
  // The members are only known at run time; `split` makes exactly this shape of each.
  return z.discriminatedUnion(
    discriminator,
    members as unknown as Members,
  ) as never as z.ZodType<Output>;
}

/** The map form, or the kind's name alone for a kind that needs no options. */
export function namedExtension(discriminator: 'kind' | 'step', registry: readonly Extension[]) {
  const object = flatExtension(discriminator, registry, {});
  const alone = registry.filter((extension) => extension.options.safeParse({}).success);
  const name = z
    .enum(alone.map((extension) => extension.kind))
    .describe('The name alone: every option at its default.')
    .transform((kind): unknown => ({ [discriminator]: kind }))
    .pipe(object);
  return z.union([name, object]);
}

function optionsObject(extension: Extension): z.ZodObject {
  if (extension.options instanceof z.ZodObject) return extension.options;
  throw new Error(
    `${extension.kind}: options must be a zod object, so that they can be written flat.`,
  );
}

function split(value: Record<string, unknown>, discriminator: string, common: z.ZodRawShape) {
  const result: Record<string, unknown> = {};
  const options: Record<string, unknown> = {};
  for (const [key, entry] of Object.entries(value)) {
    if (key === discriminator) continue;
    if (key in common) result[key] = entry;
    else options[key] = entry;
  }
  return { ...result, kind: value[discriminator], options };
}
