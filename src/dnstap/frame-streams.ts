/**
 * Frame Streams (https://farsightsec.github.io/fstrm/): how dnstap travels. A frame is its length and its octets; a
 * control frame comes after a length of zero, which no other frame has. Who sends says READY, is told ACCEPT,
 * says START, sends, says STOP, and is told FINISH.
 */
export const CONTROL_ACCEPT = 1;
export const CONTROL_START = 2;
export const CONTROL_STOP = 3;
export const CONTROL_READY = 4;
export const CONTROL_FINISH = 5;

export const DNSTAP_CONTENT = 'protobuf:dnstap.Dnstap';

/** As libfstrm bounds them. */
export const CONTROL_BYTES_MAX = 512;
export const CONTENT_TYPE_BYTES_MAX = 256;

export type ControlFrame = {
  readonly type: number;
  /** What may be sent, or is; none = anything. */
  readonly contentTypes: readonly string[];
};

export type ReadControl =
  | { readonly step: 'frame'; readonly frame: ControlFrame; readonly length: number }
  | { readonly step: 'incomplete' }
  | { readonly step: 'broken'; readonly why: string };

const WORD = 4;
const FIELD_CONTENT_TYPE = 1;
const HEAD_BYTES = 2 * WORD;
const INCOMPLETE: ReadControl = { step: 'incomplete' };

export function encodeControl({ contentTypes, type }: ControlFrame): Uint8Array<ArrayBuffer> {
  const fields = contentTypes.flatMap((content) => {
    const octets = new TextEncoder().encode(content);
    return [...word(FIELD_CONTENT_TYPE), ...word(octets.length), ...octets];
  });
  return Uint8Array.from([...word(0), ...word(WORD + fields.length), ...word(type), ...fields]);
}

/**
 * Reads the control frame that the bytes begin with: all that a collector ever says. It may be anybody, so
 * whatever is too long, unknown or no control frame is broken, as soon as that can be seen.
 */
export function readControl(bytes: Uint8Array): ReadControl {
  if (bytes.length < WORD) return INCOMPLETE;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0) !== 0) return broken('data, which collectors do not send');
  if (bytes.length < HEAD_BYTES) return INCOMPLETE;
  const inner = view.getUint32(WORD);
  if (inner < WORD || inner > CONTROL_BYTES_MAX)
    return broken(`a control frame of ${inner} octets`);
  const end = HEAD_BYTES + inner;
  if (bytes.length < end) return INCOMPLETE;
  const type = view.getUint32(HEAD_BYTES);
  if (type < CONTROL_ACCEPT || type > CONTROL_FINISH) return broken(`control frame ${type}`);
  const contentTypes: string[] = [];
  let at = HEAD_BYTES + WORD;
  while (at < end) {
    if (end - at < 2 * WORD) return broken('a field that is cut off');
    const field = view.getUint32(at);
    const length = view.getUint32(at + WORD);
    at += 2 * WORD;
    if (field !== FIELD_CONTENT_TYPE) return broken(`field ${field}`);
    if (length > CONTENT_TYPE_BYTES_MAX || length > end - at)
      return broken('a field that is too long');
    contentTypes.push(Buffer.from(bytes.subarray(at, at + length)).toString('latin1'));
    at += length;
  }
  return { step: 'frame', frame: { type, contentTypes }, length: end };
}

/** Whether whoever says this takes dnstap. */
export function takesDnstap({ contentTypes }: ControlFrame): boolean {
  return contentTypes.length === 0 || contentTypes.includes(DNSTAP_CONTENT);
}

function word(value: number): readonly number[] {
  return [value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff];
}

const broken = (why: string): ReadControl => ({ step: 'broken', why });
