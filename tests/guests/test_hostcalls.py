"""Hostcalls one by one: results, waits, what others see of them, and a sentence for what cannot be served."""

from __future__ import annotations

from pathlib import Path

import pytest
from elves import HEAD, ONE_CVM, Shape, build, entry
from plan import Plan

from cvmdbg.guests.guest import Boundary, BoundaryKind, Outcome
from cvmdbg.guests.intravisor import capabilities
from cvmdbg.guests.intravisor.calls import hostcalls
from cvmdbg.guests.intravisor.hostcalls import TABLE
from cvmdbg.guests.intravisor.monitor import Intravisor
from cvmdbg.guests.linux.decoder.special import SPECIAL
from cvmdbg.guests.linux.decoder.values import KINDS
from cvmdbg.target import StopKind
from sessions.event import Call, Wait

BASE, TOP = 0x400000000, 0x440000000
MINUS_ONE = (1 << 64) - 1
BUFFER = BASE + 0x3000  # in the heap


class Bench:
    """A deployed cVM whose threads make hostcalls by hand."""

    def __init__(self, folder: Path, pure: bool = False, text: str = ONE_CVM) -> None:
        (folder / "lib.so").write_bytes(build(Shape(relocations=[] if pure else None)))
        (folder / "cvm.yaml").write_text(text)
        self.pure = pure
        self.guest = Intravisor(folder / "cvm.yaml")
        self.plan = Plan().start(self.guest)

    def call(self, number: int, *arguments: int, thread: int = 0) -> Outcome:
        slot = self.guest.thread_ids(thread)["slot"]
        bottom = TOP - 0x80000 * (slot + 1)
        registers = {"c14": number, "c9": BASE + 0x110, "csp": bottom + 0x70000, "ctpidr": bottom + 0x1000}
        registers |= {f"c{index}": value & MINUS_ONE for index, value in enumerate((*arguments, *[0] * 8)[:8])}
        self.plan.registers |= {(thread, name): value for name, value in registers.items()}
        self.plan.tick += 100
        return self.plan.take(self.guest.boundary(Boundary(BoundaryKind.HOSTCALL, thread), self.plan))

    def result(self, number: int, *arguments: int, thread: int = 0) -> int:
        outcome = self.call(number, *arguments, thread=thread)
        assert outcome.stop is None and thread not in self.plan.blocked and thread not in self.plan.ended
        return self.plan.register(thread, "x0")

    def pointer(self, address: int) -> int:
        return address if self.pure else address - BASE

    def put(self, content: bytes, address: int = BUFFER) -> int:
        self.plan._write(address, content)
        return self.pointer(address)

    def second(self) -> int:
        """Another thread; its number in the machine."""
        self.result(11, 0x100, 7)
        return len(self.plan.started) - 1


@pytest.fixture(params=[False, True], ids=["hybrid", "pure"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    return Bench(tmp_path, request.param)


@pytest.fixture
def hybrid(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


# ---- printing and reading ----


def test_write_out(bench: Bench) -> None:
    where = bench.put(b"100%s done\n\0")
    assert bench.result(1, where, 11) == 0
    assert bench.plan.console("guest") == "100%s done\n"
    inner, outer = [o for o in bench.plan.observations if isinstance(o, Call)][-2:]
    assert (inner.layer, inner.number, inner.result) == ("16→M", 1, "0")
    assert (outer.layer, outer.name, outer.result) == ("M→H", "write", "11")
    assert '"100%s done\\n"' in inner.arguments[0]


def test_write_out_of_nothing(bench: Bench) -> None:
    assert bench.result(1, bench.put(b"x"), 0) == 0
    assert bench.plan.console("guest") == ""


@pytest.mark.parametrize("number", [507, 810])
def test_write(bench: Bench, number: int) -> None:
    where = bench.put(b"text")
    assert bench.result(number, 2, where if number == 810 else BUFFER, 4) == 4
    assert bench.plan.console("guest") == "text"


@pytest.mark.parametrize("number", [508, 809])
def test_standard_input(bench: Bench, number: int) -> None:
    where = bench.pointer(BUFFER) if number == 809 else BUFFER
    waiting = bench.call(number, 0, where, 10)
    assert waiting.again and waiting.stop is not None and waiting.stop.kind is StopKind.WAITING
    assert not waiting.effects
    bench.plan.stdin = b"hello, world"
    assert bench.result(number, 0, where, 5) == 5
    assert bench.plan.read(BUFFER, 6) == b"hello\0"
    assert bench.result(number, 0, where, 100) == 7
    assert bench.result(number, 0, where, 100) == 0


# ---- locks ----


def test_semaphores_serve_in_order(hybrid: Bench) -> None:
    semaphore = hybrid.result(3, 1)
    first, second = hybrid.second(), hybrid.second()
    assert hybrid.result(6, semaphore) == 0
    for thread in (first, second):
        hybrid.call(6, semaphore, thread=thread)
    assert hybrid.plan.blocked == {first: f"semaphore {semaphore}", second: f"semaphore {semaphore}"}
    outcome = hybrid.call(5, semaphore)
    assert hybrid.plan.blocked == {second: f"semaphore {semaphore}"}
    assert hybrid.plan.register(first, "x0") == 0
    assert [o for o in outcome.observations if isinstance(o, Wait)] == [Wait(hybrid.plan.tick, first, None)]
    came_back = [o for o in outcome.observations if isinstance(o, Call) and o.thread == first]
    assert [(c.number, c.name, c.result) for c in came_back] == [(6, "sem_down", "0")]
    hybrid.call(5, semaphore)
    hybrid.call(5, semaphore)
    assert hybrid.result(6, semaphore) == 0
    assert hybrid.call(4, semaphore).stop is None
    assert hybrid.call(6, semaphore).stop is not None


def test_a_lock_passes_on(hybrid: Bench) -> None:
    mutex, other = hybrid.result(7, 0), hybrid.second()
    assert hybrid.result(9, mutex) == 0
    hybrid.call(9, mutex, thread=other)
    assert hybrid.plan.blocked == {other: f"lock {mutex}"}
    stop = hybrid.call(8, mutex).stop
    assert stop is not None and "still waits" in stop.detail
    assert hybrid.result(10, mutex) == 0 and not hybrid.plan.blocked
    stop = hybrid.call(10, mutex).stop
    assert stop is not None and f"mutex {mutex} is held by thread {other}, not by the caller" in stop.detail
    assert hybrid.result(10, mutex, thread=other) == 0


def test_recursive_locks(hybrid: Bench) -> None:
    mutex, other = hybrid.result(7, 1), hybrid.second()
    assert hybrid.result(9, mutex) == hybrid.result(9, mutex) == hybrid.result(10, mutex) == 0
    hybrid.call(9, mutex, thread=other)
    assert other in hybrid.plan.blocked
    hybrid.result(10, mutex)
    assert other not in hybrid.plan.blocked


def test_a_plain_lock_taken_twice_waits_for_itself(hybrid: Bench) -> None:
    mutex = hybrid.result(7, 0)
    hybrid.result(9, mutex)
    hybrid.call(9, mutex)
    assert hybrid.plan.blocked == {0: f"lock {mutex}"}


# ---- threads ----


def test_a_thread_begins_in_the_trampoline(bench: Bench) -> None:
    function = bench.pointer(BASE + 0x120)
    assert bench.result(11, function, 42) == 100002
    registers = {name: capabilities.Capability(bench.plan.register(1, name)) for name in ("c0", "c1", "c2", "c3", "c4")}
    assert registers["c0"].bits == 42
    assert (registers["c1"].value, registers["c1"].otype, registers["c1"].perms) == (BASE + 0x120, 4, 0x2C147)
    assert (registers["c2"].otype, registers["c3"].otype, registers["c3"].length) == (4, 0, 0x40000000)
    sp = TOP - 0x80000 - 0x4000
    assert registers["c4"].value == bench.pointer(sp) and registers["c4"].tag == bench.pure
    assert bench.plan.register(1, "pcc") & MINUS_ONE == (0x24A46C if bench.pure else 0x24C214)
    assert bench.guest.thread_name(1) == "16/1" and bench.guest.thread_ids(1) == {"cvm": 16, "slot": 1, "host": 100002}
    if bench.pure:
        tp = capabilities.Capability(bench.plan.register(1, "ctpidr"))
        assert (tp.value, tp.length) == (TOP - 0xFF000, 0x1000)
        assert (bench.plan.word(tp.value), bench.plan.word(tp.value + 8)) == (0x43E001000, 16)


def test_the_argument_of_hostcall_40_is_a_capability_of_the_monitor(bench: Bench) -> None:
    bench.result(40, bench.pointer(BASE + 0x120), 0x1234)
    argument = capabilities.Capability(bench.plan.register(1, "c0"))
    assert (argument.value, argument.perms, argument.limit) == (0x1234, 0x3717D, 1 << 48)
    bench.result(40, bench.pointer(BASE + 0x120), 0)
    assert bench.plan.register(2, "c0") == 0


def test_identities(hybrid: Bench) -> None:
    other = hybrid.second()
    assert hybrid.result(15) == 100001 and hybrid.result(15, thread=other) == 100002
    assert hybrid.result(1002) == 100001
    assert (hybrid.result(16, 5, 5), hybrid.result(16, 5, 6)) == (1, 0)


def test_join(hybrid: Bench) -> None:
    first, second = hybrid.second(), hybrid.second()
    assert hybrid.result(14, 99) == MINUS_ONE and hybrid.result(14, 100001) == MINUS_ONE
    hybrid.call(14, 100002)
    assert hybrid.plan.blocked == {0: "join 100002"}
    hybrid.call(13, thread=first)
    assert not hybrid.plan.blocked and hybrid.plan.register(0, "x0") == 0 and hybrid.plan.ended == {first: 0}
    assert hybrid.result(14, 100002) == MINUS_ONE
    hybrid.call(12, thread=second)
    assert hybrid.result(14, 100003) == MINUS_ONE


def test_join_with_a_result(bench: Bench) -> None:
    """The pointer of hostcall 41 is taken as it is; the value is the one that 42 was given."""
    other = bench.second()
    bench.call(41, 100002, BUFFER)
    bench.call(42, 77, thread=other)
    assert bench.plan.word(BUFFER) == 77 and bench.plan.register(0, "x0") == 0
    assert bench.result(41, 100002, BUFFER) == 3
    late = bench.second()
    bench.call(42, 78, thread=late)
    assert bench.result(41, 100003, BUFFER) == 0 and bench.plan.word(BUFFER) == 78


def test_slots_are_used_again(hybrid: Bench) -> None:
    for _ in range(62):
        hybrid.second()
    hybrid.call(11, 0x100, 9)
    assert hybrid.plan.blocked == {0: "a free slot"} and len(hybrid.plan.started) == 63
    hybrid.call(13, thread=5)
    assert hybrid.plan.register(0, "x0") == 100064 and not hybrid.plan.blocked
    assert hybrid.guest.thread_ids(63)["slot"] == 5


def test_clone(bench: Bench) -> None:
    """The child leaves by the parent's return pair, on its own stack, and finds 0."""
    pair = {9: 0x1111, 10: 0x2222, 11: 0x3333, 19: 0x19, 28: 0x28}
    bench.plan.registers |= {(0, f"c{n}"): value for n, value in pair.items()}
    flags = 0x100000 | 0x200000 | 0x1000000 | 0x80000
    host = bench.result(1001, flags, 0x5555, bench.pointer(BUFFER), 0x7777, bench.pointer(BUFFER + 16))
    assert host == 100002
    child = {name: bench.plan.register(1, name) for name in ("c0", "c1", "c2", "c3", "c4", "c19", "c28", "ctpidr")}
    assert child == {
        "c0": 0, "c1": BASE + 0x110, "c2": 0x2222, "c3": 0x3333, "c4": 0x5555, "c19": 0x19, "c28": 0x28,
        "ctpidr": 0x7777,
    }  # fmt: skip
    assert bench.plan.word(BUFFER) & 0xFFFFFFFF == bench.plan.word(BUFFER + 16) & 0xFFFFFFFF == 100002
    waiter = bench.second()
    bench.call(1000, bench.pointer(BUFFER + 16), 0, 100002, thread=waiter)
    bench.call(13, thread=1)
    assert bench.plan.word(BUFFER + 16) & 0xFFFFFFFF == 0 and waiter not in bench.plan.blocked


# ---- thread-local storage, the clock, the timers ----


def test_tls(hybrid: Bench) -> None:
    key, other = hybrid.result(17, 0x15AB5C), hybrid.second()
    assert "INT: ignore destructor 15ab5c in tls_alloc\n" in hybrid.plan.console("monitor")
    assert hybrid.result(19, key, 5) == 0 and hybrid.result(20, key) == 5
    assert hybrid.result(20, key, thread=other) == 0
    assert hybrid.result(18, key) == 0 and hybrid.result(20, key) == 0
    assert hybrid.result(19, key, 5) == MINUS_ONE


def test_the_clock_counts_ticks(hybrid: Bench) -> None:
    hybrid.plan.tick = 12345
    assert hybrid.result(25) == 12445
    assert hybrid.result(25) == 12545


def test_timers(hybrid: Bench) -> None:
    timer = hybrid.result(26, 0x100, 0)
    assert hybrid.result(27, timer, 1000) == 0 and hybrid.result(28, timer) == 0
    said = hybrid.plan.console("monitor")
    assert said.endswith("TODO: CREATE_CARRIE_TIMER\nTODO: TIMER_FREE\n")


# ---- files and futexes ----


def test_host_files(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "root.cpio").write_bytes(b"contents" * 1000)
    name = bench.put(b"root.cpio\0")
    assert bench.result(900, name) == 8000
    assert bench.result(901, name, bench.pointer(BUFFER + 0x100), 7999) == 7999
    assert bench.plan.read(BUFFER + 0x100, 8001) == (b"contents" * 1000)[:7999] + b"\0\0"
    assert (
        "WARNING: get_file_size is unsafe and doesnt filename (root.cpio) when it loads\n"
        f"WARNING: copy_file_into_cvm is unsafe and doesnt check where ({BUFFER + 0x100:#x}/7999) and what (root.cpio)"
        " it loads\n"
    ) in bench.plan.console("monitor")
    stop = bench.call(901, name, bench.pointer(BUFFER), 8001).stop
    assert stop is not None and "8001 bytes of root.cpio were asked for, it has 8000" in stop.detail


@pytest.mark.parametrize("name", [b"../lib.so", b"/etc/passwd", b"missing", b"", b"\xff\xfe", b"."])
def test_files_elsewhere(bench: Bench, name: bytes) -> None:
    outcome = bench.call(900, bench.put(name + b"\0"))
    assert outcome.stop is not None and outcome.stop.kind is StopKind.UNMODELLED
    assert "the monitor spins" in outcome.stop.detail
    assert bench.plan.register(0, "x0") == MINUS_ONE


def test_futex(bench: Bench) -> None:
    word, other = bench.put((5).to_bytes(16, "little")), bench.second()
    assert bench.result(1000, word, 0, 4) == -11 % (1 << 64)
    assert bench.result(1000, word + 2, 0, 5) == -22 % (1 << 64)
    bench.call(1000, word, 128, 5, thread=other)
    assert bench.plan.blocked == {other: f"futex {BUFFER:x}"}
    assert bench.result(1000, word, 1, 0) == 0 and bench.plan.blocked
    assert bench.result(1000, word, 129, 9) == 1 and not bench.plan.blocked
    assert bench.result(1000, word, 1, 9) == 0
    stop = bench.call(1000, word, 5, 9).stop
    assert stop is not None and "operation 5 is not modelled" in stop.detail


def test_futex_with_a_timeout(hybrid: Bench) -> None:
    """The alarm is due at the deadline; when nobody can run the clock jumps to it."""
    word = hybrid.put((5).to_bytes(16, "little") + (1).to_bytes(8, "little") + (500).to_bytes(8, "little"))
    assert hybrid.guest.alarm() is None
    hybrid.call(1000, word, 0, 5, word + 16)
    due = hybrid.plan.tick + 1_000_000_500
    assert hybrid.guest.alarm() == due
    hybrid.plan.take(hybrid.guest.boundary(Boundary(BoundaryKind.ALARM, -1), hybrid.plan))
    assert not hybrid.plan.blocked and hybrid.plan.register(0, "x0") == -110 % (1 << 64)
    assert hybrid.guest.alarm() is None
    hybrid.plan.tick -= 100
    assert hybrid.result(25) == due


# ---- the program ----


def test_the_program_ends_with_its_first_threads(hybrid: Bench) -> None:
    hybrid.second()
    hybrid.call(13)
    assert hybrid.plan.exit_status == 0 and hybrid.plan.ended == {0: 0}


def two(folder: Path, wait: int) -> Bench:
    return Bench(folder, text=HEAD + entry(wait=wait) + entry("two", TOP))


def test_wait_for_the_end_of_a_cvm(tmp_path: Path) -> None:
    bench = two(tmp_path, -1)
    assert bench.plan.started == [0]
    bench.call(13)
    assert bench.plan.started == [0, 1] and bench.plan.exit_status is None
    assert bench.guest.thread_name(1) == "17/0"
    bench.plan.registers |= {(1, "c14"): 13, (1, "csp"): TOP + 0x3FFF0000}
    bench.plan.take(bench.guest.boundary(Boundary(BoundaryKind.HOSTCALL, 1), bench.plan))
    assert bench.plan.exit_status == 0


def test_wait_some_seconds(tmp_path: Path) -> None:
    bench = two(tmp_path, 3)
    assert bench.plan.started == [0] and bench.guest.alarm() == 3_000_000_000
    bench.call(13)
    assert bench.plan.exit_status is None
    bench.plan.take(bench.guest.boundary(Boundary(BoundaryKind.ALARM, -1), bench.plan))
    assert bench.plan.started == [0, 1] and bench.guest.alarm() is None


def test_no_wait(tmp_path: Path) -> None:
    assert two(tmp_path, 0).plan.started == [0, 1]


@pytest.mark.parametrize(
    ("kind", "status"),
    [("tag", 162), ("page", 139), ("unmapped", 139), ("brk", 133), ("undefined", 132), ("alignment", 138)],
)
def test_a_fault_ends_the_program(hybrid: Bench, kind: str, status: int) -> None:
    hybrid.plan.take(hybrid.guest.boundary(Boundary(BoundaryKind.FAULT, 0, detail=kind), hybrid.plan))
    assert hybrid.plan.exit_status == status
    assert kind != "tag" or hybrid.plan.console("monitor").endswith("\nIn-address space security exception\n")


def test_a_system_call_of_the_host(hybrid: Bench) -> None:
    outcome = hybrid.plan.take(hybrid.guest.boundary(Boundary(BoundaryKind.SYSCALL, 0, value=7), hybrid.plan))
    assert outcome.stop is not None and outcome.stop.detail == "svc #0x7: a system call of the host is not modelled"
    assert hybrid.plan.register(0, "x0") == MINUS_ONE


def test_states_are_copies(hybrid: Bench) -> None:
    semaphore = hybrid.result(3, 1)
    saved = hybrid.guest.save()
    hybrid.result(6, semaphore)
    hybrid.call(6, semaphore)
    assert hybrid.plan.blocked
    for _ in range(2):
        hybrid.guest.load(saved)
        hybrid.plan.blocked.clear()
        assert hybrid.result(6, semaphore) == 0


# ---- what cannot be served ----


@pytest.mark.parametrize("number", [0, 2, 999, 1 << 40, MINUS_ONE])
def test_unknown_hostcalls(bench: Bench, number: int) -> None:
    outcome = bench.call(number)
    assert outcome.stop is not None and outcome.stop.kind is StopKind.UNMODELLED
    shown = (number + (1 << 31)) % (1 << 32) - (1 << 31)
    assert outcome.stop.detail.startswith(f"there is no hostcall {shown}: the monitor prints so and spins")
    assert bench.plan.console("monitor").endswith(f"Intravisor: unknown t5 {shown}\n")
    assert bench.plan.register(0, "x0") == MINUS_ONE


REFERENCE = {
    *(1, *range(3, 30), 40, 41, 42, 100, 101, 114, 115, 116, *range(200, 205), 300, 301, 302, *range(400, 414)),
    *(*range(500, 515), 519, 520, 530, 531, 532, 533, 700, 701, 702, *range(800, 805), *range(806, 815)),
    *(900, 901, 1000, 1001, 1002),
}
"""The numbers of every hostcall that the monitor has or had. Source: its hostcalls.c, and the newest guests' logs."""


def test_every_hostcall_of_the_monitor_is_modelled() -> None:
    assert set(TABLE) == REFERENCE


@pytest.mark.parametrize("number", sorted(REFERENCE))
def test_a_hostcall_has_a_row_that_the_decoder_can_write(number: int) -> None:
    """Its name, its arguments in kinds that are known, and what kind its result is of."""
    row, modelled = hostcalls()[number], TABLE[number]
    assert row.name.removesuffix(f"_{number}") == modelled.name
    assert row.result in {"status", "fd", "hex", "int", "none"}
    for argument in row.arguments:
        assert argument.kind in KINDS or argument.kind in SPECIAL, argument


def test_the_table_of_rows_has_no_others() -> None:
    assert set(hostcalls()) == REFERENCE


HOSTILE = [0, 1, 0xFFFF_FFFF_FFFF_FFF0, 1 << 63, 0x50_0000_0000, 0x3FFF_FFFF, (1 << 55) + 8]


@pytest.mark.parametrize("number", sorted(TABLE))
@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_arguments(tmp_path: Path, number: int, value: int) -> None:
    """Every hostcall with every argument bad: a result, a wait, or one sentence; no exception."""
    bench = Bench(tmp_path)
    bench.plan.stdin = b"x"
    outcome = bench.call(number, *[value] * 8)
    if outcome.stop is not None:
        assert outcome.stop.detail and "\n" not in outcome.stop.detail


def test_a_lost_thread_pointer(tmp_path: Path) -> None:
    """A purecap monitor believes the TP page; a stack that grew over it makes the caller unknown."""
    bench = Bench(tmp_path, pure=True)
    bench.plan._write(0x43FF81008, (123456).to_bytes(8, "little"))
    outcome = bench.call(15)
    assert outcome.stop is not None and "takes the caller for cVM 123456, which does not exist" in outcome.stop.detail
    assert bench.plan.console("monitor").endswith("wrong cvm id 123456, sp = 0x43fff0000, die\n")
    bench.plan.registers[0, "ctpidr"] = 8
    bench.plan.registers[0, "c14"] = 15
    lost = bench.guest.boundary(Boundary(BoundaryKind.HOSTCALL, 0), bench.plan)
    assert lost.stop is not None and "looks for the cVM's number at 0x10" in lost.stop.detail
