/* Three cVMs on the host's loopback: a server, its client, and one that makes every mistake. */
#include "hostcalls.h"

static u64 BEGIN;                                    /* absolute address of this cVM, by the words of its args */

static struct sockaddr at(int port)
{
    return (struct sockaddr){ 16, AF_INET, { port >> 8, port & 255 }, { 127, 0, 0, 1 }, { 0 } };
}

static void tell(const char *what, long result)
{
    say(what);
    if (result < 0) {
        say(": errno ");
        say_dec(hostcall(HC_ERRNO));
    } else {
        say(": ");
        say_dec(result);
    }
    say_end();
}

static void serve(void)
{
    struct sockaddr address = at(7000), peer;
    struct pollfd watched;
    char buffer[32];
    int on = 1, size = sizeof peer;
    long listener = hostcall(HC_SOCKET, AF_INET, SOCK_STREAM, 0), count;

    hostcall(HC_SETSOCKOPT, listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    hostcall(HC_BIND, listener, &address, sizeof address);
    tell("server: listen", hostcall(HC_LISTEN, listener, 4));
    watched = (struct pollfd){ listener, POLLIN, 0 };
    tell("server: poll", hostcall(HC_POLL, &watched, 1, -1));
    long end = hostcall(HC_ACCEPT, listener, &peer, &size);
    while ((count = hostcall(HC_RECV, end, buffer, sizeof buffer - 1, 0)) > 0) {
        for (long i = 0; i < count; i++)
            if (buffer[i] >= 'a' && buffer[i] <= 'z')
                buffer[i] -= 32;
        hostcall(HC_SEND, end, buffer, count, 0);
    }
    tell("server: recv at the end", count);
    hostcall(HC_CLOSE, end);
    hostcall(HC_CLOSE, listener);
}

static void ask(void)
{
    struct timespec pause = { 0, 500000 };
    struct sockaddr address = at(7000), peer;
    struct iovec parts[2] = { { PLAIN("hello "), 6 }, { PLAIN("loopback"), 8 } };
    int size = sizeof peer;
    u64 readable, none = 0;
    struct timespec second = { 1, 0 };
    char buffer[32];

    hostcall(HC_NANOSLEEP, &pause, 0);
    long fd = hostcall(HC_SOCKET, AF_INET, SOCK_STREAM, 0);
    tell("client: connect", hostcall(HC_CONNECT, fd, &address, sizeof address));
    hostcall(HC_GETPEERNAME, fd, &peer, &size);
    say("client: its peer has port ");
    say_dec(peer.port[0] << 8 | peer.port[1]);
    say_end();
    tell("client: writev", hostcall(HC_WRITEV, fd, PLAIN(parts), 2));
    readable = 1UL << fd;
    tell("client: select", hostcall(HC_SELECT, fd + 1, &readable, &none, &none, &second));
    long count = hostcall(HC_RECVFROM, fd, PLAIN(buffer), sizeof buffer - 1, 0, 0);
    buffer[count > 0 ? count : 0] = 0;
    say("client: ");
    say_line(buffer);
    hostcall(HC_CLOSE, fd);
}

static void err(void)
{
    struct sockaddr address = at(7100), other = at(9);
    int pair[2], ends[2], waiting = 0, size = sizeof other;
    char buffer[8];

    tell("socket of family 10", hostcall(HC_SOCKET, 10, SOCK_STREAM, 0));
    long fd = hostcall(HC_SOCKET, AF_INET, SOCK_STREAM, 0), second = hostcall(HC_SOCKET, AF_INET, SOCK_STREAM, 0);
    tell("connect to nobody", hostcall(HC_CONNECT, fd, &other, sizeof other));
    hostcall(HC_BIND, fd, &address, sizeof address);
    tell("bind where another is", hostcall(HC_BIND, second, &address, sizeof address));
    hostcall(HC_LISTEN, fd, 1);
    hostcall(HC_SET_NONBLOCK, fd);
    tell("accept4 of nothing", hostcall(HC_ACCEPT4, fd, &other, &size, 0));
    tell("its flags", hostcall(HC_FCNTL, fd, F_GETFL, 0));
    tell("send on standard output", hostcall(HC_SEND, 1, buffer, 1, 0));
    tell("recv of what is not open", hostcall(HC_RECV, 99, buffer, 1, 0));
    hostcall(HC_PIPE, ends);
    tell("write into a pipe", hostcall(HC_WRITE, ends[1], PLAIN("pipe"), 4));
    tell("read from it", hostcall(HC_READ, ends[0], PLAIN(buffer), 8));
    hostcall(HC_SET_NONBLOCK, ends[0]);
    tell("read from it again", hostcall(HC_READ, ends[0], PLAIN(buffer), 8));
    hostcall(HC_SOCKETPAIR, AF_UNIX, SOCK_STREAM, 0, PLAIN(pair));
    hostcall(HC_SEND, pair[0], "three", 5, 0);
    hostcall(HC_IOCTL, pair[1], FIONREAD, PLAIN(&waiting));
    tell("bytes that wait in a pair", waiting);
    tell("recv without waiting", hostcall(HC_RECV, pair[0], buffer, 8, MSG_DONTWAIT));
}

static void names(void)
{
    u64 list = 0, hints[6] = { 0 };
    tell("getaddrinfo of localhost", hostcall(HC_GETADDRINFO, "localhost", "http", hints, &list));
    tell("getaddrinfo of nobody", hostcall(HC_GETADDRINFO, "nobody", "80", hints, &list));
}

void cvm_main(long *sp)
{
    const char *role = (const char *)sp[2];
    BEGIN = role[0] == 's' ? 0x400000000 : role[0] == 'c' ? 0x440000000 : 0x480000000;
    if (role[0] == 's')
        serve();
    else if (role[0] == 'c')
        ask();
    else {
        err();
        names();
        say_line("net: all mistakes made");
    }
}
