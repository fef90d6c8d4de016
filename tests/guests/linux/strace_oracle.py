"""Debian's strace as the oracle of spelling: an x86-64 program whose calls strace decodes and never lets through.

Every call is injected, so any argument is safe. The program is one table: numbers, arguments, and the memory they point
at, at fixed addresses; what our decoder is given is the same table.
"""

from __future__ import annotations

import random
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from cvmdbg.guests.linux import facts
from cvmdbg.guests.linux.decoder import Caller, Style, entering, leaving
from cvmdbg.guests.linux.facts import Argument, Call

REGION = 0x10000000
SLOT = 256
UNMAPPED = 0x7000
_PROGRAM = """
.globl _start
.text
_start: lea calls(%rip), %rbx
1: mov (%rbx), %rax
   cmp $-1, %rax
   je 2f
   mov 8(%rbx), %rdi
   mov 16(%rbx), %rsi
   mov 24(%rbx), %rdx
   mov 32(%rbx), %r10
   mov 40(%rbx), %r8
   mov 48(%rbx), %r9
   syscall
   add $56, %rbx
   jmp 1b
2: ud2
.data
calls:
"""


@dataclass
class Case:
    """One call with its six arguments."""

    call: Call
    arguments: tuple[int, ...]


class Maker:
    """Makes calls and the memory behind them from a seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.memory = bytearray()

    def case(self, call: Call) -> Case:
        """A call with arguments that its kinds allow, and some that they do not."""
        values: list[int] = []
        for argument in call.arguments:
            values.append(self._value(call, argument, values) & (1 << 64) - 1)
        return Case(call, (*values, *[0] * (6 - len(values))))

    def _place(self, content: bytes) -> int:
        address = REGION + len(self.memory)
        self.memory += content[:SLOT].ljust(SLOT, b"\0")
        return address

    def _value(self, call: Call, argument: Argument, before: list[int]) -> int:
        pick = self.random.choice
        match argument.kind:
            case "fd":
                return pick((0, 1, 3, 7, -1))
            case "atfd":
                return pick((-100, 3, 5))
            case "flags" | "enum" | "open" | "fcntl" | "ioctl":
                return self._constant(argument)
            case "size":
                return pick((0, 1, 4, 8, 16, 20, 32, 40, 100, 128))
            case "int" | "uint":
                return pick((0, 1, 2, 3, 5, 24, 4096))
            case "offset":
                return pick((0, 1, 4096, -1, 1 << 33))
            case "mode" | "file_mode":
                return pick((0, 0o644, 0o755, 0o4755, 0o7))
            case "hex" | "dev":
                return pick((0, 0x8801, 0x1000, 0xDEADBEEF))
            case "uid":
                return pick((0, 1000, 0xFFFFFFFF))
            case "signal":
                return pick((2, 9, 11, 15, 17, 34, 40))
            case "clone_flags":
                return pick((0x1200011, 0x3D0F00, 0x4111, 17))
            case "mmap_flags":
                return pick((0x2, 0x22, 0x812, 0x32, 0x1, 0x20022))
            case "socket_type":
                return pick((1, 2, 1 | 0o2000000, 1 | 0o4000, 3))
            case "futex_op":
                return pick((0, 128, 1, 129, 9 | 128, 9 | 128 | 256, 10 | 128, 3, 4, 5, 6, 7, 77))
            case "sockopt":
                level = facts.name_of("sockopt_level", before[1]) or ""
                return pick(list(facts.constants(f"sockopt_{level}", "x86_64").values()) or [1])
            case "ipc_flags":
                return pick((0o600, 0o1600, 0o3644))
            case "socket_protocol":
                return pick((0, 6, 17))
            case "statx_flags":
                return pick((0, 0x100, 0x2000, 0x5000, 0x1100))
            case "futex_val":
                return pick((0, 1, 5))
            case "futex_arg" if argument.name == "val3":
                return pick((0, 1, 0xFFFFFFFF, 5))
            case "fcntl" if facts.name_of("fcntl", before[1]) in ("F_SETOWN_EX", "F_GETOWN_EX"):
                return 0
            case "ptr":
                return pick((0, UNMAPPED, 0x7FFF12345678))
        return self._pointer(call, argument, before)

    def _constant(self, argument: Argument) -> int:
        groups = {"open": "open", "fcntl": "fd_flags", "ioctl": "ioctl"}
        group = groups.get(argument.kind) or argument.parameters[0]
        values = list(facts.constants(group, "x86_64").values()) or [0]
        if argument.kind in ("enum", "ioctl"):
            return self.random.choice(values)
        chosen = self.random.sample(values, self.random.randint(0, min(3, len(values))))
        return sum(set(chosen)) if len(set(chosen)) < 2 else chosen[0] | chosen[1]

    def _pointer(self, call: Call, argument: Argument, before: list[int]) -> int:
        if self.random.random() < 0.12:
            return self.random.choice((0, UNMAPPED))
        return self._place(self._content(argument))

    def _content(self, argument: Argument) -> bytes:
        text = bytes(self.random.choice(b'abcxyz/. "\\\n\x01\x7f\x807\xff0') for _ in range(self.random.randint(0, 60)))
        match argument.kind:
            case "path" | "text":
                return text + b"\0"
            case "buffer":
                return text.ljust(SLOT, b"z")
            case "iov":
                first, second = self._place(text), self._place(b"second")
                parts = (first, len(text), second, 6, 0, 0, UNMAPPED, 5)
                return b"".join(part.to_bytes(8, "little") for part in parts)
            case "strings":
                words = [self._place(b"ls"), self._place(b"-l"), 0]
                return b"".join(word.to_bytes(8, "little") for word in words)
            case "environ":
                return self._place(b"A=1").to_bytes(8, "little") * self.random.randint(0, 3)
            case "sockaddr":
                return self._socket_address()
            case "futex_arg":
                return self._struct("timespec")
            case "epoll_event":
                return self._struct("epoll_event")
            case "struct" | "array" | "times":
                return self._struct(argument.parameters[0]) * 2
            case "pollfds":
                return b"".join(
                    facts.struct("pollfd").pack({"fd": n, "events": self.random.choice((1, 4, 5, 0)), "revents": n & 1})
                    for n in range(8)
                )
            case "fdset" | "cpuset":
                return bytes(self.random.choice((0, 1, 8, 0x81)) for _ in range(128))
            case "sigset":
                mask = self.random.choice((0, 2, 0x4002, (1 << 64) - 1, 0xFFFFFFFE7FFFFFFF, 1 << 33))
                return mask.to_bytes(8, "little")
            case "length":
                return self.random.choice((0, 2, 16, 28, 110)).to_bytes(4, "little")
            case "siginfo":
                return facts.struct("siginfo").pack({"si_signo": 17, "si_code": 1, "si_pid": 42, "si_status": 3})
            case "wait_status":
                return self.random.choice((0, 0x300, 9, 0x8B, 0x137F)).to_bytes(4, "little")
        return b"".join(self.random.choice((0, 1, 3, 77)).to_bytes(4, "little") for _ in range(16))

    def _socket_address(self) -> bytes:
        return self.random.choice(
            (
                b"\2\0\0\x50\x7f\0\0\1" + bytes(8),
                b"\x0a\0\0\x50" + bytes(4) + bytes(15) + b"\1" + bytes(4),
                b"\1\0/run/socket\0",
                b"\1\0\0abstract",
                b"\x10\0\0\0" + bytes(8),
            )
        )

    def _struct(self, name: str) -> bytes:
        layout = facts.struct(name, "x86_64")
        values = {}
        for field in layout.fields:
            kind = field.kind
            if kind.kind in ("flags", "enum"):
                values[field.name] = self._constant(kind)
            elif kind.kind == "file_mode":
                values[field.name] = self.random.choice((0o100644, 0o40755, 0o20620, 0o104755))
            elif kind.kind == "open":
                values[field.name] = self.random.choice((0, 0o101, 0o2000000))
            elif kind.kind == "signal":
                values[field.name] = self.random.choice((2, 11, 40))
            elif kind.kind == "sigset":
                values[field.name] = self.random.choice((0, 2, (1 << 64) - 1))
            elif kind.kind in ("struct", "bytes", "chars"):
                continue
            else:
                values[field.name] = self.random.choice((0, 1, 2, 1024, 8388608, 4096))
        return layout.pack(values)


def strace(cases: list[Case], memory: bytes, inject: str, folder: Path) -> list[str]:
    """What strace says about each call; ``inject`` is ``error=EPERM`` or ``retval=3``."""
    words = [word for case in cases for word in (case.call.numbers["x86_64"], *case.arguments)]
    source = folder / "calls.S"
    lines = [f".quad {word:#x}" for word in words]
    (folder / "memory").write_bytes(memory or b"\0")
    tail = f'.quad -1\n.section .region,"aw",@progbits\n.incbin "{folder / "memory"}"\n'
    source.write_text(_PROGRAM + "\n".join(lines) + "\n" + tail)
    program, output = folder / "calls", folder / "output"
    link = f"-Wl,--section-start=.region={REGION:#x}"
    subprocess.run(["gcc", "-nostdlib", "-static", link, "-o", program, source], check=True, capture_output=True)
    command = ["strace", "-o", output, "-e", f"inject=!execve:{inject}", program]
    subprocess.run(command, check=False, capture_output=True, timeout=60)
    found = output.read_text("latin-1").splitlines()[1:]
    return [re.sub(r" \((INJECTED|DELAYED)\)$", "", line) for line in found if not line.startswith(("---", "+++"))]


def ours(case: Case, memory: bytes, result: int) -> str:
    """The same line by our decoder."""

    def read(address: int, size: int) -> bytes | None:
        start = address - REGION
        end = -(-len(memory) // 4096) * 4096
        if not 0 <= start <= start + size <= end:
            return None
        return memory[start : start + size].ljust(size, b"\0")

    begun = entering(case.call, case.arguments, Caller("x86_64", read), Style())
    done = leaving(begun, result)
    return f"{done.text:<39} = {done.result}"
