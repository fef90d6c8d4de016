"""QEMU-Morello's stub as a board of our client: the generated tests run there, and end as they end in our engine.

`QEMU_MORELLO` names the emulator, `MORELLO_TESTS` the folder of rems-project/morello-generated-tests;
`MORELLO_BOARD_TESTS` says how many of them (0: all), `MORELLO_SEED` which. A test ends by storing the byte 4 to the
tube: both stand before that store, and every register that both tell is compared, then what was printed.

A part of them is handed off at a random place on the way: the emulator ends it as QEMU does.
"""

from __future__ import annotations

import gzip
import os
import random
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cvmdbg.guests.attached import Attached
from cvmdbg.guests.bare import Bare
from cvmdbg.guests.handoff.guest import HandedOff
from cvmdbg.target import Move, StopKind, Target, TargetError, TargetLost, UserError
from cvmdbg.targets.emulator import EmulatorTarget
from cvmdbg.targets.remote.target import RemoteTarget
from sessions.event import Output

QEMU, FOLDER = os.environ.get("QEMU_MORELLO", ""), os.environ.get("MORELLO_TESTS", "")
COUNT = int(os.environ.get("MORELLO_BOARD_TESTS", "20"))
SEED = int(os.environ.get("MORELLO_SEED", "1"))
NAMES = [
    *(f"c{n}" for n in range(31)),
    "csp",
    "pcc",
    "ddc",
    "rcsp",
    "rddc",
    "ctpidr",
    "rctpidr",
    "cid",
    "cpsr",
    "cctlr",
]
NAMES += ["fpcr", "fpsr", *(f"v{n}" for n in range(32))]
PATIENCE = 60
LOW = (1 << 64) - 1

pytestmark = [
    pytest.mark.skipif(not QEMU, reason="QEMU_MORELLO does not name qemu-system-morello"),
    pytest.mark.skipif(not FOLDER, reason="MORELLO_TESTS does not name the folder of morello-generated-tests"),
]


def chosen(count: int) -> list[Path]:
    tests = sorted(Path(FOLDER).rglob("*.elf.gz"))
    return tests if not count or count >= len(tests) else sorted(random.Random(SEED).sample(tests, count))


@contextmanager
def board(elf: Path) -> Iterator[tuple[RemoteTarget, subprocess.Popen[bytes]]]:
    """QEMU stopped at reset, and our client of it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = [QEMU, "-M", "morello", "-nographic", "-monitor", "none", "-serial", "none", "-kernel", str(elf)]
    quiet = subprocess.DEVNULL
    qemu = subprocess.Popen(
        [*words, "-S", "-gdb", f"tcp:127.0.0.1:{port}"], stdin=quiet, stdout=subprocess.PIPE, stderr=quiet
    )
    try:
        yield _connected(f"127.0.0.1:{port}"), qemu
    finally:
        qemu.kill()
        qemu.wait()


def _connected(address: str) -> RemoteTarget:
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return RemoteTarget(address, timeout=10.0)
        except TargetError:
            if time.monotonic() > end:
                raise
            time.sleep(0.02)


def state(target: Target) -> dict[str, int]:
    return {name: target.read_register(target.stop.thread, name) for name in NAMES}


def finished(target: EmulatorTarget) -> str:
    """What it prints until its end."""
    while target.resume(Move.CONTINUE).reason(StopKind.EXIT) is None:
        assert not target.stop.reason(StopKind.UNMODELLED), target.stop
    return "".join(o.text.decode("latin-1") for o in target.drain() if isinstance(o, Output))


def same(name: str, theirs: int, ours: int) -> bool:
    """Equal; of a CSP without a tag QEMU's stub may tell zeros for the upper half (seen after SCVALUE CSP)."""
    return theirs == ours or (name == "csp" and not theirs >> 64 and not ours >> 128 and theirs == ours & LOW)


class Reference:
    """A test in our engine: where its last store stands, how often that store is met, what then holds."""

    def __init__(self, elf: Path) -> None:
        whole = EmulatorTarget(Bare(elf))
        self.said = finished(whole)
        self.ticks = whole.tick
        target = EmulatorTarget(Bare(elf))
        target.resume(Move.CONTINUE, budget=self.ticks - 1)
        self.at, self.state = target.stop.pc, state(target)
        self.met = met_until(elf, self.ticks - 1)[1]


def met_until(elf: Path, tick: int) -> tuple[int, int]:
    """Where our engine stands at a tick, and how often it has come there."""
    target = EmulatorTarget(Bare(elf))
    if tick:
        target.resume(Move.CONTINUE, budget=tick)
    at, met = target.stop.pc, 0
    counting = EmulatorTarget(Bare(elf))
    counting.breaks.add_breakpoint(at)
    while counting.tick < tick:
        met += counting.resume(Move.CONTINUE, budget=tick - counting.tick).reason(StopKind.BREAKPOINT) is not None
    return at, met


def come_to(target: RemoteTarget, at: int, times: int) -> None:
    assert target.stops is not None
    target.stops.add_breakpoint(at)
    for _ in range(times):
        end = time.monotonic() + PATIENCE
        while target.resume(Move.CONTINUE).reason(StopKind.RUNNING):
            assert time.monotonic() < end
        assert target.stop.pc == at, target.stop
    target.stops.remove_breakpoint(at)


def to_the_end(target: RemoteTarget) -> None:
    """QEMU ends with the tube's byte 4, and says nothing to its client."""
    with pytest.raises(TargetLost, match="closed the connection"):
        while target.resume(Move.CONTINUE).reason(StopKind.RUNNING):
            pass


def test_they_end_on_the_board_as_in_our_engine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tests, differ = chosen(COUNT), Counter[str]()
    began, said = time.monotonic(), Counter[str]()
    for path in tests:
        elf = tmp_path / "test.elf"
        elf.write_bytes(gzip.decompress(path.read_bytes()))
        reference = Reference(elf)
        with board(elf) as (target, qemu):
            try:
                come_to(target, reference.at, reference.met)
                found = state(target)
                names = [name for name in NAMES if not same(name, found[name], reference.state[name])]
                differ.update({" ".join(names): 1} if names else {})
                to_the_end(target)
            except (AssertionError, TargetError) as error:
                differ[f"{path.name}: {str(error)[:200]}"] += 1
            target.close()
            assert qemu.stdout is not None
            printed = qemu.stdout.read().decode("latin-1")
        said[printed.strip()] += 1
        if printed != reference.said:
            differ[f"printed {printed!r}, not {reference.said!r}"] += 1
    with capsys.disabled():
        print(f"\n{len(tests)} tests through QEMU's stub in {time.monotonic() - began:.0f} s, they said {dict(said)}")
        for what, count in differ.most_common():
            print(f"  {count:4} differ: {what}")
    assert not differ


def test_what_is_handed_off_on_the_way_ends_as_on_the_board(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dice, wrong, pages, refused = random.Random(SEED), list[str](), 0, 0
    tests = chosen(max(1, COUNT // 4))
    for path in tests:
        elf = tmp_path / "test.elf"
        elf.write_bytes(gzip.decompress(path.read_bytes()))
        reference = Reference(elf)
        with board(elf) as (target, _):
            steps = dice.randrange(reference.ticks - 1)
            come_to(target, *met_until(elf, steps))
            before = state(target)
            try:
                guest = HandedOff("board", target, Attached("board", (), ()), target.devices)
            except UserError as error:
                assert "the MMU of board is on" in str(error)
                refused += 1
                target.close()
                continue
            taken = EmulatorTarget(guest)
            assert state(taken) == before
            try:
                said = finished(taken)
            except AssertionError as error:
                said = str(error)
            pages += guest.fetched
            if not reference.said.endswith(said) or taken.tick + steps != reference.ticks:
                wrong.append(f"{path.name} from step {steps} of {reference.ticks}: {said!r}, {guest.lacking}")
            assert state(target) == before
            target.close()
    with capsys.disabled():
        print(f"\n{len(tests)} tests handed off on the way, {refused} refused for their MMU, {pages} pages fetched")
        print(f"  {len(wrong)} ended otherwise than on the board")
        print("\n".join(f"  {line}" for line in wrong[:20]))
    assert not wrong
    assert refused < len(tests)
