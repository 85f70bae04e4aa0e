import { fault } from './fault.ts';
import type { FilterKind } from './filter.ts';
import { headers } from './headers.ts';
import { redirect } from './redirect.ts';
import { respond } from './respond.ts';
import { rewrite } from './rewrite.ts';

/** Every filter kind, in the manual's order. A route runs its filters in the order it lists them. */
export const filterKinds: readonly FilterKind[] = [headers, redirect, respond, rewrite, fault];
