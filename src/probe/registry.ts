import { http } from './http.ts';
import type { ProbeKind } from './probe.ts';
import { tcp } from './tcp.ts';

/** Every kind of probe, in the order of the manual. */
export const probeKinds: readonly ProbeKind[] = [http, tcp];
