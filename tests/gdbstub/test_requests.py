"""Every packet of every family: what is printed parses to what was printed, and the server finds its verb."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gdbstub import stops
from gdbstub.commands import (
    breakpoints,
    features,
    files,
    lldb,
    monitor,
    registers,
    resuming,
    syscalls,
    threads,
    transfer,
)
from gdbstub.commands import memory as memories
from gdbstub.server import VERBS, find_verb
from gdbstub.thread import ThreadId

u64 = st.integers(0, (1 << 64) - 1)
byte = st.integers(0, 255)
thread = st.builds(ThreadId, st.integers(-1, 1 << 40), st.none() | st.integers(1, 1 << 31))
maybe_thread = st.none() | thread
content = st.binary(max_size=80)
word = st.text(st.characters(codec="utf-8", exclude_characters=":"), max_size=20)
line = st.text(st.characters(codec="utf-8"), max_size=60)
digits = st.binary(max_size=8).map(lambda b: b.hex().encode())

plain_names = [
    name for name, verb in VERBS.items() if verb.parse.__module__ == features.__name__ and name != b"qSupported"
]

requests: dict[str, st.SearchStrategy[Any]] = {
    "memory read": st.builds(memories.Read, u64, st.integers(0, memories.MAX_READ), st.booleans()),
    "memory write": st.builds(memories.Write, u64, content, st.booleans()),
    "read all registers": st.builds(registers.ReadAll, maybe_thread),
    "write all registers": st.builds(registers.WriteAll, content, maybe_thread),
    "read a register": st.builds(registers.ReadOne, st.integers(0, registers.MAX_NUMBER), maybe_thread),
    "write a register": st.builds(registers.WriteOne, st.integers(0, registers.MAX_NUMBER), content, maybe_thread),
    "select": st.builds(threads.Select, st.sampled_from(["g", "c"]), thread),
    "is alive": st.builds(threads.IsAlive, thread),
    "current": st.just(threads.Current()),
    "list": st.builds(threads.List, st.booleans()),
    "describe": st.builds(threads.Describe, thread),
    "insert": st.builds(
        breakpoints.Insert,
        st.sampled_from(breakpoints.PointKind),
        u64,
        u64,
        st.lists(content, max_size=3).map(tuple),
    ),
    "remove": st.builds(breakpoints.Remove, st.sampled_from(breakpoints.PointKind), u64, u64),
    "why": st.just(resuming.Why()),
    "resume": st.builds(
        resuming.Resume,
        st.lists(
            st.one_of(
                st.builds(resuming.Action, st.sampled_from("sct"), maybe_thread),
                st.builds(resuming.Action, st.sampled_from("SC"), maybe_thread, byte),
                st.builds(resuming.Action, st.just("r"), maybe_thread, st.just(0), st.tuples(u64, u64)),
            ),
            min_size=1,
            max_size=4,
        ).map(tuple),
    ),
    "go": st.one_of(
        st.builds(resuming.Go, st.sampled_from("sc"), st.just(0), st.none() | u64),
        st.builds(resuming.Go, st.sampled_from("SC"), byte, st.none() | u64),
    ),
    "go back": st.builds(resuming.GoBack, st.booleans()),
    "ask actions": st.just(resuming.AskActions()),
    "interrupt": st.just(resuming.Interrupt()),
    "let go": st.builds(resuming.LetGo, st.booleans(), st.none() | u64),
    "read part": st.builds(transfer.ReadPart, word.filter(bool), line, u64, u64),
    "write part": st.builds(transfer.WritePart, word.filter(bool), word, u64, content),
    "file operation": st.builds(files.Operation, st.sampled_from(["open", "pread"]), st.tuples(digits, digits, digits)),
    "supported": st.builds(
        features.Supported,
        st.dictionaries(
            st.sampled_from(["multiprocess", "PacketSize", "qXfer:capa:read"]),
            st.booleans() | st.sampled_from(["?", "1000"]),
        ),
    ),
    "plain": st.builds(features.Plain, st.sampled_from(plain_names), st.just(b"") | digits.map(lambda d: b":" + d)),
    "monitor": st.builds(monitor.Command, line),
    "catch all": st.builds(syscalls.Catch, st.just(True), st.lists(u64, max_size=4).map(tuple)),
    "catch none": st.just(syscalls.Catch(False)),
    "region": st.builds(lldb.AskRegion, st.none() | u64),
    "register info": st.builds(lldb.AskRegister, st.integers(0, lldb.MAX_REGISTERS)),
    "thread stop": st.builds(lldb.AskStop, thread),
}


@pytest.mark.parametrize("name", requests)
def test_a_request_parses_to_itself(name: str) -> None:
    seen = set()

    @given(requests[name])
    def holds(request: Any) -> None:
        packet = bytes(request)
        verb = find_verb(packet)
        assert verb is not None, packet
        seen.add(verb.name)
        assert verb.parse(packet) == request

    holds()
    assert seen


def test_no_verb_is_left_out() -> None:
    """Each row of the server's table is one that the property above reaches."""
    reached = set()
    for strategy in requests.values():

        @given(strategy)
        def note(request: Any) -> None:
            verb = find_verb(bytes(request))
            assert verb is not None
            reached.add(verb.name)

        note()
    assert reached == set(VERBS)


@given(st.binary(max_size=60))
def test_what_is_no_request_is_refused_in_words(noise: bytes) -> None:
    for verb in VERBS.values():
        for packet in (verb.name + noise, verb.name + b":" + noise, verb.name + b"," + noise):
            try:
                verb.parse(packet)
            except ValueError as error:
                assert str(error)


registers_of_a_stop = st.lists(
    st.tuples(st.integers(0, 0xFFFF), st.none() | st.binary(min_size=1, max_size=17)), max_size=4
)
reasons = st.lists(
    st.tuples(st.sampled_from(["watch", "swbreak", "replaylog", "syscall_entry", "library"]), digits), max_size=3
)
events = st.one_of(
    st.builds(stops.Stopped, byte, maybe_thread, reasons.map(tuple), registers_of_a_stop.map(tuple)),
    st.builds(stops.Exited, byte, st.none() | u64),
    st.builds(stops.Killed, byte, st.none() | u64),
    st.just(stops.NoneResumed()),
    st.builds(stops.Output, st.binary(max_size=40)),
    st.builds(stops.FileRequest, st.binary(max_size=20)),
)


@given(events)
def test_a_stop_reply_parses_to_itself(event: stops.Event) -> None:
    assert stops.parse(bytes(event)) == event


@given(st.builds(transfer.Part, content, st.booleans()))
def test_a_part_parses_to_itself(part: transfer.Part) -> None:
    assert transfer.parse_part(bytes(part)) == part


@given(st.builds(files.Answer, st.integers(-1, 1 << 40), st.none() | byte, st.none() | content))
def test_a_file_answer_parses_to_itself(answer: files.Answer) -> None:
    assert files.parse_answer(bytes(answer)) == answer


@given(u64, u64.filter(bool), st.sampled_from(["", "r", "rw", "rx", "rwx"]), line)
def test_a_region_parses_to_itself(address: int, size: int, prot: str, name: str) -> None:
    info = lldb.RegionInfo(address, size, prot, name)
    assert lldb.region(0).result(bytes(info)) == info


@pytest.mark.parametrize(
    ("reply", "sentence"),
    [
        (b"T", "expected hex digits"),
        (b"T05thread", "expected name:value"),
        (b"T05thread:zz;", "expected hex digits"),
        (b"T0510:zz;", "expected two hex digits"),
        (b"Wzz", "expected hex digits"),
        (b"hello", "expected a stop reply"),
        (b"", "expected a stop reply"),
    ],
)
def test_a_stop_reply_that_is_none_is_told(reply: bytes, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        stops.parse(reply)


def test_stop_replies_of_known_stubs() -> None:
    """KM, uhyve and QEMU as they were seen."""
    km = stops.parse(b"T05thread:00000001;")
    assert km == stops.Stopped(5, ThreadId(1))
    assert stops.parse(b"S00") == stops.Stopped(0)
    watch = stops.parse(b"T05watch:00007fffdeadbee0;thread:00000003;")
    assert isinstance(watch, stops.Stopped)
    assert watch.watched == ("w", 0x7FFFDEADBEE0)
    qemu = stops.parse(b"T02thread:p01.01;")
    assert qemu == stops.Stopped(2, ThreadId(1, 1))
