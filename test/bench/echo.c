/*
 * The floor: a server that sends each datagram back with QR set, by the batch, and looks at nothing else. What it
 * costs is what the kernel charges for a datagram in and one out, neither of which it may cut (RFC 9715): the cheapest.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { BATCH = 32, ROOM = 2048 };
static unsigned char bytes[BATCH][ROOM];
static struct sockaddr_in6 names[BATCH];
static struct iovec received[BATCH], sent[BATCH];
static struct mmsghdr in[BATCH], out[BATCH];

int main(int count, char **words) {
  if (count != 3) return 2;
  int size = 4 << 20, whole = IP_PMTUDISC_PROBE;
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(atoi(words[1]))};
  struct sockaddr_in6 at6 = {.sin6_family = AF_INET6, .sin6_port = at.sin_port};
  int is4 = inet_pton(AF_INET, words[2], &at.sin_addr) == 1;
  if (!is4 && inet_pton(AF_INET6, words[2], &at6.sin6_addr) != 1) return 2;
  int fd = socket(is4 ? AF_INET : AF_INET6, SOCK_DGRAM, 0);
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
  if (is4) setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &whole, sizeof whole);
  else setsockopt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &whole, sizeof whole);
  struct sockaddr *name = is4 ? (struct sockaddr *)&at : (struct sockaddr *)&at6;
  if (bind(fd, name, is4 ? sizeof at : sizeof at6) != 0) return 1;
  for (int i = 0; i < BATCH; i++) {
    received[i] = (struct iovec){bytes[i], ROOM};
    in[i].msg_hdr = (struct msghdr){.msg_name = &names[i], .msg_iov = &received[i], .msg_iovlen = 1};
    out[i].msg_hdr = (struct msghdr){.msg_name = &names[i], .msg_iov = &sent[i], .msg_iovlen = 1};
  }
  for (;;) {
    for (int i = 0; i < BATCH; i++) in[i].msg_hdr.msg_namelen = sizeof names[i];
    int got = recvmmsg(fd, in, BATCH, MSG_WAITFORONE, NULL);
    for (int i = 0; i < got; i++) {
      bytes[i][2] |= 0x80;
      sent[i] = (struct iovec){bytes[i], in[i].msg_len};
      out[i].msg_hdr.msg_namelen = in[i].msg_hdr.msg_namelen;
    }
    if (got > 0) sendmmsg(fd, out, got, 0);
  }
}
