/** CPU time from /proc: of a whole process with all its threads, and of a core whoever uses it. */
import { readdirSync, readFileSync } from 'node:fs';

const NANOSECONDS_PER_SECOND = 1e9;

/** Linux reports CPU time in this unit to user space on every architecture that Node runs on. */
const TICKS_PER_SECOND = 100;

/**
 * Measures from now on what a process and its children take, to the nanosecond: in a second at a low rate a server
 * takes a few ticks only. A thread that ends in between counts nothing, for what it took goes with it; where threads
 * come and go for minutes, `processCpuSeconds` says more.
 * @returns seconds since then, which may be asked more than once
 */
export function startCpuClock(pid: number): () => number {
  const before = threadNanoseconds(pid);
  return () => nanosecondsBetween(before, threadNanoseconds(pid)) / NANOSECONDS_PER_SECOND;
}

/** What threads took between two looks; those that only the first one saw count nothing. */
export function nanosecondsBetween(
  before: ReadonlyMap<number, number>,
  after: ReadonlyMap<number, number>,
): number {
  return [...after].reduce((sum, [thread, now]) => {
    const then = before.get(thread) ?? 0;
    // Less than before: the number of a thread that has ended belongs to another one.
    return sum + (now >= then ? now - then : now);
  }, 0);
}

/** Of each thread of a process and its children, its time on a core since its start. */
function threadNanoseconds(pid: number): ReadonlyMap<number, number> {
  const own = threadsOf(pid).flatMap((thread): (readonly [number, number])[] => {
    const text = readOrNothing(`/proc/${pid}/task/${thread}/schedstat`);
    return text === '' ? [] : [[thread, Number(text.split(' ')[0])]];
  });
  return new Map([...own, ...childrenOf(pid).flatMap((child) => [...threadNanoseconds(child)])]);
}

function threadsOf(pid: number): readonly number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).map(Number);
  } catch {
    // The process has ended since it was named.
    return [];
  }
}

/** Empty when the thread has ended in between. */
function readOrNothing(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return '';
  }
}

/**
 * Seconds of user and system time of a process and its children since their start, of ended threads too; in ticks of
 * 10 ms.
 */
export function processCpuSeconds(pid: number): number {
  const children = childrenOf(pid).map(processCpuSeconds);
  return children.reduce((sum, each) => sum + each, ownCpuSeconds(pid));
}

function childrenOf(pid: number): readonly number[] {
  return threadsOf(pid).flatMap((thread) => {
    const text = readOrNothing(`/proc/${pid}/task/${thread}/children`);
    return text === '' ? [] : text.split(' ').map(Number);
  });
}

function ownCpuSeconds(pid: number): number {
  const [user = 0, system = 0] = cpuFields(pid);
  return user + system;
}

/** Seconds of user and system time of the children of this process that have ended. */
export function endedChildrenCpuSeconds(): number {
  const [, , user = 0, system = 0] = cpuFields(process.pid);
  return user + system;
}

/** Seconds: user and system time of its own, user and system time of its children that have ended. */
function cpuFields(pid: number): readonly number[] {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The second field is the program's name in parentheses and may contain anything.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return fields.slice(11, 15).map((ticks) => Number(ticks) / TICKS_PER_SECOND);
}

/** Seconds that a core was not idle since boot, time that the hypervisor took away included. */
export function coreBusySeconds(core: number): number {
  const line = readFileSync('/proc/stat', 'utf8').match(new RegExp(`^cpu${core} (.*)$`, 'm'));
  const [user, nice, system, , , irq, softirq, steal] = (line?.[1] ?? '').split(' ').map(Number);
  const ticks = [user, nice, system, irq, softirq, steal].reduce<number>((a, b) => a + (b ?? 0), 0);
  return ticks / TICKS_PER_SECOND;
}

/** Resident memory of a process in bytes. */
export function residentBytes(pid: number): number {
  const kibibytes = readFileSync(`/proc/${pid}/status`, 'utf8').match(/^VmRSS:\s+(\d+) kB$/m)?.[1];
  return Number(kibibytes) * 1024;
}

/** Resident memory of a process and its children in bytes; what they share counts for each of them. */
export function treeResidentBytes(pid: number): number {
  return childrenOf(pid).reduce((sum, child) => sum + treeResidentBytes(child), residentBytes(pid));
}

/** Numbers of the cores that this process may use. */
export function allowedCores(): readonly number[] {
  const list = readFileSync('/proc/self/status', 'utf8').match(/^Cpus_allowed_list:\s*(.*)$/m)?.[1];
  return (list ?? '0').split(',').flatMap((part) => {
    const [first = 0, last = first] = part.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
}
