/** Numbers of the DNS protocol, as registered by IANA; each group names its source. */

/** Length of the fixed header (RFC 1035 4.1.1). */
export const HEADER_LENGTH = 12;
/** Type, class, TTL and rdata length of a record, after its owner (RFC 1035 4.1.3). */
export const RECORD_FIXED_LENGTH = 10;
/** Largest message: what a TCP length prefix can express (RFC 1035 4.2.2). */
export const MESSAGE_LENGTH_MAX = 65535;
/** Largest UDP answer for a client without EDNS (RFC 1035 4.2.1, RFC 6891 6.2.3). */
export const UDP_SIZE_MIN = 512;
/** Largest UDP answer that avoids IP fragments (DNS flag day 2020, RFC 9715). */
export const UDP_SIZE_DEFAULT = 1232;

/** Header flag bits inside the second 16-bit word (RFC 1035 4.1.1, RFC 4035 3.1.6, 3.2). */
export const FLAG_QR = 0x8000;
export const FLAG_AA = 0x0400;
export const FLAG_TC = 0x0200;
export const FLAG_RD = 0x0100;
export const FLAG_RA = 0x0080;
export const FLAG_AD = 0x0020;
export const FLAG_CD = 0x0010;

/** DO, the DNSSEC OK bit in the lower half of the OPT TTL (RFC 3225, RFC 6891 6.1.4). */
export const EDNS_FLAG_DO = 0x8000;
/** CO, the client takes NXDOMAIN with a compact denial (RFC 9824 5.1). */
export const EDNS_FLAG_CO = 0x4000;

/** The opcode's bits in the same word. */
export const OPCODE_BITS = 0x7800;
export const OPCODE_QUERY = 0;
export const OPCODE_IQUERY = 1;
export const OPCODE_STATUS = 2;
export const OPCODE_NOTIFY = 4;
export const OPCODE_UPDATE = 5;

export const RCODE_NOERROR = 0;
export const RCODE_FORMERR = 1;
export const RCODE_SERVFAIL = 2;
export const RCODE_NXDOMAIN = 3;
export const RCODE_NOTIMP = 4;
export const RCODE_REFUSED = 5;
export const RCODE_YXDOMAIN = 6;
export const RCODE_YXRRSET = 7;
export const RCODE_NXRRSET = 8;
export const RCODE_NOTAUTH = 9;
export const RCODE_NOTZONE = 10;
/** Above 15 the upper eight bits travel in OPT (RFC 6891 6.1.3). */
export const RCODE_BADVERS = 16;
export const RCODE_BADCOOKIE = 23;

export const CLASS_IN = 1;
export const CLASS_CH = 3;
export const CLASS_NONE = 254;
export const CLASS_ANY = 255;

export const TYPE_A = 1;
export const TYPE_NS = 2;
export const TYPE_CNAME = 5;
export const TYPE_SOA = 6;
export const TYPE_PTR = 12;
export const TYPE_HINFO = 13;
export const TYPE_MX = 15;
export const TYPE_TXT = 16;
export const TYPE_AAAA = 28;
export const TYPE_SRV = 33;
export const TYPE_NAPTR = 35;
export const TYPE_DNAME = 39;
export const TYPE_OPT = 41;
export const TYPE_DS = 43;
export const TYPE_SSHFP = 44;
export const TYPE_RRSIG = 46;
export const TYPE_NSEC = 47;
export const TYPE_DNSKEY = 48;
export const TYPE_NSEC3 = 50;
export const TYPE_NSEC3PARAM = 51;
export const TYPE_TLSA = 52;
export const TYPE_CDS = 59;
export const TYPE_CDNSKEY = 60;
export const TYPE_SVCB = 64;
export const TYPE_HTTPS = 65;
/** Meta-type of bitmaps that say that a name does not exist (RFC 9824 3.1). */
export const TYPE_NXNAME = 128;
export const TYPE_TSIG = 250;
export const TYPE_IXFR = 251;
export const TYPE_AXFR = 252;
export const TYPE_ANY = 255;
export const TYPE_CAA = 257;

/** EDNS option codes: RFC 5001, 7871, 7873, 7828, 7830, 8914, 9567. */
export const OPTION_NSID = 3;
export const OPTION_CLIENT_SUBNET = 8;
export const OPTION_COOKIE = 10;
export const OPTION_TCP_KEEPALIVE = 11;
export const OPTION_PADDING = 12;
export const OPTION_EDE = 15;
export const OPTION_REPORT_CHANNEL = 18;

/** Extended DNS errors that an authoritative server may send (RFC 8914 4). */
export const EDE_OTHER = 0;
export const EDE_INVALID_QUERY_TYPE = 30;
export const EDE_PROHIBITED = 18;
export const EDE_NOT_AUTHORITATIVE = 20;
export const EDE_NOT_SUPPORTED = 21;
export const EDE_STALE_ANSWER = 3;
export const EDE_NOT_READY = 14;
export const EDE_INVALID_DATA = 24;

/** Where a record of a reply belongs (RFC 1035 4.1); sections are written in this order. */
export const SECTION_ANSWER = 1;
export const SECTION_AUTHORITY = 2;
export const SECTION_ADDITIONAL = 3;

/** Bits set in the two highest bits of a length octet that make it a pointer (RFC 1035 4.1.4). */
export const POINTER_BITS = 0xc0;
/** Highest message offset that a pointer can name. */
export const POINTER_OFFSET_MAX = 0x3fff;
