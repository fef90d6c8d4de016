"""Peers for the remote target: our own server on a thread, and scripted stubs that behave as others do."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cvmdbg.servers.gdb import listen
from cvmdbg.session import Session
from gdbstub.description import AARCH64_CORE, AARCH64_FPU, Description, Dialect, capability_feature
from gdbstub.description_xml import print_xml
from gdbstub.listener import Listener
from gdbstub.packet import Decoder, Kind, encode
from gdbstub.server import Server
from tests.gdbstub.board import Board

Answer = Callable[[bytes], bytes | list[bytes] | None]


@contextmanager
def turning(listener: Listener) -> Iterator[str]:
    """Serve on a thread of its own; the address."""
    done = threading.Event()

    def turn() -> None:
        while not done.is_set():
            listener.turn(0.02)
        listener.close()

    thread = threading.Thread(target=turn, daemon=True)
    thread.start()
    try:
        yield listener.address
    finally:
        done.set()
        thread.join(10)


@contextmanager
def served(session: Session, folder: Path, client: str) -> Iterator[str]:
    """The guest of a session behind our own server."""
    with turning(listen(session, f"unix:{folder}/stub", client)) as address:
        yield address


@contextmanager
def boarded(board: Board, folder: Path, client: str = "auto") -> Iterator[str]:
    """The tests' board behind our own server."""
    with turning(Listener(f"unix:{folder}/stub", lambda: Server(board, client))) as address:
        yield address


class Gone(Exception):
    """The stub's program ends."""


@contextmanager
def scripted(answer: Answer, folder: Path) -> Iterator[str]:
    """A stub that answers packets by a function (None: later or never), with acknowledgements; Gone ends it."""
    path = folder / "stub"
    place = socket.socket(socket.AF_UNIX)
    place.bind(str(path))
    place.listen(1)

    def serve() -> None:
        link, _ = place.accept()
        decoder, last = Decoder(), b""
        with link:
            while content := link.recv(1 << 16):
                for frame in decoder.feed(content):
                    if frame.kind in (Kind.BAD, Kind.NAK):
                        link.sendall(b"-" if frame.kind is Kind.BAD else last)
                    if frame.kind is Kind.PACKET or frame.kind is Kind.INTERRUPT:
                        packet = frame.payload if frame.kind is Kind.PACKET else b"\x03"
                        link.sendall(b"+" if frame.kind is Kind.PACKET else b"")
                        try:
                            reply = answer(packet)
                        except Gone:
                            return
                        parts = reply if isinstance(reply, list) else [reply]
                        last = b"".join(encode(part) for part in parts if part is not None)
                        link.sendall(last)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"unix:{path}"
    finally:
        place.close()
        thread.join(5)


class Qemu:
    """QEMU-Morello's stub: capability registers only by ``p``, a ``P`` to them is ignored, ``bs`` aborts QEMU."""

    def __init__(self) -> None:
        feature = capability_feature(Dialect.TAG_FIRST, True)
        self.description = Description("aarch64", "", (AARCH64_CORE, AARCH64_FPU, feature)).numbered()
        self.xml = print_xml(self.description).encode()
        self.numbers = {register.number: register.name for register in self.description}
        self.packets: list[bytes] = []

    def __call__(self, packet: bytes) -> bytes | list[bytes] | None:
        self.packets.append(packet)
        if packet.startswith(b"qSupported"):
            return b"PacketSize=1000;qXfer:features:read+;qXfer:capa:read+;vContSupported+;multiprocess+"
        if packet.startswith(b"qXfer:features:read:target.xml:"):
            offset, size = (int(n, 16) for n in packet.rpartition(b":")[2].split(b","))
            part = self.xml[offset : offset + size]
            return (b"l" if offset + size >= len(self.xml) else b"m") + part
        if packet.startswith(b"qXfer:capa:read:"):
            address, size = int(packet.split(b":")[3], 16), int(packet.rpartition(b",")[2], 16)
            return b"E22" if address & 15 or size < 0x11 else b"l\x01" + address.to_bytes(16, "little")
        if packet in (b"bs", b"bc", b"k"):
            raise Gone
        if packet == b"g":
            return (bytes(31 * 8) + bytes(8) + (0x400080).to_bytes(8, "little") + bytes(4)).hex().encode()
        if packet[:1] == b"p":
            return self._register(self.numbers[int(packet[1:].partition(b";")[0], 16)])
        if packet[:1] == b"m":
            return b"00" * int(packet.partition(b",")[2], 16)
        plain = {b"?": b"T05thread:p01.01;", b"qC": b"QCp01.01", b"qfThreadInfo": b"mp01.01", b"qsThreadInfo": b"l"}
        plain |= {b"vCont?": b"vCont;c;C;s;S"}
        ok = packet[:1] in (b"H", b"P", b"Z", b"z", b"D")
        return b"OK" if ok else plain.get(packet, b"")

    def _register(self, name: str) -> bytes:
        if name == "pcc":
            return (b"\x01" + (0x400080).to_bytes(16, "little")).hex().encode()
        size = next(r for r in self.description if r.name == name)
        return ("00" * (17 if size.is_capability else (size.bits + 7) // 8)).encode()


class Km:
    """Kontain KM's: ``g`` of 276 bytes, no ``p``/``P``, no description; the guest's pthread in the thread's words."""

    def __init__(self) -> None:
        self.block = bytearray(276)
        self.block[16 * 8 : 17 * 8] = (0x201000).to_bytes(8, "little")
        self.block[7 * 8 : 8 * 8] = (0x7FFFFF000).to_bytes(8, "little")
        self.packets: list[bytes] = []

    def __call__(self, packet: bytes) -> bytes | None:
        self.packets.append(packet)
        if packet.startswith(b"qThreadExtraInfo"):
            return b"Guest 0x7fffbfbf38, vcpu 0".hex().encode()
        if packet[:1] == b"G":
            self.block[:] = bytes.fromhex(packet[1:].decode())
            return b"OK"
        if packet[:1] == b"m":
            address, size = (int(n, 16) for n in packet[1:].split(b","))
            return b"E01" if address >= 0x8000008000 else b"90" * size
        plain = {b"qSupported": b"PacketSize=3fff;qXfer:threads:read+;swbreak+;hwbreak+", b"?": b"T05thread:01;"}
        plain |= {b"g": self.block.hex().encode(), b"qC": b"QC1", b"qfThreadInfo": b"m1", b"qsThreadInfo": b"l"}
        plain |= {b"vCont?": b"vCont;c;s;C;S", b"vCont;c": b"W00"}
        if packet[:2] == b"Z3":
            return b""
        return b"OK" if packet[:1] in (b"H", b"Z", b"z", b"D") else plain.get(packet.partition(b":")[0], b"")


class Uhyve:
    """uhyve's: only ``? g G m M s c Z z k D``; reading outside of the guest ends it; it never looks for ^C."""

    ALLOWED = b"?gGmMscZzkD"

    def __init__(self, begin: int, end: int) -> None:
        self.begin, self.end = begin, end
        self.packets: list[bytes] = []

    def __call__(self, packet: bytes) -> bytes | None:
        self.packets.append(packet)
        if packet[:1] not in [bytes((b,)) for b in self.ALLOWED]:
            return None if packet == b"\x03" else b""
        if packet[:1] == b"m":
            address, size = (int(n, 16) for n in packet[1:].split(b","))
            if not self.begin <= address <= address + size <= self.end:
                raise Gone
            return b"cc" * size
        if packet == b"g":
            block = bytearray(560)
            block[16 * 8 : 17 * 8] = self.begin.to_bytes(8, "little")
            block[17 * 8 : 18 * 8] = (2).to_bytes(8, "little")
            return block.hex().encode()
        return b"S05" if packet == b"?" or packet[:1] == b"s" else None if packet == b"c" else b"OK"
