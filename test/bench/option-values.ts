/** What stands behind the options of benches. */

/** @throws when it is no whole number from 1 on. @param name of the option, without dashes */
export function wholeNumber(name: string, text: string): number {
  const number = Number(text);
  if (Number.isInteger(number) && number >= 1) return number;
  throw new Error(`--${name} is a whole number from 1 on, not "${text}"`);
}

/** @throws at the first that is none of those known. @param what they are */
export function checkNames(what: string, given: readonly string[], known: readonly string[]): void {
  const unknown = given.find((name) => !known.includes(name));
  if (unknown === undefined) return;
  throw new Error(`there is no ${what} "${unknown}": ${known.join(', ')}`);
}
