import { createLog, type Log } from '../../src/telemetry/log.ts';

/** A log that writes nothing and remembers the events in `heard`. */
export function silentLog(heard: string[] = []): Log {
  const remember = (event: string): void => void heard.push(event);
  return {
    ...createLog('silent'),
    debug: remember,
    info: remember,
    warn: remember,
    error: remember,
  };
}
