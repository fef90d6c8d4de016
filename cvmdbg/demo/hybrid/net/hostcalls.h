/* What the monitor's host takes: FreeBSD's numbers, whatever the cVM's own C library thinks. */
#ifndef HOSTCALLS_H
#define HOSTCALLS_H

#include "cvm.h"

enum {
    HC_RUN_YAML = 29, HC_BLK_REQUEST = 100, HC_BLK_CAPACITY = 101, HC_INSPECT = 114, HC_SAVE_SNAPSHOT = 115,
    HC_GET_ARG = 116, HC_NANOSLEEP = 200, HC_OPEN_TAP = 300, HC_PIPE = 301, HC_SET_NONBLOCK = 302, HC_MAKE_CALL = 403,
    HC_FILE_ADV = 405, HC_FILE_PRB = 406, HC_CAP_WAIT = 407, HC_CAP_WAKE = 408, HC_STREAM_ADV = 409,
    HC_STREAM_PRB = 410, HC_MAKE_CAP_CALL = 411, HC_FINISH_CAP_CALL = 412, HC_FETCH_CAP_CALL = 413, HC_SOCKET = 500,
    HC_SETSOCKOPT = 501, HC_IOCTL = 502, HC_ACCEPT4 = 503, HC_LISTEN = 504, HC_ACCEPT = 505, HC_BIND = 506,
    HC_WRITE = 507, HC_READ = 508, HC_SEND = 509, HC_RECV = 510, HC_CLOSE = 511, HC_SOCKETPAIR = 512, HC_POLL = 513,
    HC_SELECT = 514, HC_RECVFROM = 519, HC_WRITEV = 520, HC_GETADDRINFO = 530, HC_GETPEERNAME = 531, HC_CONNECT = 532,
    HC_FCNTL = 533, HC_SC_CAPS = 702, HC_ERRNO = 813,
};

enum {
    AF_UNIX = 1, AF_INET = 2, SOCK_STREAM = 1, SOCK_DGRAM = 2, SOL_SOCKET = 0xffff, SO_REUSEADDR = 4,
    MSG_DONTWAIT = 0x80, F_GETFL = 3, POLLIN = 1, POLLOUT = 4,
};
#define FIONREAD 0x4004667fL

enum { ENOENT = 2, EBADF = 9, EINVAL = 22, EAGAIN = 35, ENOTSOCK = 38, EAFNOSUPPORT = 47, EADDRINUSE = 48,
       ECONNREFUSED = 61 };

struct sockaddr { u8 size, family, port[2], address[4], zero[8]; };
struct timespec { long seconds, nanoseconds; };
struct pollfd { int fd; short events, revents; };
struct iovec { u64 base, size; };

/* Where this cVM begins: what the monitor adds to pointers, and does not add to those it hands on as they are. */
#define PLAIN(pointer) ((u64)(pointer) + BEGIN)

#endif
