"""Loading at run time in real programs: glibc's and musl's loader, live, in the past, in a recording opened again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cvmdbg.guests.linux.opening import Root
from cvmdbg.launch import emulated, replayed
from cvmdbg.session import Session
from tests.guests.linux.running import PROGRAMS

Begin = Callable[..., Session]
MUSL = "/usr/lib/aarch64-linux-musl"
JSON = "_json.cpython-311-aarch64-linux-gnu.so"
SOURCE = """
import _json, ctypes
try: ctypes.CDLL('libm.so.6').no_such_function
except AttributeError: pass
try: ctypes.CDLL('libnowhere.so')
except OSError: pass
"""


def musl(debian: Path, record: Path | None = None, library: str = f"{MUSL}/libplugin.so") -> Session:
    """The program that opens libplugin.so, which is at a path of the guest."""
    root = Root(str(debian), binds=(f"{PROGRAMS / 'libplugin.so'}:{library}",))
    return emulated(str(PROGRAMS / "dlopen_musl"), (), record, root=root)


def steps(session: Session, *kinds: str) -> list[tuple[str, str, str]]:
    """Kind, module and state of the steps of some kinds."""
    return [(row.kind, row.module, row.state) for row in session.load_rows() if row.kind in kinds]


def halted(session: Session) -> str:
    """Why it stands."""
    assert session.live.halt is not None
    return session.live.halt.text


ASKED = [
    ("dlopen", "libplugin.so", "done"),
    ("dlsym", "libplugin.so", "done"),
    ("dlsym", "libplugin.so", "failed"),
    ("dlclose", "libplugin.so", "done"),
    ("dlopen", "libnowhere.so", "failed"),
]


def test_musls_loader_step_by_step(debian: Path, begun: Begin, tmp_path: Path) -> None:
    lines = ("catch load plugin$", "catch load ^libplugin", "break plugin_answer", "run")
    session = begun(musl(debian, tmp_path / "recording"), *lines)
    assert halted(session) == "catchpoint 2 (loaded libplugin.so)"
    modules = [row.name for row in session.module_rows()]
    assert modules == ["dlopen_musl", "ld-musl-aarch64.so.1", "libplugin.so"]
    session.execute("continue")
    assert halted(session).startswith("breakpoint 3, plugin_answer")
    session.execute("delete")
    session.execute("continue")
    asked = ("dlopen", "dlsym", "dlclose")
    assert steps(session, *asked) == ASKED
    rows = {(row.kind, row.state): row.what for row in session.load_rows()}
    assert rows["dlsym", "done"].startswith("plugin_answer → ") and rows["dlsym", "done"].endswith(" of libplugin.so")
    assert rows["dlsym", "failed"] == "plugin_nothing → null: no module that libplugin.so reaches defines it"
    assert f"{MUSL}/libnowhere.so: ENOENT" in rows["dlopen", "failed"]
    assert rows["missing", "failed"] == "not found: 2 paths tried"
    whole = session.load_rows()
    session.execute("goto 75%")
    assert 0 < len(steps(session, *asked)) < len(ASKED)
    session.close()

    again = begun(replayed(str(tmp_path / "recording")))
    again.execute("goto end")
    assert again.load_rows() == whole
    again.execute("catch load plugin")
    again.execute("reverse-continue")
    assert halted(again) == "catchpoint 1 (before libplugin.so was loaded)"
    assert "libplugin.so" not in [row.name for row in again.module_rows()]
    assert steps(again, *asked) == []
    again.execute("continue")
    assert halted(again) == "catchpoint 1 (loaded libplugin.so)"


def test_a_library_that_is_not_where_the_loader_looks(debian: Path, begun: Begin) -> None:
    session = begun(musl(debian, library="/usr/lib/libplugin.so"), "run")
    failed = [row for row in session.load_rows() if row.module == "libplugin.so"]
    assert [(row.kind, row.state) for row in failed] == [
        ("dlopen", "failed"),
        *[("tried", "failed")] * 2,
        ("missing", "failed"),
    ]
    assert f"{MUSL}/libplugin.so: ENOENT" in failed[0].what


def test_a_symbol_is_caught_when_it_is_bound_in_a_module_to_come(debian: Path, begun: Begin) -> None:
    session = emulated("/usr/bin/python3.11", ("-P", "-c", "import _json"), None, root=Root(str(debian)))
    begun(session, "catch reloc PyErr_NewException", f"catch load {JSON}", "run")
    assert halted(session) == f"catchpoint 2 (loaded {JSON})"
    assert {row.state for row in session.relocation_rows(only="PyUnicode_")} >= {"expected"}
    session.execute("delete 2")
    session.execute("catch reloc PyUnicode_AsUTF8AndSize")
    session.execute("catch reloc PyUnicode_New")
    bound = session.execute("continue").lines[0]
    assert f"of {JSON}, write by" in bound and "catchpoint" in bound
    forth = session.live.target.stop.tick
    session.execute("stepi")
    session.execute("reverse-continue")
    assert forth is not None and session.live.target.stop.tick == forth - 1


def test_pythons_extension_modules_are_loaded_step_by_step(debian: Path, begun: Begin, tmp_path: Path) -> None:
    root = Root(str(debian))
    session = emulated("/usr/bin/python3.11", ("-P", "-c", SOURCE), tmp_path / "recording", root=root)
    begun(session, "tbreak PyInit__json", "run")
    assert halted(session).startswith("temporary breakpoint 1, PyInit__json")
    mine = [row for row in session.load_rows() if row.module == JSON]
    assert [row.kind for row in mine if row.kind != "map"] == ["dlopen", "open", "read", "relocate", "init", "dlsym"]
    assert "at run time: no module needs it" in mine[1].what and "/usr/lib/python3.11/lib-dynload/" in mine[1].what
    assert {row.state for row in session.relocation_rows(only=JSON)} <= {"done", "lazy"}
    own = session.relocation_rows(only="python3.11")  # a program that is linked at its own address
    assert {row.state for row in own} <= {"done", "lazy"} and len(own) > 100
    session.execute("continue")
    failed = [(row.kind, row.module) for row in session.load_rows() if row.state == "failed"]
    assert ("dlsym", "libm.so.6") in failed and ("dlopen", "libnowhere.so") in failed
    whole = steps(session, "dlopen", "dlsym", "open", "needs", "missing")
    session.close()
    again = begun(replayed(str(tmp_path / "recording")), "goto end")
    assert steps(again, "dlopen", "dlsym", "open", "needs", "missing") == whole
