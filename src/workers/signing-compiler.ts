import type { Log } from '../telemetry/log.ts';
import { hasSignedZones } from '../zone/lookup.ts';
import type { CompileResult } from './compile-messages.ts';
import type { Compiler } from './compiler.ts';
import type { Signer } from './signer.ts';

/** Signs what is compiled to be served, before anybody serves it. */
export function withSigning(
  compiler: Compiler,
  signer: Pick<Signer, 'sign' | 'hasKeys'>,
  log: Pick<Log, 'warn'>,
): Compiler {
  let isTold = false;
  const complain = (): void => {
    if (!isTold) log.warn('dnssec.no-keys', UNSIGNED);
    isTold = true;
  };
  return {
    ...compiler,
    async compile(request) {
      const result = await compiler.compile(request);
      if (!result.ok || request.isPast || !hasSignedZones(result.snapshot.zones)) return result;
      if (signer.hasKeys()) return signed(result, signer);
      // Wholly unsigned, which is as good as a zone that never was signed: workers have no signature.
      complain();
      return result;
    },
  };
}

const UNSIGNED =
  'Zones with DNSKEY records are answered unsigned: this node knows no key that could sign them.';

async function signed(
  result: CompileResult & { readonly ok: true },
  signer: Pick<Signer, 'sign'>,
): Promise<CompileResult> {
  const parts = await signer.sign(result.snapshot);
  if (parts === undefined) return { ok: false, reasons: ['The signer failed; see the log.'] };
  return { ...result, snapshot: { ...result.snapshot, ...parts } };
}
