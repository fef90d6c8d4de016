"""Where a deployment puts what, against the numbers of the published logs."""

from __future__ import annotations

from pathlib import Path

import pytest
from elves import GIB, HEAD, ONE_CVM, Shape, build, entry
from plan import Plan

from cvmdbg.guests.intravisor import capabilities
from cvmdbg.guests.intravisor.layout import Layout
from cvmdbg.guests.intravisor.monitor import Intravisor
from cvmdbg.target import UserError

LIBOS = Layout(16, 0x400000000, GIB, 0x400000000, 0x440000000, True, 0x75D98)
PYTHON = Layout(16, 0x400000000, GIB, 0x400000000, 0x440000000, False, 0x564BE0)


def test_addresses_of_the_logs() -> None:
    assert (LIBOS.heap, LIBOS.heap_size, LIBOS.stacks) == (0x400076000, 0x3DF8A000, 0x43E000000)
    assert (PYTHON.heap, PYTHON.heap_size) == (0x400565000, 0x3DA9B000)
    assert LIBOS.image_pages == 0x76000
    assert LIBOS.store == 0x43E001000
    slot = LIBOS.slot(0)
    assert (slot.bottom, slot.top, slot.tp, slot.sp) == (0x43FF80000, 0x440000000, 0x43FF81000, 0x43FFFC000)
    assert LIBOS.slot(63).bottom == LIBOS.stacks


def test_pointers() -> None:
    assert PYTHON.absolute(0x3FFFC000) == 0x43FFFC000
    assert PYTHON.relative(0x43FFFC000) == 0x3FFFC000
    assert LIBOS.absolute(0x43FFFC000) == LIBOS.relative(0x43FFFC000) == 0x43FFFC000


@pytest.mark.parametrize(
    ("made", "perms", "base", "length", "offset", "otype"),
    [
        (
            capabilities.seal(capabilities.code(0x400000000, 0x440000000, 0x40014FB6C)),
            0x2C147,
            0x400000000,
            GIB,
            0x14FB6C,
            4,
        ),
        (capabilities.seal(capabilities.data(0x400000000, GIB, 0x400000000)), 0x37145, 0x400000000, GIB, 0, 4),
        (capabilities.seal(capabilities.monitor_code(0x24C1A4)), 0x2C177, 0, 1 << 48, 0x24C1A4, 4),
        (capabilities.seal(capabilities.monitor_data()), 0x3717D, 0, 1 << 48, 0, 4),
        (capabilities.data(0x43FF80000, 0x80000, 0x43FFFC000), 0x37145, 0x43FF80000, 0x80000, 0x7C000, 0),
        (capabilities.data(0x43FF81000, 0x1000, 0x43FF81000), 0x37145, 0x43FF81000, 0x1000, 0, 0),
        (capabilities.code(0x400000000, 0x440000000, 0x400000000, 1), 0x2C143, 0x400000000, GIB, 0, 0),
        (capabilities.data(0x400000000, GIB, 0x400000000, 1), 0x37141, 0x400000000, GIB, 0, 0),
    ],
)
def test_capabilities_of_the_logs(
    made: capabilities.Capability, perms: int, base: int, length: int, offset: int, otype: int
) -> None:
    assert made.tag
    assert (made.perms, made.base, made.length, made.offset, made.otype) == (perms, base, length, offset, otype)


def test_the_heap_capability_is_wider_than_the_heap() -> None:
    """Asked for [400076000, 43e000000) the format gives [400040000, 43e000000): it overlaps the image."""
    made = capabilities.data(LIBOS.heap, LIBOS.heap_size, LIBOS.heap)
    assert (made.value, made.base, made.limit) == (0x400076000, 0x400040000, 0x43E000000)
    other = capabilities.data(0x4400E3000, 0x47E000000 - 0x4400E3000, 0x4400E3000)
    assert (other.base, other.limit) == (0x4400C0000, 0x47E000000)


def opened(folder: Path, shape: Shape | None = None, text: str = ONE_CVM) -> Intravisor:
    (folder / "lib.so").write_bytes(build(shape))
    (folder / "cvm.yaml").write_text(text)
    return Intravisor(folder / "cvm.yaml")


def test_memory_of_a_hybrid_cvm(tmp_path: Path) -> None:
    plan = Plan().start(opened(tmp_path, Shape(data=b"data" * 16)))
    base, stacks = 0x400000000, 0x43E000000
    assert plan.read(base + 0x1020, 4) == b"data"
    assert plan.prot(base) == plan.prot(base + 0x1FFF) == plan.prot(base + 0x2000) == "rwx"
    assert plan.word(base + 0x1000) == 0x2000 and plan.word(base + 0x1010) == stacks - base - 0x2000
    for number in range(64):
        bottom = 0x440000000 - 0x80000 * (number + 1)
        assert plan.word(bottom) == 0xABBACACA
        assert plan.prot(bottom) == ("rw" if number == 63 else "r")
        assert plan.prot(bottom + 0x1000) == "rw"
    assert plan.prot(0x24C000) == "rx" and not plan.prot(0x24A000)


def test_the_tp_words_of_a_hybrid_cvm_lie_over_its_header(tmp_path: Path) -> None:
    plan = Plan().start(opened(tmp_path))
    assert (plan.word(0x400000000), plan.word(0x400000008)) == (0x43E001000, 16)


def test_memory_of_a_purecap_cvm(tmp_path: Path) -> None:
    """Each kind of fragment; relocations in order; ret_from_monitor and the entry in C64."""
    fragments = [(0x1000, 0x10, 2), (0x1010, 0x110, 4), (0x1020, 8, 1), (0x120, 4, 9), (0x130, 4, 0)]
    data = b"".join(
        (address).to_bytes(8, "little") + (size | kind << 56).to_bytes(8, "little")
        for address, size, kind in [(0x1040, 0x10, 2), (0x110, 0, 4), (0x120, 8, 1), (1, 2, 9), (3, 4, 0)]
    )
    shape = Shape(data=data + bytes(16), entry=0x101, symbols={"ret_from_monitor": 0x110})
    shape.relocations = [(0x1000, 0), (0x1010, 1), (0x1020, 0), (0x1030, 0), (0x1040, 0)]
    assert len(fragments) == len(shape.relocations)
    plan = Plan().start(opened(tmp_path, shape))
    base = 0x400000000
    made = [plan.capability(base + 0x1000 + 16 * i) for i in range(5)]
    assert [m.tag for m in made] == [True, True, True, True, False]
    assert (made[0].value, made[0].base, made[0].length, made[0].perms) == (base + 0x1040, base + 0x1040, 16, 0x37145)
    assert (made[1].value, made[1].base, made[1].length, made[1].perms) == (base + 0x111, base, GIB, 0x2C147)
    assert (made[2].value, made[2].length, made[2].perms) == (base + 0x120, 8, 0x37145)
    assert made[3] == made[2]  # an unknown kind repeats the entry before it
    assert plan.word(base + 0x1040) == 3
    assert plan.prot(0x24A000) == "rx" and not plan.prot(0x24C000)
    ca6 = plan.capability(0x440000000 - 0x590 + 16 * 6)
    assert (ca6.offset, ca6.otype) == (0x111, 4)


def test_registers_at_the_entry(tmp_path: Path) -> None:
    plan = Plan().start(opened(tmp_path, Shape(relocations=[], entry=0x101)))
    pcc = capabilities.Capability(plan.register(0, "pcc"))
    assert (pcc.value, pcc.perms, pcc.limit) == (0x24A410 - 23 * 4, 0x2C177, 1 << 48)
    assert plan.register(0, "cctlr") == 0xCC
    assert plan.register(0, "x0") == 0x43E001000
    assert plan.register(0, "x1") == 0x43FFFFA70
    assert plan.started == [0]


def test_clean_room(tmp_path: Path) -> None:
    plan = Plan().start(opened(tmp_path, Shape(relocations=[]), ONE_CVM + "  clean_room: 1\n"))
    caps = [plan.capability(0x43FFFFA70 + 16 * i) for i in range(9)]
    assert [c.perms for c in caps] == [0x2C143, 0x37141, 0x37141, 0x2C177, 0x3717D, 0x2C177, 0x2C143, 0x37141, 0x37141]


@pytest.mark.parametrize("count", range(6))
def test_the_stack_of_a_purecap_thread(tmp_path: Path, count: int) -> None:
    words = " ".join(f"w{i}" for i in range(count))
    plan = Plan().start(opened(tmp_path, Shape(relocations=[]), ONE_CVM.replace("/ld.so", f"/ld.so {words}")))
    sp = 0x43FFFC000
    assert plan.word(sp) == count + 1 and plan.word(sp + 8) == 0xAA
    assert plan.read(plan.word(sp + 16), 7) == b"/ld.so\0"
    images = [a for a in sorted(plan.tags) if sp <= a < sp + 0x1000]
    assert len(images) == 1 and plan.word(images[0] - 16) == 7  # AT_BASE, whatever the number of words
    made = plan.capability(images[0])
    assert (made.base, made.length, made.perms, made.sealed) == (0x400000000, GIB, 0x2C147, False)
    assert (plan.word(images[0] + 16), plan.word(images[0] + 32)) == (3, 0x400000040)


def test_the_stack_of_a_hybrid_thread(tmp_path: Path) -> None:
    plan = Plan().start(opened(tmp_path, None, ONE_CVM.replace("/ld.so", "anything  one two ")))
    base, sp = 0x400000000, 0x43FFFC000
    argv = [plan.word(sp + 8 * i) for i in range(1, 5)]
    assert plan.word(sp) == 3 and argv[3] == 0
    assert [plan.read(base + a, 6) for a in argv[:3]] == [b"/ld.so", b"one\0tw", b"two\0\0\0"]
    assert argv[1] == 0x3FFFD000
    environment = [plan.word(sp + 8 * i) for i in range(5, 12)]
    assert environment[-1] == 0 and plan.read(base + environment[0], 15) == b"LC_ALL=C.UTF-8\0"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("0x440000000", "0x480000000"), "expected begin at or below base and end at base + size, 0x440000000"),
        (("size: 0x40000000", "size: 0x20000000"), "has size 0x20000000, expected 0x40000000"),
        (("base: 0x400000000", "base: 0"), "has base 0x0, expected 0x40000000 to"),
        (("base: 0x400000000", "base: 0x3200000000"), "has base 0x3200000000, expected 0x40000000 to"),
        (("begin: 0x400000000", "begin: 0x400000800"), "must be multiples of 0x1000"),
        (("begin: 0x400000000", "begin: 0x400001000"), "expected begin at or below base"),
        (("  runtime: lib.so\n", ""), "cvm.yaml:3: cVM 'one' has no runtime"),
        (("  runtime: lib.so", "  runtime: ../lib.so"), "it leads out of the folder"),
        (("  runtime: lib.so", "  runtime: /etc/passwd"), "it leads out of the folder"),
        (("  runtime: lib.so", "  runtime: missing.so"), "missing.so: there is no such file"),
        (
            ("out: monitor", "out: libos.so"),
            "wrong SC key libos.so: expected 'monitor' or the runtime of an earlier cVM",
        ),
        (("out: monitor", "out: monitor\n  template: a"), "wants a template or a snapshot, which is not modelled"),
    ],
)
def test_what_cannot_be_deployed(tmp_path: Path, change: tuple[str, str], sentence: str) -> None:
    assert change[0] in ONE_CVM
    with pytest.raises(UserError) as caught:
        opened(tmp_path, None, ONE_CVM.replace(*change))
    assert sentence in str(caught.value)


def test_long_and_many_words_are_cut(tmp_path: Path) -> None:
    """15 words at most, 127 bytes of each."""
    text = HEAD + entry(args="/ld.so " + " ".join(["x" * 900] * 60))
    plan = Plan().start(opened(tmp_path, None, text))
    assert plan.word(0x43FFFC000) == 15
    assert plan.read(0x400000000 + plan.word(0x43FFFC000 + 16), 129) == b"x" * 127 + b"\0x"


@pytest.mark.parametrize(
    ("shape", "sentence"),
    [
        (Shape(symbols={}), "it has no the symbol ret_from_monitor (is it stripped?)"),
        (Shape(entry=0), "it has no an entry point"),
        (Shape(entry=0x9000), "the entry point, 0x9000, lies outside of the image"),
        (Shape(symbols={"ret_from_monitor": 0x110, "syscall_handler": 0x9000}), "symbol syscall_handler, 0x9000"),
        (Shape(bss=1 << 40), "images may have 0x4000000 bytes"),
        (Shape(machine=62), "its machine is 62, expected AArch64 (183)"),
        (Shape(kind=1), "its type is 1, expected an executable or a shared object"),
        (Shape(relocations=[(0x8000, 0)]), "entry 0 of .rela.dyn, offset 0x8000, lies outside of the image"),
        (
            Shape(relocations=[(0x1008, 0)], data=b"\1" * 64, symbols={"ret_from_monitor": 0x110}),
            "offset 0x1008, is not aligned to 16",
        ),
        (
            Shape(relocations=[], symbols={"ret_from_monitor": 8, "cvm_heap_begin": 0x1008, "cvm_heap_size": 0x1020}),
            "cvm_heap_begin, 0x1008, is not aligned to 16",
        ),
    ],
)
def test_what_cannot_be_loaded(tmp_path: Path, shape: Shape, sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        Plan().start(opened(tmp_path, shape))
    assert str(caught.value).startswith("lib.so: ") and sentence in str(caught.value)


def test_a_link_to_a_configuration_leads_to_its_folder(tmp_path: Path) -> None:
    opened(tmp_path)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "link").symlink_to(tmp_path / "cvm.yaml")
    assert Intravisor(elsewhere / "link").modules()[0].name == "lib.so"


def test_foreign_names_stay_in_their_sentence(tmp_path: Path) -> None:
    """Control characters and newlines of a file do not reach the terminal, long names are cut."""
    name = '"a\\n\\e[31m' + "x" * 100 + '"'
    for change in (("name: one", f"name: {name}"), ("runtime: lib.so", f"runtime: {name}"), ("monitor", name)):
        with pytest.raises(UserError) as caught:
            opened(
                tmp_path,
                Shape(symbols={}) if change[0][0] != "r" else None,
                ONE_CVM.replace(*change).replace("0x440", "0x441"),
            )
        said = str(caught.value)
        assert said.isprintable() and len(said) < 300


def test_lone_surrogates(tmp_path: Path) -> None:
    """Half a character is either no YAML or a question mark, as the reader at hand has it."""
    try:
        plan = Plan().start(opened(tmp_path, None, ONE_CVM.replace("args: /ld.so", 'args: "/ld.so \\ud800"')))
    except UserError as error:
        assert "not YAML" in str(error)
    else:
        assert "[1] '?'" in plan.console("monitor")


def test_links_out_of_the_folder_are_not_followed(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "lib.so").write_bytes(build())
    (inside / "lib.so").symlink_to(tmp_path / "lib.so")
    (inside / "cvm.yaml").write_text(ONE_CVM)
    with pytest.raises(UserError, match="leads out of the folder"):
        Intravisor(inside / "cvm.yaml")


TWO = ONE_CVM + entry("two", 0x440000000)


def test_callback_out(tmp_path: Path) -> None:
    """A cVM is called through its syscall_handler by those whose callback_out is the name of its file."""
    symbols = {"ret_from_monitor": 0x110, "syscall_handler": 0x111}
    text = ONE_CVM + entry("two", 0x440000000, callback_out="lib.so")
    guest = opened(tmp_path, Shape(symbols=symbols, relocations=[]), text)
    one, two = guest.compartments()[1:]
    assert (one.inside, two.inside, one.links) == ("M", "16", ("17",))
    gate = [capabilities.Capability(grant.value) for grant in two.grants]
    assert (gate[3].value, gate[3].otype, gate[3].base) == (0x400000111, 4, 0x400000000)
    assert (gate[4].base, gate[4].limit, gate[4].otype) == (0x400000000, 0x440000000, 4)
    assert (gate[5].tag, gate[5].value, gate[5].length) == (False, 0x202FE0, 1 << 64)
    assert two.grants[5].meaning.startswith("untagged")


def test_names_of_twenty_characters_never_match(tmp_path: Path) -> None:
    name = "a" * 17 + ".so"
    (tmp_path / name).write_bytes(build(Shape(symbols={"ret_from_monitor": 0x110, "syscall_handler": 0x111})))
    text = HEAD + entry(runtime=name) + entry("two", 0x440000000, runtime=name, callback_out=name)
    (tmp_path / "cvm.yaml").write_text(text)
    with pytest.raises(UserError, match="wrong SC key aaa"):
        Intravisor(tmp_path / "cvm.yaml")


def test_two_cvms_in_one_place(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"base 0x400000000 belongs to cVM 'one' already"):
        opened(tmp_path, None, ONE_CVM + entry("two"))
    with pytest.raises(UserError, match="overlaps another one"):
        opened(tmp_path, None, ONE_CVM + entry("two", 0x3F0000000))


def test_arguments_replace_those_of_the_last_cvm(tmp_path: Path) -> None:
    opened(tmp_path, None, TWO)
    plan = Plan().start(Intravisor(tmp_path / "cvm.yaml", ("a", "b")))
    assert "args='/ld.so', base=0x400000000" in plan.console("monitor")
    assert "args='/ld.so a b', base=0x440000000" in plan.console("monitor")
    with pytest.raises(UserError, match="splits args at spaces"):
        Intravisor(tmp_path / "cvm.yaml", ("a b",))
