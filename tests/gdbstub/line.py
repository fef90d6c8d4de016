"""A bad line under every connection of our client: CVMDBG_PROXY=SEED spoils what a retry mends, whatever test runs.

client ──▶ BadLine ──▶ link        delay, split, change (a bit), drop: of questions that may be asked twice, and of
                                   their answers. Whatever moves the machine, and the word that it has stopped, pass
                                   unharmed: to lose these is told, not mended, which tests of their own show.

After a piece was lost or changed the line is good for a while, so that the next try comes through.
"""

from __future__ import annotations

import random
import re
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hypothesis import settings

from gdbstub import client
from gdbstub.transport import Transport

SAFE = re.compile(rb"[mxpgH]|qXfer:|qC$|qThreadExtraInfo|qMemoryRegionInfo|qRegisterInfo|qEcho:|qSupported")
PACKET = re.compile(rb"\$([^#]*)#")
RATE = 0.04
GOOD = 100
"""Pieces that pass after a damage."""
PATIENCE = 1.0
"""Seconds for an answer: a piece that was dropped costs no more."""
KINDS = ("delay",) * 3 + ("split",) * 3 + ("change",) * 4 + ("drop",)
HARMLESS = ("delay", "split")
"""Without acknowledgements and echoes no damage is mended: gdbserver then takes a damaged packet for a good one."""
CLEAN = "clean_line"
"""The mark of tests that spoil the line themselves, or count what passes."""

happened: Counter[str] = Counter()
paused: list[bool] = []


class BadLine:
    """A link whose faults follow from a seed."""

    def __init__(self, link: Transport, seed: int) -> None:
        self._link, self._random = link, random.Random(seed)
        self._safe, self._good, self._rest = False, 0, b""
        self._echoes = False
        self._acks = True
        happened["links"] += 1

    def send(self, content: bytes) -> None:
        packets = PACKET.findall(content)
        if packets or b"\x03" in content:
            self._safe = bool(packets) and all(SAFE.match(packet) for packet in packets)
        for piece in self._spoiled(content) if packets else [content]:
            self._link.send(piece)
        if b"QStartNoAckMode" in packets:
            self._acks = False

    def receive(self, timeout: float | None) -> bytes:
        if self._rest:
            content, self._rest = self._rest, b""
            return content
        content = self._link.receive(timeout)
        self._echoes = self._echoes or b"qEcho+" in content
        pieces = self._spoiled(content) if content else [b""]
        if len(pieces) > 1:
            self._rest = pieces[1]
        return pieces[0] if pieces else b""

    def close(self) -> None:
        self._link.close()

    def __getattr__(self, name: str) -> Any:
        """What a test knows of its own link."""
        return getattr(self._link, name)

    def _kinds(self) -> tuple[str, ...]:
        """What is mended. Without echoes an answer that comes late is taken for another, so nothing may be lost."""
        if self._echoes:
            return KINDS
        return (*HARMLESS, "change") if self._acks else HARMLESS

    def _spoiled(self, content: bytes) -> list[bytes]:
        """What is left of a piece."""
        happened["pieces"] += 1
        self._good -= 1
        if not self._safe or len(content) < 2 or self._good > 0 or self._random.random() >= RATE:
            return [content]
        kind, at = self._random.choice(self._kinds()), self._random.randrange(1, len(content))
        packet = PACKET.search(content)
        if kind == "change" and not self._echoes:  # within a packet, so that its checksum shows it at once
            if packet is None or not packet[1]:
                return [content]
            at = self._random.randrange(*packet.span(1))
        happened[kind] += 1
        if kind in ("change", "drop"):
            self._good = GOOD
        match kind:
            case "delay":
                time.sleep(self._random.random() * 0.02)
            case "split":
                return [content[:at], content[at:]]
            case "change":
                return [content[:at] + bytes((content[at] ^ 1 << self._random.randrange(8),)) + content[at + 1 :]]
            case "drop":
                return []
        return [content]


def install(seed: int) -> None:
    """From now on every client has a bad line, whatever its link."""
    begin = client.Client.__init__
    settings.register_profile("bad line", deadline=None)
    settings.load_profile("bad line")

    def spoiled(self: client.Client, link: Transport, **options: Any) -> None:
        if paused:
            begin(self, link, **options)
            return
        options["timeout"] = min(options.get("timeout", PATIENCE), PATIENCE)
        begin(self, BadLine(link, seed + happened["links"]), **options)

    client.Client.__init__ = spoiled  # type: ignore[method-assign,assignment]


@contextmanager
def good() -> Iterator[None]:
    """Lines that begin now are good ones."""
    paused.append(True)
    try:
        yield
    finally:
        paused.pop()


def summary() -> str:
    """What was done to the lines."""
    return "bad line: " + ", ".join(f"{count} {what}" for what, count in sorted(happened.items()))
