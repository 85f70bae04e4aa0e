import { fileURLToPath } from 'node:url';

/**
 * Lets threads and processes that a test starts share compiled code, where the launcher keeps it:
 * a node then starts in half the time.
 */
export function shareCompiledCode(): void {
  const directory = new URL('../../node_modules/.cache/meridian', import.meta.url);
  process.env['NODE_COMPILE_CACHE'] ??= fileURLToPath(directory);
}
