"""Hostile packets by a seed, both ways: requests to a server on the board, replies to a client and to every reader.

python -m tests.gdbstub.fuzz [PACKETS [SEED]]        a million each way by default; tests run fewer
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Iterator

from gdbstub.call import Call, ProtocolError
from gdbstub.client import Client
from gdbstub.commands import (
    capabilities,
    features,
    files,
    lldb,
    memory,
    monitor,
    registers,
    resuming,
    threads,
    transfer,
)
from gdbstub.commands.resuming import Action
from gdbstub.description import Dialect, morello
from gdbstub.description_xml import parse_xml, print_xml
from gdbstub.layout import Layout
from gdbstub.packet import encode
from gdbstub.server import MAX_UNSENT, Server
from gdbstub.thread import ThreadId
from tests.gdbstub.board import BASE, CODE, Board

REQUESTS = (
    b"qSupported:multiprocess+;swbreak+;error-message+;qXfer:capa:read+",
    b"?",
    b"g",
    b"p2",
    b"P2=0100000000000000",
    b"G" + b"00" * 1400,
    b"m%x,40" % BASE,
    b"x%x,40" % BASE,
    b"M%x,2:0102" % BASE,
    b"X%x,2:ab" % BASE,
    b"Hgp1.1",
    b"Hc-1",
    b"Tp1.2",
    b"qC",
    b"qfThreadInfo",
    b"qsThreadInfo",
    b"qThreadExtraInfo,p1.1",
    b"vCont?",
    b"vCont;s:p1.1;c",
    b"vCont;r%x,%x:p1.1" % (CODE, CODE + 16),
    b"s",
    b"c",
    b"C05",
    b"bs",
    b"bc",
    b"Z0,%x,4" % CODE,
    b"Z0,%x,4;X3,220127" % CODE,
    b"Z2,%x,8" % BASE,
    b"z0,%x,4" % CODE,
    b"z2,%x,8" % BASE,
    b"QStartNoAckMode",
    b"qEcho:1",
    b"qXfer:features:read:target.xml:0,400",
    b"qXfer:threads:read::0,100",
    b"qXfer:capa:read:%x:0,11" % BASE,
    b"qXfer:capa:write:%x:0:" % BASE + b"\1" + bytes(16),
    b"qXfer:exec-file:read:1:0,40",
    b"vFile:setfs:0",
    b"vFile:open:2f626f6172642e656c66,0,0",
    b"vFile:pread:0,40,0",
    b"vFile:fstat:0",
    b"vFile:close:0",
    b"qRcmd,68690a",
    b"QCatchSyscalls:1;1;2",
    b"qRegisterInfo0",
    b"qMemoryRegionInfo:%x" % BASE,
    b"qThreadStopInfo1",
    b"qHostInfo",
    b"QListThreadsInStopReply",
    b"QThreadSuffixSupported",
    b"p1;thread:1;",
    b"vCtrlC",
    b"qAttached:1",
    b"vMustReplyEmpty",
)
"""Well-formed ones to begin from; ``D`` and ``k`` would end the conversation."""

REPLIES = (
    b"",
    b"OK",
    b"E01",
    b"E.no such thing",
    b"E14;6e6f",
    b"00" * 40,
    b"xx" * 8 + b"00" * 32,
    b"m1,2,p1.3",
    b"l",
    b"QCp1.1",
    b"T05thread:p1.1;20:0011223344556677;watch:10;",
    b"S05",
    b"W00",
    b"X0b;process:1",
    b"N",
    b"O6869",
    b"F5;hello",
    b"F-1,2",
    b"lhello",
    b"mhello",
    b"start:1000;size:1000;permissions:rwx;name:61;",
    b"PacketSize=1000;qXfer:features:read+;a-;b?",
    b"name:x0;bitsize:64;offset:0;",
    b"vCont;c;C;s;S",
    b"qEcho:5",
    b"l\1" + bytes(16),
)


def mutations(chosen: random.Random, seeds: tuple[bytes, ...]) -> Iterator[bytes]:
    """Packets for ever: seeds, damaged seeds, pieces of two, noise, long ones."""
    while True:
        packet = bytearray(chosen.choice(seeds))
        for _ in range(chosen.choice((0, 1, 1, 2, 4))):
            at = chosen.randrange(len(packet) + 1)
            match chosen.randrange(6):
                case 0:
                    packet[at:at] = chosen.randbytes(chosen.randrange(1, 6))
                case 1:
                    del packet[at : at + chosen.randrange(1, 6)]
                case 2 if at < len(packet):
                    packet[at] = chosen.choice(b"0123456789abcdef:;,.-+p*#$}\0\xff")
                case 3:
                    packet[at:] = chosen.choice(seeds)[chosen.randrange(8) :]
                case 4:
                    packet[at:at] = chosen.choice((b"ffffffffffffffff", b"-1", b"7fffffff", b"0" * 40, b"9" * 30))
                case 5 if chosen.random() < 0.05:
                    packet *= chosen.randrange(2, 200)
        yield bytes(packet)


def wire(chosen: random.Random, packet: bytes) -> bytes:
    """A packet on the wire, now and then as noise, cut, or with a false checksum."""
    match chosen.randrange(12):
        case 0:
            return packet
        case 1:
            return encode(packet)[: chosen.randrange(1, len(packet) + 5)]
        case 2:
            return b"$" + packet + b"#%02x" % chosen.randrange(256)
        case 3:
            return encode(packet) + chosen.choice((b"+", b"-", b"\x03"))
    return encode(packet)


def attack_server(count: int, seed: int) -> int:
    """So many packets to servers; a fresh connection now and then. How many were answered."""
    chosen = random.Random(seed)
    packets = mutations(chosen, REQUESTS)
    answered, server = 0, Server(Board())
    for index in range(count):
        if index % 5000 == 0 or server.gone:
            server.close()
            server = Server(Board(), chosen.choice(("auto", "morello", "lldb-morello")))
        out = server.receive(wire(chosen, next(packets)))
        for _ in range(3):
            if server.running:
                out += server.go_on()
        if server.running:
            out += server.receive(b"\x03") + server.go_on()
        assert len(out) < MAX_UNSENT
        answered += bool(out)
    assert server.receive(b"#00") is not None
    return answered


LAYOUTS = [Layout(morello(dialect, True), dialect) for dialect in Dialect]


def calls(chosen: random.Random) -> tuple[Call[object], ...]:
    """One call of each kind."""
    layout, thread = chosen.choice(LAYOUTS), ThreadId(1, 1)
    return (
        memory.read(BASE, 16), memory.read_raw(BASE, 16), memory.write(BASE, b"x"), registers.read_all(layout),
        registers.read_some(layout, ("c0", "pcc")), registers.read_one(layout, "c3"), registers.read_block(),
        registers.read_content(5), registers.write_one(layout, "x1", 5), threads.current(), threads.list_some(True),
        threads.describe(thread), threads.select(thread), resuming.why(), resuming.ask_actions(),
        resuming.resume(Action("c")), resuming.detach(1), transfer.read_part("features", "target.xml", 0, 99),
        capabilities.read(BASE), capabilities.write(BASE, 5), files.open_file("/a"), files.read_file(1, 9, 0),
        features.supported({}), features.echo(5), features.attached(), monitor.command("x"), lldb.region(5),
        lldb.register(0), lldb.facts(b"qHostInfo"),
    )  # fmt: skip


class Hostile:
    """A stub whose every answer is hostile, and which then falls silent."""

    def __init__(self, chosen: random.Random) -> None:
        self.chosen = chosen
        self.replies = mutations(chosen, REPLIES)
        self.ready = b""
        self.told = 0

    def send(self, content: bytes) -> None:
        if content.startswith((b"$", b"+$")):
            self.ready = b"+" + wire(self.chosen, next(self.replies))
            self.told += 1

    def receive(self, timeout: float | None) -> bytes:
        content, self.ready = self.ready, b""
        return content

    def close(self) -> None:
        self.ready = b""


def attack_client(count: int, seed: int) -> int:
    """So many replies to readers, every tenth through a whole client. How many were taken for good."""
    chosen = random.Random(seed)
    replies = mutations(chosen, REPLIES)
    good = 0
    for index in range(count):
        if index % 500 == 0:
            every = calls(chosen)
        if index % 10:
            good += _taken(chosen.choice(every), next(replies))
        else:
            _whole(chosen, chosen.choice(every))
    return good


def _taken(call: Call[object], reply: bytes) -> bool:
    try:
        call.result(reply)
    except ProtocolError:
        return False
    return True


def _whole(chosen: random.Random, call: Call[object]) -> None:
    client = Client(Hostile(chosen), timeout=0.0, retries=1, settle=0.0)
    client.conversation.acks = chosen.random() < 0.5
    try:
        client.call(call)
    except ProtocolError as error:
        assert str(error)


def attack_descriptions(count: int, seed: int) -> int:
    """Damaged XML."""
    chosen = random.Random(seed)
    whole = print_xml(morello(Dialect.TAG_FIRST, True)).encode()
    documents = mutations(
        chosen, (whole, whole[:200], b'<target><feature name="a"><reg name="b" bitsize="8"/></feature></target>')
    )
    good = 0
    for _ in range(count):
        try:
            parse_xml(next(documents), lambda name: whole)
            good += 1
        except ValueError as error:
            assert str(error)
    return good


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    for attack, many in ((attack_server, count), (attack_client, count), (attack_descriptions, count // 1000)):
        begin = time.monotonic()
        print(
            f"{attack.__name__}: {many} packets, {attack(many, seed)} taken, {time.monotonic() - begin:.0f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
