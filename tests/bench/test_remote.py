"""``cvmdbg bench remote``: what it times is what it says, and every row comes."""

from __future__ import annotations

from pathlib import Path

import pytest

from cvmdbg.bench import remote
from cvmdbg.bench.tui import spinning
from gdbstub.description import CAPABILITIES
from gdbstub.stops import Stopped


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "loop.elf"
    path.write_bytes(spinning())
    return path


def test_a_timed_step_is_one_instruction_and_reads_every_capability(program: Path) -> None:
    with remote.own_server(program) as client:
        first, second = (client.run(remote._step(client)) for _ in range(2))
        assert isinstance(first, Stopped)
        assert isinstance(second, Stopped)
        assert [dict(s.registers)[32] for s in (first, second)] == [
            (0x1004).to_bytes(8, "little"),
            (0x1000).to_bytes(8, "little"),
        ]
        stop, values = remote.reader(client)()  # type: ignore[misc]
        assert isinstance(stop, Stopped)
        assert set(values) == set(CAPABILITIES)
        assert values["pcc"] >> 128 == 1
        assert values["pcc"] & 0xFFFF == 0x1004


def test_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QEMU_MORELLO", raising=False)
    monkeypatch.setattr(remote, "QUICK_STEPS", 20)
    rows = remote.measure(quick=True)
    assert [row.name for row in rows] == [
        "single steps",
        "steps with all capability registers",
        "Debug workspace of a stop",
        "Debug workspace of a stop: batches",
    ]
    assert rows[0].baseline == 15_000
    assert all(row.value > 0 for row in rows)
