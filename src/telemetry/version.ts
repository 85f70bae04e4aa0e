/** What this program calls itself in status, metrics and `--version`; package.json says the same. */
export const VERSION = '0.1.0';
