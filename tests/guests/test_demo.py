"""The guests that ship are what their sources made: sums, archives, and what may be opened."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
from elves import EXEC, ONE_CVM, Shape, build
from plan import Plan

from cvmdbg import demo
from cvmdbg.demo import manifest, mkcpio
from cvmdbg.guests import cpio
from cvmdbg.guests.bare import RAM, Bare
from cvmdbg.guests.guest import Boundary, BoundaryKind
from cvmdbg.guests.intravisor.monitor import Intravisor
from cvmdbg.guests.opening import open_guest, source_directories
from cvmdbg.target import UserError
from sessions.event import ThreadStart

RECORDED: dict[str, dict[str, object]] = json.loads((demo.ROOT / "manifest.json").read_text())
BUILT = {
    str(path.relative_to(demo.ROOT))
    for pattern in ("**/*.so", "**/app1", "**/*.cpio", "**/*.elf")
    for path in demo.ROOT.glob(pattern)
}


def test_every_built_file_is_recorded() -> None:
    assert set(RECORDED) == BUILT


@pytest.mark.parametrize("binary", sorted(RECORDED))
def test_sources_are_those_it_was_built_from(binary: str) -> None:
    assert RECORDED[binary] == manifest.manifest()[binary], f"{binary}: rebuild it, then run manifest.py"
    assert RECORDED[binary]["sources"]


def test_every_source_is_recorded() -> None:
    named = {source for row in RECORDED.values() for source in row["sources"]}  # type: ignore[attr-defined]
    sources = {
        str(p.relative_to(demo.ROOT)) for p in demo.ROOT.glob("*/**/*") if p.suffix in (".S", ".c", ".h", ".inc")
    }
    assert sources <= named


def test_archives_are_what_mkcpio_makes(tmp_path: Path) -> None:
    folder = demo.path("demo:libhello")
    pairs = [f"app1={folder / 'app1'}", "usr/", "usr/lib/", f"usr/lib/libso_test.so={folder / 'libso_test.so'}"]
    mkcpio.main(str(tmp_path / "root.cpio"), *pairs)
    packed = (tmp_path / "root.cpio").read_bytes()
    assert packed == (folder / "root.cpio").read_bytes()
    assert set(cpio.unpack(packed, "root.cpio")) == {"/app1", "/usr/lib/libso_test.so"}


def test_names() -> None:
    assert demo.names()[0] == "libhello"
    assert {"hello", "faults", "threads", "two_layers", "dlopen", "files", "overrun", "hello.elf"} <= set(demo.names())
    assert demo.path("demo:") == demo.path("demo:libhello")
    with pytest.raises(UserError, match="there is no demo 'nothing': expected one of libhello, "):
        demo.path("demo:nothing")


def test_sources_are_found_from_the_folder_or_above() -> None:
    """DWARF names them relative to the folder that the build was started in."""
    for name, source in (
        ("hello", "hybrid/hello/main.c"),
        ("libhello", "purecap/ldso/load.S"),
        ("hello.elf", "bare/hello.S"),
    ):
        assert any((folder / source).is_file() for folder in source_directories(f"demo:{name}"))


def test_the_content_decides(tmp_path: Path) -> None:
    """A folder, a cvm.yaml and an ELF are known whatever they are called."""
    (tmp_path / "lib.so").write_bytes(build())
    (tmp_path / "cvm.yaml").write_text(ONE_CVM)
    (tmp_path / "config.elf").write_text(ONE_CVM)
    (tmp_path / "program.yaml").write_bytes(build(Shape(kind=EXEC)))
    assert isinstance(open_guest(str(tmp_path)), Intravisor)
    assert isinstance(open_guest(str(tmp_path / "config.elf")), Intravisor)
    assert isinstance(open_guest(str(tmp_path / "program.yaml")), Bare)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "there is no such file or folder; demo:NAME is one of libhello"),
        (b"", "there is no cVM"),
        (b"\x89PNG\0\0", "neither an ELF file nor a cvm.yaml"),
        (b"hello", "expected a section"),
        (build(), "a shared object runs inside a cVM: name the cvm.yaml whose runtime it is"),
        (build(Shape(kind=EXEC, machine=62)), "its machine is 62, expected AArch64"),
        (build(Shape(kind=EXEC))[:40], "not an ELF file"),
        (build(Shape(kind=EXEC, bss=RAM)), "past the end of RAM"),
        (build(Shape(kind=EXEC, entry=RAM)), "its entry point, 0x13000000, lies past the end of RAM"),
    ],
)
def test_what_cannot_be_opened(tmp_path: Path, content: bytes | None, sentence: str) -> None:
    path = tmp_path / "file"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        open_guest(str(path))
    assert sentence in str(caught.value) and "\n" not in str(caught.value)


def test_folders_and_devices(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"the folder holds no cvm\.yaml"):
        open_guest(str(tmp_path))
    with pytest.raises(UserError, match="expected a file or a folder"):
        open_guest("/dev/null")


def test_bare_programs_take_no_arguments() -> None:
    with pytest.raises(UserError, match=r"hello\.elf is a bare-metal program: it takes no arguments"):
        open_guest("demo:hello.elf", ("a",))


def test_a_bare_program_is_loaded_by_physical_address(tmp_path: Path) -> None:
    content = bytearray(build(Shape(kind=EXEC, entry=0x101, data=b"data" * 16)))
    struct.pack_into("<Q", content, 64 + 56 + 24, 0x8000)  # p_paddr of the second program header
    (tmp_path / "x").write_bytes(content)
    guest = open_guest(str(tmp_path / "x"))
    plan = Plan()
    started = [effect for outcome in guest.start() for effect in outcome.effects]
    for effect in started:
        plan.apply(effect)
    assert plan.read(0x8000, 4) == b"data" and plan.read(0x1000, 4) == bytes(4)
    assert ThreadStart(0, "system") in started
    assert plan.register(0, "pcc") & 0xFFFF == 0x100 and plan.register(0, "cpsr") >> 26 & 1


def test_the_tube() -> None:
    guest, plan = open_guest("demo:hello.elf"), Plan()
    for outcome in guest.start():
        plan.take(outcome)

    def store(value: int, size: int = 1, address: int = RAM) -> object:
        boundary = Boundary(BoundaryKind.DEVICE, 0, address=address, size=size, value=value)
        return plan.take(guest.boundary(boundary, plan)).stop

    for byte in b"one\ntw":
        assert store(byte) is None
    assert plan.console("guest") == "one\n"
    saved = guest.save()
    assert store(4) is None
    assert plan.console("guest") == "one\ntw" and plan.exit_status == 0
    guest.load(saved)
    assert store(ord("o")) is None and store(10) is None
    assert plan.console("guest") == "one\ntwtwo\n"
    assert store(0x41, size=4) is not None and store(0x41, address=RAM + 8) is not None
