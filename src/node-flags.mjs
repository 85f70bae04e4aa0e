/**
 * What Node is started with. The main thread's nursery may have 16 MB, not 64: it would fill all of
 * it before it is ever tidied up, and the data workers, which make no garbage, have none to speak of.
 * The Dockerfile says the same.
 */
export const NODE_FLAGS = Object.freeze([
  '--disable-warning=ExperimentalWarning',
  '--disable-sigusr1',
  '--max-semi-space-size=8',
]);
