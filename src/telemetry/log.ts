import pino from 'pino';

/**
 * One line per event, never per query or request. `event` is a stable dotted word that alerts can
 * match (`endpoint.down`, `config.reload`, `worker.restart`); the message is a sentence for people.
 */
export type Log = {
  debug(event: string, message: string, fields?: Readonly<Record<string, unknown>>): void;
  info(event: string, message: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(event: string, message: string, fields?: Readonly<Record<string, unknown>>): void;
  error(event: string, message: string, fields?: Readonly<Record<string, unknown>>): void;
  /** For libraries that want pino itself (fastify). */
  readonly pino: pino.Logger;
};

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent';

/** JSON lines on standard output, or wherever `destination` writes. */
export function createLog(level: LogLevel, destination?: pino.DestinationStream): Log {
  const options: pino.LoggerOptions = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
  };
  const logger = destination ? pino(options, destination) : pino(options);
  const at =
    (name: 'debug' | 'info' | 'warn' | 'error') =>
    (event: string, message: string, fields?: Readonly<Record<string, unknown>>): void =>
      logger[name]({ event, ...fields }, message);
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    pino: logger,
  };
}
