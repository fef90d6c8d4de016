"""Symbols: names and places of the shipped guests, locations as people write them, twins, broken files."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import pytest

from cvmdbg.demo import ROOT
from cvmdbg.dwarf.info import DebugInfo
from cvmdbg.elf import ElfImage
from cvmdbg.launch import emulated
from cvmdbg.locations import locate
from cvmdbg.symbols import check_twin
from cvmdbg.target import UserError
from tests.debugger.conftest import Open

HELLO = ROOT / "hybrid/hello/libhello.so"
LDSO = ROOT / "purecap/libhello/libldso.so"


def image(path: Path) -> ElfImage:
    """A parsed file."""
    return ElfImage(path.read_bytes(), path.name)


def test_purecap_symbols_lose_their_mode_bit() -> None:
    found = image(LDSO)
    (start,) = found.by_name["_dlstart"]
    assert (start.address, start.c64, start.size % 4) == (0x12F4, True, 0)
    assert found.purecap
    assert found.entry == 0x12F4
    assert found.mode_at(start.address) == "c64"


def test_hybrid_symbols() -> None:
    found = image(HELLO)
    assert not found.purecap
    assert found.mode_at(0x3C8) == "a64"
    assert found.mode_at(0x468) == "data"  # the literal pool behind syscall_handler
    assert found.symbol_at(0x404) == found.by_name["hostcall"][0]
    assert found.function_start(0x448) == found.by_name["c_out"][0].address  # behind ret_from_monitor, a label


def test_a_label_names_nothing_in_another_section() -> None:
    found = image(HELLO)
    assert found.symbol_at(0x6B0) is None  # a string in .rodata


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("fibonacci", (0x4000001FC,)),
        ("main.c:20", (0x4000001FC,)),
        ("hello/main.c:20", (0x4000001FC,)),
        ("hybrid/hello/main.c:20", (0x4000001FC,)),
        ("*0x4000003c8", (0x4000003C8,)),
        ("*4000003c8", (0x4000003C8,)),
        ("*fibonacci", (0x4000001EC,)),
        ("*fibonacci + 8", (0x4000001F4,)),
        ("fibonacci+8", (0x4000001F4,)),
        ("16:fibonacci", (0x4000001FC,)),
        ("hello:fibonacci", (0x4000001FC,)),
        ("'libhello.so'::fibonacci", (0x4000001FC,)),
        ("libhello.so:fibonacci", (0x4000001FC,)),
        ("16:3c8", (0x4000003C8,)),
        ("16:0x3c8", (0x4000003C8,)),
        ("*16:0x3c8", (0x4000003C8,)),
        ("c_out", (0x400000408,)),  # assembly has no prologue to skip
        ("hostcall_asm", (0x24C1A4,)),
        ("ret_from_monitor", (0x400000444,)),
        ("*$pc", (0x24C14C,)),
    ],
)
def test_locations(opened: Open, text: str, addresses: tuple[int, ...]) -> None:
    session = opened("hello", "stepi") if text == "*$pc" else opened("hello")
    if text == "*$pc":
        addresses = (session.live.frame().pc,)
    assert locate(session.live, text).addresses == addresses


def test_a_symbol_of_several_modules_has_a_site_in_each(opened: Open) -> None:
    session = opened("libhello")
    location = locate(session.live, "syscall_handler")
    assert location.badges == ("16", "17")
    assert len(location.addresses) == 2
    assert locate(session.live, "syscall_handler", inside="16").addresses == location.addresses[:1]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("main.c:9999", "no code at line 9999"),
        ("nowhere:fibonacci", "no compartment or module is called nowhere"),
        ("1 + ", "is no location"),
        ("16:ffffffffffff", "neither an address"),
        ("*nonsense", "no symbol"),
    ],
)
def test_wrong_locations(opened: Open, text: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        locate(opened("hello").live, text)


def test_a_line_without_code_moves_to_the_next(opened: Open) -> None:
    location = locate(opened("hello").live, "main.c:25")
    assert location.text == "main.c:27"
    assert "line 27" in location.note


def test_pending_until_the_module_comes(opened: Open) -> None:
    session = opened("libhello", "break libhello")
    assert session.breakpoint_rows()[0].pending == "no module with libhello yet"
    session.execute("run")
    (row,) = session.breakpoint_rows()
    assert (row.pending, row.hits, len(row.sites)) == ("", 1, 1)
    assert session.status().place == "17 ldso"
    modules = {m.name: m for m in session.module_rows()}
    assert modules["libso_test.so"].base == 0x440007000
    assert modules["app1"].state == "loaded"


def test_a_module_by_name_is_waited_for(opened: Open) -> None:
    session = opened("libhello", "break libso_test.so:libhello")
    assert session.breakpoint_rows()[0].pending == "no module libso_test.so yet"
    session.execute("run")
    assert session.breakpoint_rows()[0].sites == (0x440007290,)


def test_breakpoints_wait_again_after_a_restart(opened: Open) -> None:
    session = opened("libhello", "break main", "run", "run")
    (row,) = session.breakpoint_rows()
    assert (row.hits, row.pending) == (1, "")


def test_file_variables_and_types() -> None:
    debug = DebugInfo(image(HELLO))
    variable = debug.variable("calls")
    assert variable is not None
    assert variable.places[0].expression == b"\x03" + struct.pack("<Q", 0x1B18)
    assert debug.type_named("point", "struct") is not None
    assert debug.type_named("point") is None


# ---- twins ----

SHIFT = 0x20000000


def moved(content: bytes, shift: int) -> bytearray:
    """The same file linked at another image base, without DWARF: addresses of headers, sections and symbols move."""
    out = bytearray(content.replace(b".debug_", b".gebud_"))
    phoff, shoff = struct.unpack_from("<QQ", out, 32)
    phnum, shnum = struct.unpack_from("<H", out, 56)[0], struct.unpack_from("<H", out, 60)[0]
    struct.pack_into("<Q", out, 24, struct.unpack_from("<Q", out, 24)[0] + shift)
    for index in range(phnum):
        for field in (16, 24):
            at = phoff + 56 * index + field
            struct.pack_into("<Q", out, at, struct.unpack_from("<Q", out, at)[0] + shift)
    for index in range(shnum):
        header = shoff + 64 * index
        kind, flags, address, offset, size = struct.unpack_from("<IQQQQ", out, header + 4)
        if flags & 2:
            struct.pack_into("<Q", out, header + 16, address + shift)
        if kind == 2:
            for at in range(offset, offset + size, 24):
                if struct.unpack_from("<H", out, at + 6)[0] not in (0, 0xFFF1):
                    struct.pack_into("<Q", out, at + 8, struct.unpack_from("<Q", out, at + 8)[0] + shift)
    return out


def test_a_twin_with_another_image_base_lends_its_names(opened: Open, tmp_path: Path) -> None:
    twin = tmp_path / "libhello_debug.so"
    twin.write_bytes(moved(HELLO.read_bytes(), SHIFT))
    assert image(twin).image_base == SHIFT
    session = opened("hello")
    result = session.execute(f"symbol-file {twin} in 16")
    assert "same layout and code" in result.text
    entry = session.live.symbols.loaded[0]
    assert entry.bias == 0x400000000 - SHIFT
    named = session.live.symbols.name_at(0x4000001F0)
    assert named is not None
    assert named.text == "fibonacci+4"
    session.execute("break *fibonacci")
    session.execute("run")
    assert session.status().reason == "breakpoint 1, fibonacci"


def test_the_same_file_agrees_by_its_digest(opened: Open) -> None:
    session = opened("hello")
    assert "SHA-256" in session.execute(f"symbol-file {HELLO}").text


def test_a_twin_beside_the_guest_is_found(tmp_path: Path) -> None:
    content = HELLO.read_bytes()
    (tmp_path / "cvm.yaml").write_text((HELLO.parent / "cvm.yaml").read_text())
    (tmp_path / "libhello.so").write_bytes(content.replace(b".debug_", b".gebud_"))
    (tmp_path / "libhello_debug.so").write_bytes(content)
    session = emulated(str(tmp_path))
    session.connect()
    (row,) = session.module_rows()
    assert (row.symbols, row.state) == ("dwarf", "symbols from libhello_debug.so")
    assert any("come from libhello_debug.so" in line.line for line in session.output_rows())
    session.close()
    (tmp_path / "libhello_debug.so").write_bytes(LDSO.read_bytes())
    session = emulated(str(tmp_path))
    session.connect()
    assert session.module_rows()[0].symbols == "symbols"
    assert any("libhello_debug.so is no twin of libhello.so" in line.line for line in session.output_rows())
    session.close()


def test_another_build_is_refused(opened: Open, tmp_path: Path) -> None:
    content = moved(HELLO.read_bytes(), SHIFT)
    content[0x1F0] ^= 1
    twin = tmp_path / "other.so"
    twin.write_bytes(content)
    with pytest.raises(UserError, match=r"\.text differs at \+0xa0"):
        opened("hello").execute(f"symbol-file {twin} in 16")
    loaded = opened("hello").live.symbols.loaded[0]
    with pytest.raises(UserError, match="segments differ"):
        check_twin(loaded, image(LDSO))


# ---- hostile files ----


def _everything(content: bytes) -> None:
    """Ask a file for all that the debugger ever asks."""
    found = ElfImage(content, "broken.so")
    assert isinstance(found.symbols, tuple)
    found.symbol_at(0x400)
    found.mode_at(0x400)
    found.function_start(0x400)
    assert isinstance(found.dynamic, dict)
    debug = DebugInfo(found)
    debug.line_at(0x400)
    debug.function_at(0x400)
    debug.rule_at(0x200)
    debug.variable("calls")
    if debug.present:
        debug.lines.starts_of("main.c", 20)


def test_hostile_files_are_sentences() -> None:
    chance = random.Random(20240607)
    files = [HELLO.read_bytes(), LDSO.read_bytes()]
    refused = 0
    for _ in range(150):
        content = bytearray(chance.choice(files))
        if chance.random() < 0.3:
            del content[chance.randrange(len(content)) :]
        for _ in range(chance.choice((1, 3, 30))):
            if content:
                content[chance.randrange(len(content))] = chance.randrange(256)
        try:
            _everything(bytes(content))
        except UserError as error:
            assert str(error).startswith("broken.so")
            assert len(str(error)) < 300
            refused += 1
    assert refused > 10


@pytest.mark.parametrize("content", [b"", b"\x7fELF", b"MZ" * 100, b"\x7fELF\x01\x01\x01" + bytes(60)])
def test_what_is_no_elf_file_is_a_sentence(content: bytes) -> None:
    with pytest.raises(UserError, match=r"^x\.so: "):
        ElfImage(content, "x.so")
