"""The tables of Linux facts against the headers that this machine has, and against each other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvmdbg.guests.linux import facts

HEADERS = {
    "aarch64": (Path("/usr/include/asm-generic/unistd.h"), r"#define __NR(?:3264)?_(\w+)\s+(\d+)$"),
    "x86_64": (Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"), r"#define __NR_(\w+)\s+(\d+)$"),
}
NAMED_OTHERWISE = {"fstatat": "newfstatat"}
NO_CALL = {"syscalls", "arch_specific_syscall", "time32"}
PARAMETER_SETS = ("flags", "enum")


@pytest.mark.parametrize("abi", facts.ABIS)
def test_numbers_are_those_of_the_headers(abi: str) -> None:
    path, pattern = HEADERS[abi]
    if not path.exists():
        pytest.skip(f"{path} is not installed (linux-libc-dev)")
    wrong = []
    for name, number in re.findall(pattern, path.read_text(), re.MULTILINE):
        known = facts.call(NAMED_OTHERWISE.get(name, name))
        if known is None or int(number) > 451 or name in NO_CALL:
            continue  # newer than the table, or a 32-bit name
        if known.numbers.get(abi) not in (int(number), None):
            wrong.append((name, number, known.numbers.get(abi)))
    assert wrong == []


def test_each_number_means_one_call() -> None:
    for abi in facts.ABIS:
        numbers = [call.numbers[abi] for call in facts.calls().values() if abi in call.numbers]
        assert len(numbers) == len(set(numbers)) > 280


def test_every_set_struct_and_argument_that_a_call_names_exists() -> None:
    for call in facts.calls().values():
        assert call.classes <= set(facts.CLASSES)
        for argument in call.arguments:
            for parameter in argument.parameters:
                if argument.kind in PARAMETER_SETS:
                    assert parameter == "none" or facts.constants(parameter), (call.name, argument)
                elif argument.kind in ("struct", "array", "times") and parameter == argument.parameters[0]:
                    assert facts.struct(parameter).size, (call.name, argument)
                else:
                    known = parameter in ("result",) or parameter.isdigit() or call.index(parameter) is not None
                    assert known, (call.name, argument)


def test_sets_and_structs_that_fields_name_exist() -> None:
    for abi in facts.ABIS:
        for name in ("stat", "sigaction", "msghdr", "epoll_event", "clone_args", "statfs", "itimerspec"):
            for field in facts.struct(name, abi).fields:
                assert field.offset + field.size <= facts.struct(name, abi).size
                if field.kind.kind in PARAMETER_SETS:
                    assert facts.constants(field.kind.parameters[0], abi)


def test_a_few_facts_that_differ_between_the_two() -> None:
    assert facts.constant("O_DIRECTORY", "aarch64") == 0o40000
    assert facts.constant("O_DIRECTORY", "x86_64") == 0o200000
    assert facts.struct("stat", "aarch64").size == 128
    assert facts.struct("stat", "x86_64").size == 144
    assert facts.struct("epoll_event", "x86_64").size == 12
    assert facts.call_at("aarch64", 56) is facts.call_at("x86_64", 257) is facts.call("openat")
    assert facts.call_at("aarch64", 9999) is None
    found = facts.errno(2)
    assert found is not None and (found.name, found.text) == ("ENOENT", "No such file or directory")
    assert facts.errno_named("ENOSYS") == 38


@given(st.integers(0, (1 << 32) - 1), st.sampled_from(facts.ABIS))
def test_flags_lose_no_bit(value: int, abi: str) -> None:
    names, rest = facts.names_of("open", value, abi)
    for name in names:
        rest |= facts.constant(name, abi)
    assert rest == value


@given(st.integers(-(1 << 63), (1 << 63) - 1), st.integers(0, (1 << 32) - 1))
def test_structs_come_back_as_they_were_packed(size: int, mode: int) -> None:
    for abi in facts.ABIS:
        layout = facts.struct("stat", abi)
        content = layout.pack({"st_size": size, "st_mode": mode})
        assert len(content) == layout.size
        back = layout.unpack(content)
        assert back["st_size"] == size & (1 << 64) - 1 and back["st_mode"] == mode and back["st_ino"] == 0
        with pytest.raises(ValueError, match=r"has \d+ bytes"):
            layout.unpack(content[:-1])
        with pytest.raises(KeyError):
            layout.pack({"st_nothing": 1})
