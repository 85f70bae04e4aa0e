import { type PacketMemory, packetMemory } from '../dns/packet-memory.ts';
import type { Source } from '../ip/source.ts';
import { DATAGRAM_BYTES_MAX, REPLY_BYTES } from './datagram.ts';

/**
 * The memory that recvmmsg fills and sendmmsg reads: headers, addresses and bytes of a batch of datagrams, laid
 * out once and never again. A reply goes back to where its query came from by pointing at the query's own
 * address, so nothing is copied for it.
 */
export type MessageSlab = {
  readonly count: number;
  /** Address of the headers to receive into. */
  readonly receiveFrom: bigint;
  /** Addresses of the headers to send, from each on. */
  readonly sendFrom: readonly bigint[];
  /** Room for one datagram, and for one reply, each. */
  readonly packets: readonly Uint8Array[];
  readonly replies: readonly Uint8Array[];
  /** All of it, and where in it the first of each begins; the others follow at PACKET_STRIDE and REPLY_STRIDE. */
  readonly memory: PacketMemory;
  readonly packetsAt: number;
  readonly repliesAt: number;
  /** Octets of a received datagram; -1 = it was longer than its room. */
  lengthOf(index: number): number;
  readSource(index: number, source: Source): void;
  /** Makes a reply of that length one to the datagram at `index`. */
  aim(reply: number, index: number, length: number): void;
  /** Octets of a reply that was aimed, and another number of them. */
  replyLength(reply: number): number;
  cutReply(reply: number, length: number): void;
  /** The address that a datagram came from, and the one that it came to, for a later reply. */
  copyWay(index: number): Way;
  /** Makes the first reply one that goes this way. */
  aimWay(way: Way, reply: Uint8Array): void;
  /** Makes ready again what the last batch has taken. */
  reset(taken: number): void;
};

export type Way = { readonly name: Uint8Array; readonly control: Uint8Array };

/** Octets in struct mmsghdr and iovec of 64-bit Linux: the same on x86-64 and arm64. */
export type MessageLayout = {
  readonly headerBytes: number;
  readonly name: number;
  readonly nameLength: number;
  readonly vector: number;
  readonly vectorCount: number;
  readonly control: number;
  readonly controlLength: number;
  readonly flags: number;
  /** Of the datagram, as recvmmsg tells it. */
  readonly length: number;
  readonly vectorBytes: number;
  readonly vectorLength: number;
};

export const LINUX_64: MessageLayout = {
  headerBytes: 64,
  name: 0,
  nameLength: 8,
  vector: 16,
  vectorCount: 24,
  control: 32,
  controlLength: 40,
  flags: 48,
  length: 56,
  vectorBytes: 16,
  vectorLength: 8,
};

export type SlabOptions = {
  readonly count: number;
  readonly family: 4 | 6;
  /** Datagrams come with the local address that they were sent to, and are answered from it: wildcards. */
  readonly hasLocal: boolean;
  readonly layout?: MessageLayout;
};

/** What a processor's cache holds of memory together. */
const LINE_BYTES = 64;
/**
 * Room for one, and some lines that nobody uses: at a stride of whole pages the first lines of all would have to share
 * a few places of the cache.
 */
export const PACKET_STRIDE = DATAGRAM_BYTES_MAX + 2 * LINE_BYTES;
export const REPLY_STRIDE = REPLY_BYTES + 3 * LINE_BYTES;

const MSG_TRUNC = 0x20;
/** Room for struct sockaddr_in6, and the octets of it and of sockaddr_in. */
const NAME_ROOM = 32;
const NAME_BYTES = { 4: 16, 6: 28 } as const;
/** Room for a struct cmsghdr with in6_pktinfo behind it, and its octets and those with in_pktinfo (CMSG_SPACE). */
const CONTROL_ROOM = 64;
const CONTROL_BYTES = { 4: 32, 6: 40 } as const;
/** Where in it the number of the interface stands: 0 leaves the way back to the routes. */
const INTERFACE_AT = { 4: 16, 6: 32 } as const;
/** Where in it the address stands that a datagram came to, and its reply leaves from. */
export const LOCAL_AT = { 4: 20, 6: 16 } as const;
const WORD = 4;
const TWO_32 = 2 ** 32;

/** @param hold keeps the memory for the life of the thread, and tells its address */
export function createMessageSlab(
  hold: (memory: ArrayBuffer) => bigint,
  { count, family, hasLocal, layout = LINUX_64 }: SlabOptions,
): MessageSlab {
  const memory = new ArrayBuffer(placesOf(count, layout).size + LINE_BYTES);
  const base = hold(memory);
  const places = placesOf(count, layout, LINE_BYTES - Number(base % BigInt(LINE_BYTES)));
  const { controls, names, packets, received, replies, sent, sentVectors } = places;
  const packetsIn = packetMemory(memory);
  const { bytes, words } = packetsIn;
  const nameBytes = NAME_BYTES[family];
  const controlBytes = hasLocal ? CONTROL_BYTES[family] : 0;
  const writer = createHeaderWriter(words, Number(base), places, layout);
  const indexes = Array.from({ length: count }, (_, index) => index);
  const headerOf = (first: number, index: number): number => first + index * layout.headerBytes;
  for (const index of indexes) {
    writer.write(index, nameBytes, controlBytes);
    writer.point(headerOf(received, index), index);
    writer.point(headerOf(sent, index), index);
  }
  /** Which datagram each reply is one to: nearly always the one that came in its place. */
  const aimed = Int32Array.from(indexes);
  const view = (at: number, length: number) => new Uint8Array(memory, at, length);
  const nameOf = (index: number) => view(names + index * NAME_ROOM, nameBytes);
  const controlOf = (index: number) => view(controls + index * CONTROL_ROOM, controlBytes);
  const sentLengthAt = (reply: number): number =>
    (sentVectors + reply * layout.vectorBytes + layout.vectorLength) / WORD;
  const aim = (reply: number, index: number, length: number): void => {
    words[sentLengthAt(reply)] = length;
    if (hasLocal) forgetInterface(bytes, words, controls + index * CONTROL_ROOM, family);
    if (aimed[reply] === index) return;
    aimed[reply] = index;
    writer.point(headerOf(sent, reply), index);
  };
  return {
    count,
    receiveFrom: base + BigInt(received),
    sendFrom: indexes.map((index) => base + BigInt(headerOf(sent, index))),
    packets: indexes.map((index) => view(packets + index * PACKET_STRIDE, DATAGRAM_BYTES_MAX)),
    replies: indexes.map((index) => view(replies + index * REPLY_STRIDE, REPLY_BYTES)),
    memory: packetsIn,
    packetsAt: packets,
    repliesAt: replies,
    lengthOf(index) {
      const header = headerOf(received, index);
      const isCut = (words[(header + layout.flags) / WORD]! & MSG_TRUNC) !== 0;
      return isCut ? -1 : words[(header + layout.length) / WORD]!;
    },
    readSource(index, source) {
      const at = names + index * NAME_ROOM;
      source.port = (bytes[at + 2]! << 8) | bytes[at + 3]!;
      source.family = family;
      const first = family === 4 ? at + 4 : at + 8;
      const length = family === 4 ? 4 : 16;
      const to = source.address;
      for (let octet = 0; octet < length; octet += 1) to[octet] = bytes[first + octet]!;
    },
    aim,
    replyLength: (reply) => words[sentLengthAt(reply)]!,
    cutReply(reply, length) {
      words[sentLengthAt(reply)] = length;
    },
    copyWay: (index) => ({ name: nameOf(index).slice(), control: controlOf(index).slice() }),
    aimWay({ control, name }, reply) {
      nameOf(0).set(name);
      controlOf(0).set(control);
      view(replies, REPLY_BYTES).set(reply);
      aim(0, 0, reply.length);
    },
    reset(taken) {
      // The kernel has put in their place what it filled.
      for (let index = 0; index < taken; index += 1) {
        const header = headerOf(received, index);
        words[(header + layout.nameLength) / WORD] = nameBytes;
        words[(header + layout.controlLength) / WORD] = controlBytes;
      }
    },
  };
}

/** Where in the memory the first of each kind is. */
type Places = ReturnType<typeof placesOf>;

/** @param start octets from the memory's start; where that is makes each begin with a line, as all are whole lines */
function placesOf(count: number, layout: MessageLayout, start = 0) {
  let size = start;
  const take = (bytes: number): number => {
    const at = size;
    size += count * bytes;
    return at;
  };
  const places = {
    received: take(layout.headerBytes),
    sent: take(layout.headerBytes),
    receivedVectors: take(layout.vectorBytes),
    sentVectors: take(layout.vectorBytes),
    names: take(NAME_ROOM),
    controls: take(CONTROL_ROOM),
    packets: take(PACKET_STRIDE),
    replies: take(REPLY_STRIDE),
  };
  return { ...places, size };
}

function createHeaderWriter(
  words: Int32Array,
  base: number,
  places: Places,
  layout: MessageLayout,
) {
  /** An address, or a size. */
  const put = (at: number, value: number): void => {
    words[at / WORD] = value % TWO_32;
    words[at / WORD + 1] = Math.floor(value / TWO_32);
  };
  const writeOne = (header: number, vector: number, room: number, bytes: number): void => {
    put(header + layout.vector, base + vector);
    put(header + layout.vectorCount, 1);
    put(vector, base + room);
    put(vector + layout.vectorLength, bytes);
  };
  return {
    /** Both headers of a place; where their addresses are comes by `point`. */
    write(index: number, nameBytes: number, controlBytes: number): void {
      const { packets, received, receivedVectors, replies, sent, sentVectors } = places;
      const [header, vector] = [index * layout.headerBytes, index * layout.vectorBytes];
      const [packet, reply] = [index * PACKET_STRIDE, index * REPLY_STRIDE];
      writeOne(received + header, receivedVectors + vector, packets + packet, DATAGRAM_BYTES_MAX);
      writeOne(sent + header, sentVectors + vector, replies + reply, REPLY_BYTES);
      for (const at of [received + header, sent + header]) {
        words[(at + layout.nameLength) / WORD] = nameBytes;
        put(at + layout.controlLength, controlBytes);
      }
    },
    /** Lets a header speak of the address of the datagram at `index`. */
    point(header: number, index: number): void {
      put(header + layout.name, base + places.names + index * NAME_ROOM);
      put(header + layout.control, base + places.controls + index * CONTROL_ROOM);
    },
  };
}

/** The reply leaves by the way that the routes say, but a link-local one by the link it came from. */
function forgetInterface(
  bytes: Uint8Array,
  words: Int32Array,
  control: number,
  family: 4 | 6,
): void {
  const local = control + LOCAL_AT[6];
  const isLinkLocal = bytes[local] === 0xfe && (bytes[local + 1]! & 0xc0) === 0x80;
  if (family === 4 || !isLinkLocal) words[(control + INTERFACE_AT[family]) / WORD] = 0;
}
