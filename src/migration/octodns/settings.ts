import type { Notes, Place } from '../notes.ts';
import { childOf, isTrue, mapOf, type Tree, type TreeMap, textOf, wholeNumber } from '../tree.ts';

/**
 * What a record of octoDNS says below `octodns`: how its values are checked, that it need not be sound, and things
 * for single providers, which mean nothing here.
 */
export type RecordSettings = {
  /** Its mistakes are warnings: octoDNS takes the record all the same. */
  readonly isLenient: boolean;
  /** octoDNS leaves it alone. */
  readonly isIgnored: boolean;
  readonly healthcheck: Healthcheck;
};
export type Healthcheck = {
  readonly protocol: 'HTTP' | 'HTTPS' | 'TCP' | 'ICMP';
  /** Header and server name; undefined = that of the value itself. */
  readonly host: string | undefined;
  readonly path: string;
  readonly port: number;
};

const PROTOCOLS = ['HTTP', 'HTTPS', 'TCP', 'ICMP'] as const;
const HEALTHCHECK_KEYS = ['host', 'path', 'port', 'protocol'];
const PATH_DEFAULT = '/_dns';
const PORT_DEFAULT = 443;

/** @param name the record's name in full, without the final dot: what checks ask for */
export function readSettings(
  record: TreeMap,
  name: string,
  isLenient: boolean,
  notes: Notes,
): RecordSettings {
  const settings = mapOf(record, 'octodns');
  if (settings === undefined) {
    const own = record.entries.get('octodns')?.value;
    if (own !== undefined && own.kind !== 'nothing') notes.error(own.at, 'octodns is not a map');
    return { isLenient, isIgnored: false, healthcheck: healthcheckOf(undefined, name) };
  }
  for (const [key, { key: at, value }] of settings.entries) {
    if (['healthcheck', 'lenient', 'ignored'].includes(key)) continue;
    notes.warn(at, `octodns.${key} ${meaningOf(key, value)}`);
  }
  return {
    isLenient: isLenient || isTrue(childOf(settings, 'lenient')),
    isIgnored: isTrue(childOf(settings, 'ignored')),
    healthcheck: readHealthcheck(settings, name, notes),
  };
}

function meaningOf(key: string, value: Tree): string {
  const named =
    value.kind === 'list' ? value.items.map((item) => textOf(item) ?? '?').join(', ') : '';
  switch (key) {
    case 'included':
      return `is not carried over: octoDNS has the record at ${named || 'some providers'} only`;
    case 'excluded':
      return `is not carried over: octoDNS does not have the record at ${named || 'some providers'}`;
    default:
      return "is not carried over: it is for one of octoDNS' providers";
  }
}

function readHealthcheck(settings: TreeMap, name: string, notes: Notes): Healthcheck {
  const tree = childOf(settings, 'healthcheck');
  if (tree === undefined) return healthcheckOf(undefined, name);
  if (tree.kind !== 'map') {
    notes.error(tree.at, 'healthcheck is not a map', '{ host: …, path: …, port: …, protocol: … }');
    return healthcheckOf(undefined, name);
  }
  for (const [key, { key: at }] of tree.entries) {
    if (HEALTHCHECK_KEYS.includes(key)) continue;
    notes.warn(at, `healthcheck.${key} is not carried over`, 'monitors have options of their own');
  }
  return healthcheckOf(tree, name, notes);
}

function healthcheckOf(tree: TreeMap | undefined, name: string, notes?: Notes): Healthcheck {
  const protocolTree = tree && childOf(tree, 'protocol');
  const protocol = PROTOCOLS.find((one) => one === (textOf(protocolTree) ?? 'HTTPS'));
  const hint = `one of: ${PROTOCOLS.join(', ')}`;
  if (protocol === undefined) refuse(notes, protocolTree, 'protocol', hint);
  const portTree = tree && childOf(tree, 'port');
  const port = portTree === undefined ? PORT_DEFAULT : wholeNumber(portTree, 1, 65_535);
  if (port === undefined) refuse(notes, portTree, 'port', 'a number from 1 to 65535');
  const path = (tree && textOf(childOf(tree, 'path'))) ?? PATH_DEFAULT;
  const own = tree?.entries.get('host')?.value;
  return {
    protocol: protocol ?? 'HTTPS',
    host: own === undefined ? name : textOf(own) || undefined,
    path: path.startsWith('/') ? path : `/${path}`,
    port: port ?? PORT_DEFAULT,
  };
}

function refuse(notes: Notes | undefined, tree: Tree | undefined, what: string, hint: string) {
  const at: Place | undefined = tree?.at;
  if (at === undefined) return;
  notes?.error(at, `"${textOf(tree) ?? ''}" is not a ${what} of a health check`, hint);
}

/** The health check as a monitor of ours, as it is written in a configuration. */
export function monitorOf({ host, path, port, protocol }: Healthcheck): Record<string, unknown> {
  const asked = { ...(host === undefined ? {} : { host }), port, path, status: 200 };
  switch (protocol) {
    case 'HTTPS':
      return { kind: 'https', ...asked, tls: { verify: false } };
    case 'HTTP':
      return { kind: 'http', ...asked };
    case 'TCP':
      return { kind: 'tcp', port };
    case 'ICMP':
      return { kind: 'icmp' };
  }
}
