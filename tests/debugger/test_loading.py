"""Dynamic loading: relocations against the loader's own lines, steps against the files, what did not resolve."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cvmdbg.analysis.relocations import Relocations
from cvmdbg.dynamic import Dynamic
from cvmdbg.elf import ElfImage
from cvmdbg.guests.linux.opening import Root
from cvmdbg.launch import emulated, replayed
from cvmdbg.session import Session
from cvmdbg.target import UserError
from emulator_core.capability import Capability
from tests.debugger.conftest import Open

SAID = re.compile(r"(?:CAPINIT|RELATIVE): ([0-9a-f]+) --> ([0-9a-f]+), tag (\d)")
LIBRARIES = Path("/usr/aarch64-linux-gnu/lib")
SOURCE = r"""
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
int main(void) {
    printf("home %s\n", getenv("HOME"));
    void *library = dlopen("libm.so.6", RTLD_NOW);
    double (*function)(double) = library ? dlsym(library, "cos") : 0;
    printf("%g\n", function ? function(0) : -1);
    dlclose(library);
    return 0;
}
"""


def test_each_slot_holds_what_the_loader_says_it_minted(opened: Open) -> None:
    session = opened("libhello", "run")
    said = {int(slot, 16): (int(value, 16), tag) for value, slot, tag in SAID.findall(_console(session))}
    rows = {row.slot: row for row in session.relocation_rows() if row.module in ("app1", "libso_test.so")}
    assert set(rows) == set(said) and len(said) > 10
    for slot, (value, tag) in said.items():
        minted = rows[slot].minted
        assert minted is not None and (minted & (1 << 64) - 1, str(minted >> 128)) == (value, tag)
        assert rows[slot].state == "done"


def _console(session: Session) -> str:
    return "\n".join(row.text for row in session.output_rows())


def test_providers_seals_and_wide_bounds(opened: Open) -> None:
    rows = opened("libhello", "run").relocation_rows(only="app1")
    calls = {row.symbol: row for row in rows if row.kind == "JUMP_SLOT"}
    assert calls["libhello"].provider == "17 libso_test.so" and not calls["libhello"].note
    assert calls["puts"].provider == "17 libldso.so" and calls["puts"].note.startswith("wide: 1G")
    bits = calls["puts"].minted
    assert bits is not None and Capability(bits).otype == 1  # a sentry: RB


def test_the_tour_in_the_middle_of_a_load(opened: Open) -> None:
    session = opened("libhello", "break 17:relocate_symbol", "run", "continue", "continue")
    modules = {row.name: row for row in session.module_rows()}
    assert modules["app1"].base == 0x440004000 and modules["app1"].needs == ("libso_test.so", "libldso.so")
    rows = session.relocation_rows(only="app1")
    states = [row.state for row in rows]
    assert states == ["done"] * 4 + ["expected"] * 6
    assert (
        next(row.value for row in rows if row.symbol == "libhello") == session.live.symbols.find("libhello")[0].address
    )
    steps = session.load_rows()
    under_way = next(row for row in steps if (row.module, row.kind) == ("app1", "relocate"))
    assert (under_way.state, under_way.what) == ("now", "4 of 10")
    opens = [(row.module, row.what) for row in steps if row.kind == "open"]
    assert opens == [("app1", "/app1"), ("libso_test.so", "/usr/lib/libso_test.so")]
    text = "\n".join(session.execute("info load app1").lines)
    assert "relocate  4 of 10" in text


def test_a_library_of_dlopen_is_asked_for_at_run_time(opened: Open) -> None:
    steps = opened("dlopen", "run").load_rows()
    opens = {row.module: row.what for row in steps if row.kind == "open"}
    assert opens["libplugin.so"].endswith("at run time: no module needs it")
    assert opens["libso_test.so"] == "/usr/lib/libso_test.so"


@pytest.fixture
def recording() -> Iterator[Session]:
    """The sample of a load that is over, standing at its end."""
    session = replayed("sessions/samples/libhello-1.cvmrec")
    session.connect()
    yield session
    session.close()


def _states(session: Session) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for row in session.relocation_rows():
        found.setdefault(row.module, []).append(row.state)
    return found


def test_a_recorded_load_at_its_end_half_way_and_before_it(recording: Session) -> None:
    whole = recording.load_rows()
    before = {"libos.so": ["done"] * 7, "libldso.so": ["done"] * 17}
    assert _states(recording) == {**before, "app1": ["done"] * 10, "libso_test.so": ["done"] * 3}
    recording.execute("goto 50%")
    tick = recording.live.target.stop.tick
    assert _states(recording) == {**before, "app1": ["expected"] * 10}
    missing = recording.relocation_rows(only="libhello")[0]
    assert missing.note == "no module defines it yet: libso_test.so not loaded"
    traced = [row for row in whole if row.tick is not None and tick is not None and row.tick < tick]
    assert [row for row in recording.load_rows() if row.tick is not None] == traced
    assert ("open", "libso_test.so") in {(row.kind, row.module) for row in traced} and len(traced) < len(whole)
    recording.execute("goto start")
    assert _states(recording) == before
    assert [row.what for row in recording.load_rows()] == ["7 of 7", "17 of 17"]
    recording.execute("goto end")
    assert recording.load_rows() == whole


def test_slots_fill_and_empty_as_a_recording_runs_both_ways(recording: Session) -> None:
    rows = recording.execute("info relocations -when app1").value
    ticks = sorted(row["filled"] for row in rows)
    assert len(set(ticks)) == 10
    for done, tick in enumerate(ticks):
        recording.execute(f"goto @{tick}")
        assert recording.relocation_rows(only="app1")[0].badge == "17"
        assert _states(recording)["app1"].count("done") == done
    recording.execute("goto start")
    recording.execute("catch reloc exit")
    recording.execute("continue")
    forth = recording.live.target.stop.tick
    recording.execute("continue")
    recording.execute("reverse-continue")
    assert forth is not None and recording.live.target.stop.tick == forth - 1 and forth - 1 in ticks
    recording.execute("reverse-continue")
    assert recording.live.halt is not None and recording.live.halt.kind == "history"


def test_the_monitors_own_pass_is_listed(opened: Open) -> None:
    rows = opened("libhello").relocation_rows(only="libos.so")
    assert rows and all(row.state == "done" and row.minted is not None for row in rows)
    assert opened("hello").relocation_rows() == ()


def test_commands(opened: Open) -> None:
    session = opened("libhello", "run")
    result = session.execute("info relocations puts")
    assert len(result.lines) == 3 and result.opens == "relocations"
    assert "no relocation has nonsense" in session.execute("info relocations nonsense").lines[0]
    assert all("JUMP_SLOT" in line or "GLOB_DAT" in line for line in session.execute("info got app1").lines[1:])


def test_a_broken_dynamic_section_is_one_sentence() -> None:
    content = bytearray(Path("cvmdbg/demo/purecap/libhello/app1").read_bytes())
    image = ElfImage(bytes(content), "app1")
    header = next(image.raw.iter_segments("PT_DYNAMIC"))
    for offset in range(header["p_offset"], header["p_offset"] + header["p_filesz"], 8):
        broken = bytearray(content)
        broken[offset : offset + 8] = b"\xff" * 8
        dynamic = Dynamic(ElfImage(bytes(broken), "broken"))
        try:
            assert len(dynamic.relocations) + len(dynamic.needed) >= 0
        except UserError as error:
            assert "broken" in str(error)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with a dynamic glibc program."""
    if shutil.which("aarch64-linux-gnu-gcc") is None or not (LIBRARIES / "ld-linux-aarch64.so.1").exists():
        pytest.skip("no AArch64 cross compiler with its C library: it makes the dynamic program")
    folder = tmp_path_factory.mktemp("root")
    for name in ("bin", "lib"):
        (folder / name).mkdir()
    for name in ("ld-linux-aarch64.so.1", "libc.so.6", "libm.so.6"):
        shutil.copy(LIBRARIES / name, folder / "lib" / name)
    (folder / "dynamic.c").write_text(SOURCE)
    command = ["aarch64-linux-gnu-gcc", "-o", folder / "bin/dynamic", folder / "dynamic.c"]
    subprocess.run(command, check=True, capture_output=True)
    return folder


def test_glibcs_loader_step_by_step(root: Path) -> None:
    session = emulated("/bin/dynamic", (), None, False, Root(str(root)))
    session.connect()
    session.execute("break main")
    session.execute("run")
    live = session.live
    relocations = Relocations(live, live.loading.dynamics)
    of = {module.entry.module.name: relocations.of(module) for module in relocations.modules}
    assert set(of) == {"dynamic", "libc.so.6", "ld-linux-aarch64.so.1"} and len(of["libc.so.6"]) > 1000
    assert {row.state for rows in of.values() for row in rows} <= {"done", "lazy"}
    lazy = next(row for row in of["dynamic"] if row.symbol == "getenv")
    assert (lazy.state, lazy.provider) == ("lazy", "17 libc.so.6")
    session.execute("catch reloc getenv")
    session.execute("continue")
    assert live.halt is not None and f"slot {lazy.slot:x} of dynamic, write by " in live.halt.text
    assert "getenv" in live.halt.lines[0] and live.halt.lines[0].startswith("✓")
    session.execute("continue")
    steps = [(row.kind, row.module) for row in session.load_rows()]
    assert ("tried", "libc.so.6") in steps and ("unmap", "libm.so.6") in steps
    opened = {row.module: row.what for row in session.load_rows() if row.kind == "open"}
    assert opened["libm.so.6"].endswith("at run time: no module needs it")
    session.close()


def test_dlsym_says_which_capability_it_minted(opened: Open) -> None:
    session = opened("dlopen", "run")
    said = {row.what.partition(" → ")[0]: row for row in session.load_rows() if row.kind == "dlsym"}
    assert {name: row.state for name, row in said.items()} == {
        "plugin_name": "done",
        "plugin_answer": "done",
        "plugin_question": "failed",
    }
    assert re.search(r"→ \w+ ● \[\w+,\w+ \+\d+\] plugin_name of libplugin\.so$", said["plugin_name"].what)
    assert re.search(r"→ \w+ ● RB \[\w*E\w*,.* plugin_answer of libplugin\.so$", said["plugin_answer"].what)
    assert session.execute("info load dlopen").lines[1].endswith("libplugin.so → 440006020")
    session.execute(f"goto @{(said['plugin_name'].tick or 0) - 10}")
    assert [row.kind for row in session.load_rows() if row.kind.startswith("dl")] == ["dlopen"]
    session.execute("goto start")
    assert [row.kind for row in session.load_rows() if row.kind.startswith("dl")] == []
