import { type ChildProcess, spawn } from 'node:child_process';

/** Starts processes inside the namespaces of a lab and knows all of them, so that none is left. */
export type Processes = {
  /** Starts a process on a host, with these variables besides those of this process. */
  start(
    host: string,
    words: readonly string[],
    environment?: Readonly<Record<string, string>>,
  ): LabProcess;
  /** Runs one to its end. */
  run(host: string, words: readonly string[]): Promise<Outcome>;
  killAll(): void;
};

export type LabProcess = {
  readonly pid: number;
  /** All that it has written to standard output and error. */
  said(): string;
  /** Calls back for every whole line of standard output. */
  onLine(hear: (line: string) => void): void;
  /** To its standard input. */
  write(text: string): void;
  kill(signal: NodeJS.Signals): void;
  readonly exited: Promise<number | null>;
};
export type Outcome = {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
};

const RUN_DEADLINE_MS = 60_000;

export function createProcesses(namespaceOf: (host: string) => string): Processes {
  const children = new Set<ChildProcess>();
  const open = (host: string, words: readonly string[], environment = {}): ChildProcess => {
    // `ip` becomes the program (exec), so a signal to the child reaches it.
    const child = spawn('ip', ['netns', 'exec', namespaceOf(host), ...words], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, ...environment },
    });
    // Who is gone reads nothing any more.
    child.stdin?.on('error', () => {});
    child.stdout?.setEncoding('utf8');
    child.stderr?.setEncoding('utf8');
    children.add(child);
    child.once('close', () => children.delete(child));
    return child;
  };
  return {
    start: (host, words, environment) => watch(open(host, words, environment)),
    async run(host, words) {
      const child = open(host, words);
      const timer = setTimeout(() => child.kill('SIGKILL'), RUN_DEADLINE_MS);
      const stdout = collect(child.stdout);
      const stderr = collect(child.stderr);
      const code = await exitOf(child);
      clearTimeout(timer);
      return { code, stdout: stdout(), stderr: stderr() };
    },
    killAll() {
      for (const child of children) child.kill('SIGKILL');
    },
  };
}

function watch(child: ChildProcess): LabProcess {
  const stdout = collect(child.stdout);
  const stderr = collect(child.stderr);
  return {
    pid: child.pid ?? 0,
    said: () => stdout() + stderr(),
    onLine(hear) {
      let rest = '';
      child.stdout?.on('data', (chunk: string) => {
        const lines = (rest + chunk).split('\n');
        rest = lines.pop() ?? '';
        lines.forEach(hear);
      });
    },
    write: (text) => void child.stdin?.write(text),
    kill: (signal) => void child.kill(signal),
    exited: exitOf(child),
  };
}

function collect(stream: ChildProcess['stdout']): () => string {
  let text = '';
  stream?.on('data', (chunk: string) => {
    text += chunk;
  });
  return () => text;
}

function exitOf(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve(code));
  });
}
