import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Snapshot } from '../../src/nameserver/snapshot.ts';
import type { SignedParts } from '../../src/signing/sign-snapshot.ts';
import type { CompileResult } from '../../src/workers/compile-messages.ts';
import { withSigning } from '../../src/workers/signing-compiler.ts';
import { compiled, createConfig } from '../nameserver/fixture.ts';
import { signedWorld } from '../signing/signed-world.ts';

const { plain, snapshot } = signedWorld('compact');
const config = createConfig();
const request = { config, generation: 1, revision: 0 };

function open(of: Snapshot, hasKeys: boolean, parts: SignedParts | undefined) {
  const warnings: string[] = [];
  const result = { ok: true, snapshot: of } as CompileResult;
  const compiler = {
    compile: async () => result,
    replace: async () => ({ kind: 'whole' as const }),
    close: async () => {},
  };
  const signer = { hasKeys: () => hasKeys, sign: async () => parts };
  const log = { warn: (event: string) => warnings.push(event) };
  const { compile } = withSigning(compiler, signer, log);
  const signatures = async (isPast = false) => {
    const made = await compile({ ...request, isPast });
    return made.ok ? made.snapshot.signatures : made.reasons;
  };
  return { signatures, warnings };
}

test('what is compiled to be served is signed', async () => {
  const { signatures, warnings } = open(plain, true, snapshot);
  assert.equal(await signatures(), snapshot.signatures);
  assert.equal(await signatures(true), undefined, 'the past is only looked at');
  assert.deepEqual(warnings, []);
});

test('without any keys zones are served unsigned, and that is said once', async () => {
  const { signatures, warnings } = open(plain, false, undefined);
  assert.equal(await signatures(), undefined);
  assert.equal(await signatures(), undefined);
  assert.deepEqual(warnings, ['dnssec.no-keys']);
});

test('a signer that fails is no reason to serve something unsigned', async () => {
  const { signatures } = open(plain, true, undefined);
  assert.deepEqual(await signatures(), ['The signer failed; see the log.']);
  const { signatures: ofUnsigned } = open(compiled(config), true, undefined);
  assert.equal(await ofUnsigned(), undefined);
});
