import { closeSync, openSync, statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { DELETIONS_MAX } from '../contract/limits.ts';
import type { Entry, LogEntry } from '../store.ts';

/**
 * The tables of a store in one SQLite file, for the processes of one machine. All of it is
 * synchronous, on the main thread: every statement goes through an index and touches few rows, a lock
 * is waited for in milliseconds only (the caller tries again later), and in WAL mode with
 * synchronous=NORMAL a write waits for no disk but at checkpoints.
 */
export type Database = {
  get(key: string): Entry | undefined;
  list(prefix: string, limit: number): readonly Entry[];
  /** @param nowMs versions follow it, as long as it goes forward */
  compareAndSet(
    key: string,
    expectedVersion: number,
    value: string | undefined,
    nowMs: number,
  ): { readonly ok: boolean; readonly version: number };
  lease(key: string, value: string, ttlMs: number, nowMs: number): void;
  /** Deletes leases that nobody has renewed since they were read. */
  endLeases(leases: readonly Lease[], nowMs: number): void;
  leases(): readonly Lease[];
  append(log: string, value: string, limit: number, nowMs: number): string;
  read(log: string, afterId: string, count: number): readonly LogEntry[];
  /** Differs when another connection has written. */
  dataVersion(): number;
  /** The newest version. */
  last(): number;
  /** Lets versions go on after one that was seen before the file was emptied or replaced. */
  raise(version: number): void;
  /** Changes after a version, oldest first; undefined when some of them are forgotten already. */
  changesAfter(version: number, limit: number): readonly Logged[] | undefined;
  /** The versions of deletions, of those keys whose deletion is known. */
  deletions(keys: readonly string[]): ReadonlyMap<string, number>;
  /** The file under the path is still the one that is open. */
  isInPlace(): boolean;
  close(): void;
};

/** `stamp` is another one after every renewal. */
export type Lease = { readonly key: string; readonly stamp: string; readonly ttlMs: number };

export type Logged = {
  readonly key: string;
  readonly value: string | undefined;
  readonly version: number;
};

/** "MRDN", so that another program's file is not taken for ours. */
const APPLICATION_ID = 0x4d52444e;
const SCHEMA_VERSION = 1;
/** How long one statement waits for a lock: it blocks the thread. */
const LOCK_WAIT_MS = 5;
/** Changes kept for watchers in other processes, which look every 50 ms. */
const CHANGES_MAX = 1000;
/** Longer values are not kept twice: a watcher is told the newest one. */
const LOGGED_LENGTH_MAX = 64 * 1024;
/** Leases of one file. */
const LEASES_MAX = 10_000;
/** No key that begins with a prefix is greater than the prefix and this. */
const LAST_CHARACTER = '\u{10ffff}';
/** Writes between two times that old changes are removed. */
const TRIM_EVERY = 100;

const SCHEMA = `
CREATE TABLE IF NOT EXISTS entries (key TEXT PRIMARY KEY, value TEXT NOT NULL, version INTEGER NOT NULL, ttl_ms INTEGER, renewals INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS leases ON entries (key) WHERE ttl_ms IS NOT NULL;
CREATE TABLE IF NOT EXISTS changes (version INTEGER PRIMARY KEY, key TEXT NOT NULL, value TEXT, is_large INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS deleted (key TEXT PRIMARY KEY, version INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS deleted_by_version ON deleted (version);
CREATE TABLE IF NOT EXISTS numbers (name TEXT PRIMARY KEY, number INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS log_heads (log TEXT PRIMARY KEY, head INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS log_entries (log TEXT NOT NULL, id INTEGER NOT NULL, at_ms INTEGER NOT NULL, value TEXT NOT NULL, PRIMARY KEY (log, id));
`;

/** Throws when the file cannot be used, in words for its owner. */
export function openDatabase(file: string): Database {
  // Others on the machine must not read it; and the errors of the system are clearer than SQLite's.
  closeSync(openSync(file, 'a', 0o600));
  const { ino } = statSync(file);
  const db = new DatabaseSync(file, { timeout: LOCK_WAIT_MS });
  try {
    prepareFile(db);
    return tablesOf(db, () => statSync(file, { throwIfNoEntry: false })?.ino === ino);
  } catch (error) {
    db.close();
    throw error;
  }
}

function prepareFile(db: DatabaseSync): void {
  const pragma = (name: string): number =>
    Number(Object.values(db.prepare(`PRAGMA ${name}`).get()!)[0]);
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;');
  db.exec('BEGIN IMMEDIATE');
  try {
    const isEmpty =
      db.prepare('SELECT count(*) AS count FROM sqlite_schema').get()?.['count'] === 0;
    if (!isEmpty && pragma('application_id') !== APPLICATION_ID) {
      throw new Error('it is the database of another program');
    }
    if (pragma('user_version') > SCHEMA_VERSION) {
      throw new Error('it was written by a newer version of this program');
    }
    db.exec(SCHEMA);
    db.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${SCHEMA_VERSION};`);
    // Writes in any case: a file that cannot be written is found out now.
    db.exec(
      `INSERT INTO numbers VALUES ('opened', 1) ON CONFLICT DO UPDATE SET number = number + 1`,
    );
    db.exec('COMMIT');
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK');
    throw error;
  }
}

function statementsOf(db: DatabaseSync) {
  return {
    get: db.prepare('SELECT key, value, version, ttl_ms FROM entries WHERE key = ?'),
    list: db.prepare(
      'SELECT key, value, version FROM entries WHERE key >= ? AND key < ? ORDER BY key LIMIT ?',
    ),
    put: db.prepare('INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?, 0)'),
    renew: db.prepare('UPDATE entries SET ttl_ms = ?, renewals = renewals + 1 WHERE key = ?'),
    remove: db.prepare('DELETE FROM entries WHERE key = ?'),
    leases: db.prepare(
      'SELECT key, version, renewals, ttl_ms FROM entries WHERE ttl_ms IS NOT NULL LIMIT ?',
    ),
    leased: db.prepare(
      'SELECT key, version, renewals, ttl_ms FROM entries WHERE key = ? AND ttl_ms IS NOT NULL',
    ),
    change: db.prepare('INSERT INTO changes VALUES (?, ?, ?, ?)'),
    changes: db.prepare(
      'SELECT version, key, value, is_large FROM changes WHERE version > ? ORDER BY version LIMIT ?',
    ),
    surplusChange: db.prepare(
      'SELECT version AS number FROM changes ORDER BY version DESC LIMIT 1 OFFSET ?',
    ),
    trimChanges: db.prepare('DELETE FROM changes WHERE version <= ?'),
    bury: db.prepare('INSERT OR REPLACE INTO deleted VALUES (?, ?)'),
    unbury: db.prepare('DELETE FROM deleted WHERE key = ?'),
    deletion: db.prepare('SELECT version AS number FROM deleted WHERE key = ?'),
    surplusDeletion: db.prepare(
      'SELECT version AS number FROM deleted ORDER BY version DESC LIMIT 1 OFFSET ?',
    ),
    trimDeletions: db.prepare('DELETE FROM deleted WHERE version <= ?'),
    number: db.prepare('SELECT number FROM numbers WHERE name = ?'),
    setNumber: db.prepare('INSERT OR REPLACE INTO numbers VALUES (?, ?)'),
    head: db.prepare('SELECT head AS number FROM log_heads WHERE log = ?'),
    setHead: db.prepare('INSERT OR REPLACE INTO log_heads VALUES (?, ?)'),
    append: db.prepare('INSERT INTO log_entries VALUES (?, ?, ?, ?)'),
    trimLog: db.prepare('DELETE FROM log_entries WHERE log = ? AND id <= ?'),
    read: db.prepare(
      'SELECT id, at_ms, value FROM log_entries WHERE log = ? AND id > ? ORDER BY id LIMIT ?',
    ),
    dataVersion: db.prepare('PRAGMA data_version'),
  };
}

type Statements = ReturnType<typeof statementsOf>;
type Row = Readonly<Record<string, unknown>>;

function tablesOf(db: DatabaseSync, isInPlace: () => boolean): Database {
  const sql = statementsOf(db);
  const write = <Result>(run: () => Result): Result => {
    db.exec('BEGIN IMMEDIATE');
    try {
      const result = run();
      db.exec('COMMIT');
      return result;
    } catch (error) {
      if (db.isTransaction) db.exec('ROLLBACK');
      throw error;
    }
  };
  const change = createChanger(sql);
  return {
    get: (key) => entryOf(sql.get.get(key)),
    list: (prefix, limit) =>
      sql.list.all(prefix, `${prefix}${LAST_CHARACTER}`, limit).map((row) => entryOf(row)!),
    compareAndSet: (key, expectedVersion, value, nowMs) =>
      write(() => {
        const current = entryOf(sql.get.get(key))?.version ?? 0;
        if (current !== expectedVersion) return { ok: false, version: current };
        if (value === undefined && current === 0) return { ok: true, version: 0 };
        const version = change(key, value, null, nowMs);
        return { ok: true, version: value === undefined ? 0 : version };
      }),
    lease: (key, value, ttlMs, nowMs) =>
      write(() => {
        const row = sql.get.get(key);
        // A renewal is not news.
        if (row && row['ttl_ms'] !== null && row['value'] === value) sql.renew.run(ttlMs, key);
        else change(key, value, ttlMs, nowMs);
      }),
    endLeases: (leases, nowMs) =>
      write(() => {
        for (const { key, stamp } of leases) {
          if (leaseOf(sql.leased.get(key))?.stamp === stamp) change(key, undefined, null, nowMs);
        }
      }),
    leases: () => sql.leases.all(LEASES_MAX).map((row) => leaseOf(row)!),
    append: (log, value, limit, nowMs) =>
      write(() => {
        // One after the other, so that a bound needs no counting; from the time on, so that ids never
        // come back, not even in a new file.
        const head = (numberOf(sql.head.get(log)) ?? Math.floor(nowMs) * 1000) + 1;
        sql.setHead.run(log, head);
        sql.append.run(log, head, Math.floor(nowMs), value);
        sql.trimLog.run(log, head - limit);
        return String(head);
      }),
    read: (log, afterId, count) =>
      sql.read.all(log, /^[0-9]{1,15}$/.test(afterId) ? Number(afterId) : 0, count).map((row) => ({
        id: String(row['id']),
        atMs: Number(row['at_ms']),
        value: String(row['value']),
      })),
    dataVersion: () => Number(sql.dataVersion.get()?.['data_version']),
    last: () => numberOf(sql.number.get('last')) ?? 0,
    raise: (version) => write(() => sql.setNumber.run('last', version)),
    changesAfter: (version, limit) => changesAfter(sql, version, limit),
    deletions: (keys) => new Map(keys.map((key) => [key, numberOf(sql.deletion.get(key)) ?? 0])),
    isInPlace,
    close: () => db.close(),
  };
}

type Changer = (
  key: string,
  value: string | undefined,
  ttlMs: number | null,
  nowMs: number,
) => number;

/** Writes one change with everything that belongs to it; inside a transaction. */
function createChanger(sql: Statements): Changer {
  let untilTrim = 0;
  return (key, value, ttlMs, nowMs) => {
    const version = Math.max((numberOf(sql.number.get('last')) ?? 0) + 1, Math.floor(nowMs) * 1000);
    sql.setNumber.run('last', version);
    const isLarge = value !== undefined && value.length > LOGGED_LENGTH_MAX;
    sql.change.run(version, key, isLarge ? null : (value ?? null), isLarge ? 1 : 0);
    if (value === undefined) {
      sql.remove.run(key);
      sql.bury.run(key, version);
    } else {
      sql.put.run(key, value, version, ttlMs);
      sql.unbury.run(key);
    }
    untilTrim -= 1;
    if (untilTrim < 0) {
      untilTrim = TRIM_EVERY;
      trim(sql);
    }
    return version;
  };
}

function trim(sql: Statements): void {
  const forgotten = numberOf(sql.surplusChange.get(CHANGES_MAX));
  if (forgotten !== undefined) {
    sql.trimChanges.run(forgotten);
    sql.setNumber.run('forgotten', forgotten);
  }
  const unburied = numberOf(sql.surplusDeletion.get(DELETIONS_MAX));
  if (unburied !== undefined) sql.trimDeletions.run(unburied);
}

function changesAfter(
  sql: Statements,
  version: number,
  limit: number,
): readonly Logged[] | undefined {
  if (version < (numberOf(sql.number.get('forgotten')) ?? 0)) return undefined;
  return sql.changes.all(version, limit).flatMap((row) => {
    const key = String(row['key']);
    const at = Number(row['version']);
    if (row['is_large'] === 0) {
      const value = row['value'];
      return [{ key, value: value === null ? undefined : String(value), version: at }];
    }
    // Of a large value only the newest is there; what replaced it comes by itself.
    const entry = entryOf(sql.get.get(key));
    return entry?.version === at ? [entry] : [];
  });
}

function numberOf(row: Row | undefined): number | undefined {
  return row && typeof row['number'] === 'number' ? row['number'] : undefined;
}

function entryOf(row: Row | undefined): Entry | undefined {
  if (row === undefined) return undefined;
  return { key: String(row['key']), value: String(row['value']), version: Number(row['version']) };
}

function leaseOf(row: Row | undefined): Lease | undefined {
  if (row === undefined) return undefined;
  const stamp = `${String(row['version'])}.${String(row['renewals'])}`;
  return { key: String(row['key']), stamp, ttlMs: Number(row['ttl_ms']) };
}
