"""Hostcalls of the guests that ship as the trace shows them: names, arguments, results, with FreeBSD's constants."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cvmdbg.launch import emulated
from cvmdbg.session import Session

NET = """
socket(AF_INET, SOCK_STREAM, 0) = 3
setsockopt(3, SOL_SOCKET, 0x4, [1], 4) = 0
bind(3, {sa_family=AF_INET, sin_port=htons(7000), sin_addr=inet_addr("127.0.0.1")}, 16) = 0
listen(3, 4) = 0
poll([{fd=3, events=POLLIN}], 1, -1) = 1 ([{fd=3, revents=POLLIN}])
nanosleep({tv_sec=0, tv_nsec=500000}, NULL) = 0
connect(4, {sa_family=AF_INET, sin_port=htons(7000), sin_addr=inet_addr("127.0.0.1")}, 16) = 0
getpeername(4, {sa_family=AF_INET, sin_port=htons(7000), sin_addr=inet_addr("127.0.0.1")}, [16]) = 0
writev(4, [{"hello ", 6}, {"loopback", 8}], 2) = 14
select(5, [4], [], [], {tv_sec=1, tv_usec=0}) = 1 (in [4])
recv(5, 3fffbfa8→43fffbfa8 "hello loopback", 31, 0) = 14
send(5, 3fffbfa8→43fffbfa8 "HELLO LOOPBACK", 14, 0) = 14
recvfrom(4, "HELLO LOOPBACK", 31, 0, NULL, NULL) = 14
socket(0xa /* AF_??? */, SOCK_STREAM, 0) = -1
errno() = 47
connect(4, {sa_family=AF_INET, sin_port=htons(9), sin_addr=inet_addr("127.0.0.1")}, 16) = -1
accept4(4, 3fffbfd0→4bfffbfd0, [16], 0) = -1
fcntl(4, F_GETFL, 0) = 6
pipe([7, 8]) = 0
write(8, "pipe", 4) = 4
read(7, "pipe", 8) = 4
set_nonblock(7) = 0
read(7, 4bfffbfb0, 8) = -1
socketpair(AF_UNIX, SOCK_STREAM, 0, [9, 10]) = 0
ioctl(10, FIONREAD, 4bfffbfbc) = 0
recv(9, 3fffbfb0→4bfffbfb0, 8, MSG_DONTWAIT) = -1
getaddrinfo("nobody", "80", 3fffbfb8→4bfffbfb8, 3fffbfe8→4bfffbfe8) = 8
close(3) = 0
"""
SERVICES = """
blk_capacity(0, [1024]) = 0
open_tap("tap0") = 3
open_tap("tap7") = -1
inspect() = 1
save_snapshot() = 0
run_yaml(a10→400000a10 "x", 1) = -1
make_call(644→400000644, 0x2a) = 0
cap_stream_prb("stream") = 0
cap_wait(0) = 0
cap_wake(0) = 0
"""
NAMES = {"net": NET, "services": SERVICES}


@pytest.fixture
def session(guest: str) -> Iterator[Session]:
    made = emulated(f"demo:{guest}")
    made.connect()
    made.execute("run")
    yield made
    made.close()


def texts(session: Session) -> list[str]:
    return [f"{row.call} {row.result}".rstrip() for row in session.trace_rows() if row.path.endswith("→M")]


@pytest.mark.parametrize("guest", sorted(NAMES))
def test_rows_are_decoded(session: Session, guest: str) -> None:
    """Each of the lines, one that fails marked as such."""
    found = texts(session)
    for line in NAMES[guest].strip().splitlines():
        assert line in found, line
    for row in session.trace_rows():
        if row.path.endswith("→M") and row.result == "= -1":
            assert row.failed, row.call
