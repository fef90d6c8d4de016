"""Every guest that ships, run to what is written beside it: its output, or its fault."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from cvmdbg import demo
from cvmdbg.guests.opening import open_guest
from cvmdbg.target import Fault, Move, StopKind
from cvmdbg.targets.emulator import EmulatorTarget
from emulator_core._core import Capability
from sessions.event import Call, ModuleLoad, Observation, Output, Wait

BUDGET = 100_000_000
FAULTS = json.loads((demo.ROOT / "hybrid/faults/expected.json").read_text())
GUESTS = [name for name in demo.names() if name != "overrun"]


class Run:
    """A guest from its start to its first stop."""

    def __init__(self, name: str, *args: str) -> None:
        self.target = EmulatorTarget(open_guest(f"demo:{name}", args))
        self.stop = self.target.resume(Move.CONTINUE, budget=BUDGET)
        self.observed: list[Observation] = [o for o in self.target.drain() if isinstance(o, Observation)]

    @property
    def text(self) -> str:
        said = [o.text for o in self.observed if isinstance(o, Output) and o.source == "guest"]
        return b"".join(said).decode()

    @property
    def fault(self) -> Fault:
        reason = self.stop.reason(StopKind.FAULT)
        assert reason is not None and reason.fault is not None, self.stop
        return reason.fault


def expected(name: str) -> str:
    path = demo.path(demo.PREFIX + name)
    beside = path / "expected.txt" if path.is_dir() else path.with_suffix(".expected")
    return beside.read_text()


@pytest.mark.parametrize("name", GUESTS)
def test_expected_output(name: str) -> None:
    run = Run(name, *(["menu"] if name == "faults" else []))
    reason = run.stop.reason(StopKind.EXIT)
    assert reason is not None and reason.status == 0, run.stop
    assert run.text == expected(name)


def test_overrun() -> None:
    """The LibOS faults in its memcpy, on the app's stack, one byte behind the app's buffer."""
    run = Run("overrun")
    assert run.text == expected("overrun")
    assert (run.fault.kind, run.fault.access, run.fault.register) == ("bounds", "write", "c5")
    assert run.fault.capability is not None
    failed = Capability(run.fault.capability)
    assert failed.length == 16 and run.fault.address == failed.limit
    assert 0x400000000 <= run.stop.pc < 0x440000000 < run.fault.address
    assert 0x47FF81000 < run.target.read_register(run.stop.thread, "sp") < 0x480000000


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_faults(name: str) -> None:
    want = FAULTS[name]
    run = Run("faults", name)
    routine = "start_overflow" if name == "stack" else want["routine"]
    assert run.text == f"about to run {routine}\n"
    fault = run.fault
    assert (fault.kind, fault.access, fault.size, fault.register) == tuple(
        want[key] for key in ("kind", "access", "size", "register")
    )
    assert run.stop.pc == int(want["pc"], 16)
    if "address_range" in want:
        low, high = (int(bound, 16) for bound in want["address_range"])
        assert low <= fault.address < high
    else:
        assert fault.address == int(want["address"], 16)
    assert described(fault.capability) == want["capability"]
    assert fault.immediate == int(want.get("immediate", "0"), 16)


def described(value: int | None) -> dict[str, object] | None:
    """A capability in the words of expected.json."""
    if value is None:
        return None
    cap = Capability(value)
    words = {key: f"{getattr(cap, key):#x}" for key in ("value", "base", "limit", "perms")}
    return {"tag": int(cap.tag), "otype": cap.otype, **words}


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_a_fault_that_goes_on_is_a_signal(name: str) -> None:
    run = Run("faults", name)
    stop = run.target.resume(Move.CONTINUE, budget=BUDGET)
    reason = stop.reason(StopKind.EXIT)
    signals = {"page": 139, "alignment": 138, "undefined": 132, "brk": 133}
    assert reason is not None and reason.status == signals.get(FAULTS[name]["kind"], 162)


def test_the_store_after_cinv() -> None:
    """The trampoline fills the capability store with what init_thread handed over."""
    run = Run("hello")
    caps = {grant.name: grant.value for grant in run.target.guest.compartments()[1].grants}
    memory = run.target.capabilities
    assert memory is not None
    store = 0x43E001000
    places = {0x20: "ca2", 0x30: "ca3", 0x40: "ca4", 0xB0: "ca6", 0xC0: "ca1", 0xD0: "ca5"}
    assert {offset: memory.read(store + offset) for offset in places} == {o: caps[n] for o, n in places.items()}


def test_crossings_of_two_cvms_share_a_thread() -> None:
    """Hostcalls of the LibOS on the app's thread are calls of 16, made by 17's slot 0."""
    run = Run("libhello")
    calls = [o for o in run.observed if isinstance(o, Call)]
    assert {c.layer for c in calls} == {"16→M", "M→H"}
    assert {run.target.guest.thread_name(c.thread) for c in calls} == {"16/0", "17/0"}
    loads = [(o.name, o.base, o.compartment) for o in run.observed if isinstance(o, ModuleLoad)]
    assert loads == [("libos.so", 0x400000000, "16"), ("libldso.so", 0x440000000, "17")]


def test_threads_wait_and_wake() -> None:
    run = Run("threads")
    waits = [o for o in run.observed if isinstance(o, Wait)]
    reasons = {o.reason.split()[0] for o in waits if o.reason}
    assert {"semaphore", "join"} <= reasons <= {"semaphore", "join", "lock"}
    assert sum(1 for o in waits if o.reason) == sum(1 for o in waits if o.reason is None)
    assert [t.name for t in run.target.threads()] == ["16/0", "16/1", "16/2"]


def test_the_root_of_a_guest() -> None:
    """Files that a guest's own loader maps are found in its root.cpio."""
    guest = open_guest("demo:dlopen")
    folder = demo.path("demo:dlopen")
    assert guest.file("/app1") == guest.file("app1") == (folder / "app1").read_bytes()
    assert guest.file("/usr/lib/libplugin.so") == (folder / "libplugin.so").read_bytes()
    assert guest.file("/usr/lib") is None and guest.file("/missing") is None
    assert open_guest("demo:hello").file("/app1") is None


def test_bad_roots_have_no_files(tmp_path: Path) -> None:
    for name in ("libos.so", "libldso.so", "cvm.yaml"):
        (tmp_path / name).write_bytes((demo.path("demo:libhello") / name).read_bytes())
    (tmp_path / "root.cpio").write_bytes(b"070701 nonsense")
    assert open_guest(str(tmp_path)).file("/app1") is None


@pytest.mark.parametrize("name", ["threads", "two_layers", "libhello"])
def test_slices_change_nothing(name: str) -> None:
    """The same output, calls and ticks, whether a run is cut into random pieces or not."""
    whole = Run(name)
    random_ = random.Random(name)
    target = EmulatorTarget(open_guest(f"demo:{name}"))
    limit = 400_000 if name == "threads" else 2_000
    for _ in range(100_000):
        stop = target.resume(Move.CONTINUE, budget=random_.randrange(1, limit))
        if stop.reason(StopKind.EXIT) is not None:
            break
    pieces = [o for o in target.drain() if isinstance(o, Observation)]
    assert pieces == whole.observed
    assert (stop.tick, stop.pc, stop.thread) == (whole.stop.tick, whole.stop.pc, whole.stop.thread)
