"""Debugging a bare program whose page tables put it elsewhere than it is loaded: all addresses are virtual."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cvmdbg.launch import emulated
from cvmdbg.session import Session
from cvmdbg.target import TargetError
from cvmdbg.targets.emulator import EmulatorTarget
from emulator_core._core import Capability
from tests.conformance.bare_assembly import Linked, code, elf
from tests.targets.paged import DATA, FIXED, HIGH, SYMBOLS, TEXT, TUBE, VECTORS, program

Open = Callable[..., Session]


@pytest.fixture
def paged(tmp_path: Path, begun: Open) -> Open:
    """The program, with commands carried out; recorded when asked for."""
    path = tmp_path / "paged.elf"
    path.write_bytes(program())

    def make(*lines: str, recording: bool = False) -> Session:
        return begun(emulated(str(path), recording=recording), *lines, args=())

    return make


def said(session: Session, line: str) -> str:
    return "\n".join(session.execute(line).lines)


def test_it_runs_from_where_it_is_loaded_to_where_it_is_linked(paged: Open) -> None:
    session = paged()
    assert session.live.frame().pc == TEXT
    assert "exited with status 0" in said(session, "continue")


def test_a_breakpoint_on_a_name_stands_in_both_places(paged: Open) -> None:
    session = paged()
    line = said(session, "break main")
    assert "(2 sites)" in line
    assert f"{SYMBOLS['main']:x} is not mapped now" in line
    session.execute("continue")
    assert session.live.frame().pc == SYMBOLS["main"]
    assert said(paged("break _start", "info breakpoints"), "info symbol $pc") == "_start in M paged.elf"


def test_the_mapped_memory_is_what_the_tables_map(paged: Open) -> None:
    session = paged()
    assert "  0 … 13000000     rwx" in said(session, "info target")
    session.execute("break main")
    session.execute("continue")
    rows = [(r.address, r.size, r.letters, r.physical) for r in session.live.target.regions()]
    assert rows == [
        (TEXT, 0x1000, "r-xRW", TEXT),
        (TEXT + HIGH, 0x1000, "r-xRW", TEXT),
        (DATA + HIGH, 0x1000, "rw-RW", DATA),
        (FIXED + HIGH, 0x1000, "r----", FIXED),
        (TUBE + HIGH, 0x1000, "rw---", TUBE),
    ]
    text = said(session, "info target")
    assert f"{FIXED + HIGH:x} … {FIXED + HIGH + 0x1000:x}   r----  at {FIXED:x}" in text
    assert session.execute("info target").value["regions"][2] == {  # type: ignore[index,call-overload]
        "address": hex(DATA + HIGH),
        "size": 0x1000,
        "prot": "rw-",
        "capabilities": "RW",
        "physical": hex(DATA),
    }


def test_code_memory_and_frames_are_seen_by_virtual_address(paged: Open) -> None:
    session = paged("break leaf", "continue")
    assert said(session, "x/i $pc").split()[1:3] == [f"{SYMBOLS['leaf']:x}", "c29b4126"]
    assert f"{SYMBOLS['leaf']:x} c29b4126 mrs" in said(session, "disassemble leaf")
    assert said(session, "x/gx &counter").endswith("0x0000000000000003")
    frames = [frame.pc for frame in session.live.frames(2)]
    assert frames == [SYMBOLS["leaf"], SYMBOLS["refused"]]


def test_a_watchpoint_sees_a_virtual_address(paged: Open) -> None:
    session = paged("break leaf", "continue", f"watch *(long*){DATA + HIGH + 16:#x}")
    assert "write-cap by leaf+8" in said(session, "continue")
    assert f"{DATA + HIGH + 16:x} <counter+16>" in said(session, "find -cap")


def test_find_goes_through_the_virtual_regions(paged: Open) -> None:
    session = paged("break leaf", "continue")
    found = session.execute(f"find {DATA + HIGH:#x}, +0x1000, (long)3").value
    assert found == [hex(DATA + HIGH)]
    assert session.execute("find 0, 0xffff00000000, 0x30c50831").value == [
        hex(SYMBOLS["sctlr"] - HIGH),
        hex(SYMBOLS["sctlr"]),
    ]


def test_what_is_not_mapped_is_named(paged: Open) -> None:
    session = paged("break leaf", "continue")
    with pytest.raises(TargetError, match=f"{DATA:#x} is not mapped: the page tables have no translation"):
        session.execute(f"x/gx {DATA:#x}")


def test_a_refused_fetch_goes_to_the_vector_by_its_virtual_address(paged: Open) -> None:
    session = paged("break main", "continue", f"set $pc = {DATA + HIGH:#x}")
    session.execute("break *" + hex(VECTORS + HIGH + 0x200))
    session.execute("continue")
    assert session.live.frame().pc == VECTORS + HIGH + 0x200
    assert session.live.target.read_register(0, "el") == 3


def test_a_vector_that_is_not_mapped_is_explained_with_the_walk(paged: Open) -> None:
    session = paged("break refused", "continue")
    target = session.live.target
    assert isinstance(target, EmulatorTarget)
    nowhere = Capability.almighty().set_value(0x90_0000_0000)
    target.inferior.machine.set_sysreg(0, "CVBAR_EL3", nowhere.bits)
    assert "unmapped" in said(session, "continue")
    text = said(session, "explain")
    assert "9000000200 is not mapped." in text
    assert "There is no translation, says the walk of the page tables at level 1." in text


def test_the_past_is_seen_by_virtual_address(paged: Open) -> None:
    session = paged("break end", "continue", recording=True)
    history = session.live.target.history
    assert history is not None
    access = history.last_access(DATA + HIGH, 8, "w", history.now)
    assert access is not None and (access.pc, access.kind) == (SYMBOLS["count"] + 8, "write")
    moment = history.moment(access.mark.tick)
    assert moment.read(DATA + HIGH, 8) == (2).to_bytes(8, "little")
    assert not moment.tag(DATA + HIGH + 16)
    session.execute(f"set var *(long*){DATA + HIGH:#x} = 7")
    changed = history.last_access(DATA + HIGH, 8, "w", history.now)
    assert changed is not None and (changed.kind, changed.label) == ("event", "set")


@pytest.mark.parametrize("offset", [0xFFFF_0000_0000_0000, 1 << 63, 0x80_0000_0000, 0])
def test_names_stand_where_a_program_is_loaded(tmp_path: Path, offset: int) -> None:
    """A kernel is linked in the upper half, and begins where it is loaded; it is recorded so."""
    path, start = tmp_path / "linked.elf", TEXT + offset
    text = code(start, "nop\nb {start}", {"start": start})
    path.write_bytes(elf(start, {TEXT: text}, Linked(offset, symbols={"start": start})))
    session = emulated(str(path))
    session.connect(())
    assert session.live.frame().pc == TEXT
    assert said(session, "info symbol $pc") == "start in M linked.elf"
    places = {TEXT, start} if offset else {TEXT}
    assert {found.address for found in session.live.symbols.find("start")} == places
    session.close()
