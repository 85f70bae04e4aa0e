/** Something that must not be: which invariant does not hold, and what shows it. */
export type Violation = { readonly invariant: string; readonly what: string };

export const wrong = (invariant: string, what: string): Violation => ({ invariant, what });
