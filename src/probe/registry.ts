import { dns } from './dns.ts';
import { grpc } from './grpc.ts';
import { http, https } from './http.ts';
import { icmp } from './icmp.ts';
import type { ProbeKind } from './probe.ts';
import { script } from './script.ts';
import { tcp } from './tcp.ts';
import { tls } from './tls.ts';

/** Every kind of probe, in the order of the manual. */
export const probeKinds: readonly ProbeKind[] = [http, https, tcp, tls, dns, grpc, icmp, script];
