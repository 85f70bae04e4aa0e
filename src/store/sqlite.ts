import { z } from 'zod';
import type { StoreKind } from './store.ts';

const sqliteOptions = z.strictObject({
  file: z
    .string()
    .min(1)
    .max(4096)
    .describe('The file, on a local disk; made when it is not there, its directory is not.'),
});
type SqliteOptions = z.infer<typeof sqliteOptions>;

/** Survives restarts, and is shared by the processes of one machine. */
export const sqlite: StoreKind<SqliteOptions> = {
  kind: 'sqlite',
  summary: 'in an SQLite file, shared by the processes of one machine',
  options: sqliteOptions,
  async open({ file }, clock) {
    // SQLite is loaded only where it is used.
    const { openSqliteStore } = await import('./sqlite/sqlite-store.ts');
    return openSqliteStore(file, clock);
  },
};
