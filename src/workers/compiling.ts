import { setFlagsFromString } from 'node:v8';
import { runInThisContext } from 'node:vm';

/**
 * For a thread that calls the kernel through node:ffi in functions that are worth compiling: lets it end only when the
 * engine compiles nothing for it any more. The compiler, a thread of its own, reads what describes those calls; it is
 * freed with the calling thread, and the whole process would crash (seen with Node 26.10).
 */
export function compileBeforeExit(): void {
  if (process.listeners('exit').includes(awaitCompiling)) return;
  // The only way to the engine's own function that waits. It holds for all threads, and stays: whoever took it back
  // would take it from another thread that is about to end.
  setFlagsFromString('--allow-natives-syntax');
  process.on('exit', awaitCompiling);
}

function awaitCompiling(): void {
  try {
    runInThisContext('%WaitForBackgroundOptimization()');
  } catch {
    // An engine without it: the chance remains small.
  }
}
