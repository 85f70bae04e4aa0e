/** CPU time from /proc: of a whole process with all its threads, and of a core whoever uses it. */
import { readdirSync, readFileSync } from 'node:fs';

/** Linux reports CPU time in this unit to user space on every architecture that Node runs on. */
const TICKS_PER_SECOND = 100;

/** Seconds of user and system time of a process and its children since their start, of ended threads too. */
export function processCpuSeconds(pid: number): number {
  const children = childrenOf(pid).map(processCpuSeconds);
  return children.reduce((sum, each) => sum + each, ownCpuSeconds(pid));
}

function childrenOf(pid: number): readonly number[] {
  return readdirSync(`/proc/${pid}/task`).flatMap((task) => {
    const text = readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').trim();
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

/** Numbers of the cores that this process may use. */
export function allowedCores(): readonly number[] {
  const list = readFileSync('/proc/self/status', 'utf8').match(/^Cpus_allowed_list:\s*(.*)$/m)?.[1];
  return (list ?? '0').split(',').flatMap((part) => {
    const [first = 0, last = first] = part.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
}
