"""The table of a running Intravisor: of a program of our own that has one, with and without DWARF; of any bytes."""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from cvmdbg.elf import ElfImage
from cvmdbg.guests.intravisor import tables
from cvmdbg.guests.intravisor.layout import CVM_MAX_SIZE
from cvmdbg.guests.intravisor.tables import TABLE, boxes, known_shapes, shape_of
from cvmdbg.launch import remote
from cvmdbg.session import Session
from cvmdbg.target import Stop, TargetError, UserError
from tests.targets.test_remote_peers import attached, built, free_port, needed

PROGRAM = r"""
#define CAP __attribute__((aligned(16)))
struct cap { CAP unsigned char bytes[16]; };
struct thread { void *func, *cb_in, *cb_out, *stack, *arg; unsigned long stack_size; int id; struct cap c_tp, m_tp;
                int argc; void *argv, *tid, *tattr, *sbox, *cs; };
struct caps { unsigned long size; struct cap sealcap, sealed_codecap, sealed_datacap, dcap, sealed_codecapt,
              sealed_codecapt2, sealed_datacapt, sealed_ret_from_mon; };
struct box {
    void *base, *top; unsigned long box_size; void *stack; unsigned long stack_size;
    struct thread threads[63]; void *ct_lock; char cpuset[CPUSET]; struct caps box_caps;
    unsigned long cmp_begin, cmp_end; void *entry; unsigned long ret_from_mon;
    void *disk[3]; char disk_image[100]; int fd; char pure, clean_room, use_scl;
    void *cr, *cap_relocs; unsigned long cap_relocs_size; void *rd, *rela_dyn; unsigned long rela_dyn_size;
    unsigned long end_of_ro, extra_load; struct box *inner, *outer; unsigned long cid;
};
struct box cvms[200];
static void deploy(int cid, int server, int pure) {
    struct box *b = &cvms[cid];
    b->base = (void *)(cid * 0x40000000ul);
    b->top = (void *)((cid + 1) * 0x40000000ul);
    b->cmp_begin = (unsigned long)b->base;
    b->cmp_end = (unsigned long)b->top;
    b->entry = (void *)0x1234ul;
    b->pure = pure;
    b->outer = server ? &cvms[server] : 0;
    b->box_caps.sealed_codecapt.bytes[0] = 0x78;
    b->cid = cid;
}
void deployed(void) {}
void broken(void) {}
int main(void) {
    deploy(16, 0, 1);
    deploy(17, 16, 0);
    deployed();
    cvms[17].cid = 99;
    cvms[16].base = 0;
    cvms[16].top = 0;
    broken();
    return 0;
}
"""


def monitor(folder: Path, *options: str, cpuset: int = 32) -> Path:
    """A program that has such a table."""
    needed("gcc")
    source, program = folder / "monitor.c", folder / "monitor"
    source.write_text(PROGRAM, "utf-8")
    words = ["gcc", "-O0", f"-DCPUSET={cpuset}", *options, "-o", str(program), str(source)]
    subprocess.run(words, check=True, timeout=60)
    return program


@pytest.mark.parametrize("cpuset", [32, 128])
def test_the_known_layouts_are_the_compilers(tmp_path: Path, cpuset: int) -> None:
    described = shape_of(ElfImage(monitor(tmp_path, "-g", cpuset=cpuset).read_bytes(), "monitor"), "monitor")
    known = shape_of(ElfImage(monitor(tmp_path, cpuset=cpuset).read_bytes(), "monitor"), "monitor")
    assert described.size == known.size
    assert {name: known.members[name] for name in described.members} == dict(described.members)
    assert set(described.members) == {*tables.NUMBERS, *tables.CAPABILITIES}


def test_a_table_of_another_size_needs_dwarf(tmp_path: Path) -> None:
    image = ElfImage(monitor(tmp_path, cpuset=64).read_bytes(), "monitor")
    with pytest.raises(UserError, match="its cvms has 1920000 bytes and no DWARF describes it; known are 1913600, 19"):
        shape_of(image, "monitor")
    assert shape_of(ElfImage(monitor(tmp_path, "-g", cpuset=64).read_bytes(), "m"), "m").size == 9600


@pytest.mark.parametrize("options", [("-g",), (), ("-g", "-no-pie"), ("-static-pie",)], ids=" ".join)
def test_a_running_monitor_is_looked_into(tmp_path: Path, options: Sequence[str]) -> None:
    needed("gdbserver")
    program, runtime = monitor(tmp_path, *options), built("gcc", tmp_path, "-Wl,-e,0x1234")
    words = ["gdbserver", "--once", f"localhost:{free_port()}", str(program)]
    with started(words):
        session = connected(words[2], program, runtime)
        assert [c.badge for c in session.live.places.compartments] == ["M"]  # nothing is deployed before main
        session.execute("tbreak deployed")
        session.execute("continue")
        the_map_is_right(session)
        session.execute("tbreak broken")
        session.execute("continue")
        the_map_is_right(session)  # what was deployed stays until it is attached again
        session.close()


@contextmanager
def started(words: list[str]) -> Iterator[None]:
    """A stub that ends with the test, whatever comes."""
    stub = subprocess.Popen(words, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    try:
        yield
    finally:
        stub.kill()
        stub.wait()


def connected(address: str, *symbols: Path, guest: str = "intravisor") -> Session:
    session = remote(address, guest, symbols)
    for attempt in range(100):
        try:
            session.connect()
            return session
        except TargetError:
            if attempt == 99:
                raise
            time.sleep(0.05)
    raise AssertionError


def the_map_is_right(session: Session) -> None:
    found = session.live.places.compartments
    assert [(c.badge, c.name, c.inside, c.pure) for c in found] == [
        ("M", "monitor", None, False),
        ("16", "add", "M", True),
        ("17", "add", "16", False),
    ]
    assert [(c.base, c.size, c.begin, c.end) for c in found[1:]] == [
        (n * CVM_MAX_SIZE, CVM_MAX_SIZE, n * CVM_MAX_SIZE, (n + 1) * CVM_MAX_SIZE) for n in (16, 17)
    ]
    assert found[0].links == ("16",) and found[1].links == ("17",)
    assert found[1].store == 17 * CVM_MAX_SIZE - 0x2000000 + 0x1000
    assert [(g.name, g.value) for g in found[1].grants] == [("ca3", 0x78)]
    assert session.live.places.badge(16 * CVM_MAX_SIZE + 5) == "16"
    assert [m.name for m in session.live.facts.modules()][-2:] == ["add", "add"]
    assert any("add" in row.text for row in session.map_rows())


def test_a_table_of_garbage_gets_a_sentence(tmp_path: Path) -> None:
    needed("gdbserver")
    program, port = monitor(tmp_path, "-g"), free_port()
    with attached(["gdbserver", "--once", f"localhost:{port}", str(program)], f"localhost:{port}", program) as session:
        session.execute("tbreak *&broken")
        session.execute("continue")
        said = [row.text for row in session.output_rows()]
        assert any(
            "cvms[17] of monitor says that its cid is 0x63: is this the monitor that runs" in line for line in said
        )
        assert [c.badge for c in session.live.places.compartments] == ["M"]
        assert session.frame_rows()[0].function.startswith("broken")


def test_bare_is_a_machine_as_a_whole(tmp_path: Path) -> None:
    needed("gdbserver")
    program = monitor(tmp_path, "-g")
    session = remote(f"| gdbserver --once - {program}", "bare", (program,))
    session.connect()
    session.execute("tbreak deployed")
    session.execute("continue")
    assert [c.badge for c in session.live.places.compartments] == ["M"]
    session.close()


def test_intravisor_wants_to_be_known(tmp_path: Path) -> None:
    needed("gdbserver")
    program = built("gcc", tmp_path)
    with pytest.raises(UserError, match="or the monitor's own file, whose symbol cvms tells where its table is"):
        remote(f"| gdbserver --once - {program}", "intravisor", (program,)).connect()


# ---- memory of any content -------------------------------------------------------------------------------------------


@dataclass
class Memory:
    """A machine that is only memory, with tags."""

    start: int
    content: bytes
    tags: dict[int, int] = field(default_factory=dict)
    stop: Stop = field(default_factory=lambda: Stop(0, 0, None, ()))

    def read(self, address: int, size: int) -> bytes:
        at = address - self.start
        if not 0 <= at <= at + size <= len(self.content):
            raise TargetError(f"{address:#x} is not mapped")
        return self.content[at : at + size]

    @property
    def capabilities(self) -> Any:
        return _Tags(self)


class _Tags:
    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def read(self, address: int) -> int:
        return self._memory.tags.get(address, int.from_bytes(self._memory.read(address, 16), "little"))


def table(*cids: int) -> Memory:
    """A table with these cVMs at 0x10000."""
    shape = known_shapes()[0]
    content, tags = bytearray(shape.size * 200), {}
    for cid in cids:
        at = cid * shape.size
        words = {
            "base": cid << 30,
            "top": (cid + 1) << 30,
            "cmp_begin": cid << 30,
            "cmp_end": (cid + 1) << 30,
            "cid": cid,
        }
        for name, value in words.items():
            place = shape.members[name]
            content[at + place.offset : at + place.offset + 8] = value.to_bytes(8, "little")
        for number, name in enumerate(tables.CAPABILITIES):
            tags[0x10000 + at + shape.members[name].offset] = 1 << 128 | cid << 8 | number
    return Memory(0x10000, bytes(content), tags)


def test_what_the_cvms_were_given_comes_with_its_tags() -> None:
    memory: Any = table(16, 17)
    found = boxes(memory, 0x10000, known_shapes()[0], "m")
    assert [box.index for box in found] == [16, 17]
    assert found[1].grants == tuple(1 << 128 | 17 << 8 | n for n in range(7))
    made = tables.compartment(found[0], "libos", "M", ("17",))
    assert [grant.name for grant in made.grants] == [f"ca{n}" for n in range(7)]


def test_any_bytes_are_cvms_or_get_a_sentence() -> None:
    dice, shape = random.Random(11), known_shapes()[0]
    refused = 0
    for number in range(60):
        memory: Any = table(*dice.sample(range(1, 200), 3))
        content = bytearray(memory.content)
        for _ in range(dice.choice([0, 1, 3000])):
            content[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
        memory.content = bytes(content if number % 9 else dice.randbytes(len(content)))
        try:
            for box in boxes(memory, 0x10000, shape, "m"):
                tables.compartment(box, "", tables.server_of(box, 0x10000, shape, {}), ())
        except UserError as error:
            assert str(error).startswith(f"{TABLE}[")
            refused += 1
    assert 20 < refused < 60


@pytest.mark.parametrize("address", [0, 4, 1 << 60, -8])
def test_a_table_that_cannot_lie_there_is_not_read(address: int) -> None:
    memory: Any = table(1)
    with pytest.raises(UserError, match="where no table can"):
        boxes(memory, address, known_shapes()[0], "m")
