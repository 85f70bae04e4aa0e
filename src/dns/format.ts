import type { DecodedEdns, DecodedMessage, DecodedRecord } from './decode.ts';
import { className, extendedErrorName, opcodeName, rcodeName } from './mnemonic.ts';
import { typeName } from './type-names.ts';

/**
 * A decoded message as text in the layout that `dig` made familiar, several lines without a final
 * line break. Control characters cannot appear: names and data are escaped master-file text.
 */
export function formatMessage(message: DecodedMessage): string {
  const lines = [
    `;; opcode: ${opcodeName(message.opcode)}, status: ${rcodeName(message.rcode)}, id: ${message.id}`,
    `;; flags: ${flagNames(message).join(' ')}`,
  ];
  if (message.edns !== undefined) lines.push('', ...formatEdns(message.edns));
  lines.push('', ';; QUESTION');
  for (const { name, type, class: recordClass } of message.question) {
    lines.push(`;${name} ${className(recordClass)} ${typeName(type)}`);
  }
  const sections = [
    ['ANSWER', message.answer],
    ['AUTHORITY', message.authority],
    ['ADDITIONAL', message.additional],
  ] as const;
  for (const [title, records] of sections) {
    if (records.length > 0) lines.push('', `;; ${title}`, ...records.map(formatRecord));
  }
  return lines.join('\n');
}

/** One record as a line of a master file. */
export function formatRecord(record: DecodedRecord): string {
  const { name, ttlSeconds, class: recordClass, type, text } = record;
  return `${name} ${ttlSeconds} ${className(recordClass)} ${typeName(type)} ${text}`;
}

function flagNames(message: DecodedMessage): string[] {
  const flags: readonly (readonly [boolean, string])[] = [
    [message.response, 'qr'],
    [message.authoritative, 'aa'],
    [message.truncated, 'tc'],
    [message.recursionDesired, 'rd'],
    [message.recursionAvailable, 'ra'],
    [message.authenticData, 'ad'],
    [message.checkingDisabled, 'cd'],
  ];
  return flags.filter(([isSet]) => isSet).map(([, name]) => name);
}

function formatEdns(edns: DecodedEdns): string[] {
  const dnssecOk = edns.dnssecOk ? ', flags: do' : '';
  const lines = [`;; EDNS: version: ${edns.version}${dnssecOk}, udp: ${edns.udpSize}`];
  if (edns.ecs !== undefined) {
    const { address, source, scope, family } = edns.ecs;
    lines.push(`; CLIENT-SUBNET: ${address || `family ${family}`}/${source}/${scope}`);
  }
  for (const { code, text } of edns.extendedErrors) {
    const name = extendedErrorName(code);
    lines.push(
      `; EDE: ${code}${name === undefined ? '' : ` (${name})`}${text === '' ? '' : `: ${printable(text)}`}`,
    );
  }
  if (edns.nsid !== undefined) lines.push(`; NSID: ${hex(edns.nsid)}`);
  if (edns.cookie !== undefined) lines.push(`; COOKIE: ${hex(edns.cookie)}`);
  return lines;
}

/** Text from the network with control characters replaced, so that a terminal stays as it was. */
function printable(text: string): string {
  return text.replaceAll(/\p{C}/gu, '\ufffd');
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (octet) => octet.toString(16).padStart(2, '0')).join('');
}
