"""Capabilities as people read and write them."""

from __future__ import annotations

import ast
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import emulator_core
from emulator_core import _core
from emulator_core.capability import (
    PAIR_CHECKS,
    PERMISSIONS,
    Capability,
    attributes,
    explain,
    fields_line,
    parse,
    perm_columns,
    perm_letters,
    perm_names,
    perm_set,
    place,
    raw_text,
    seal_name,
    short,
    size_text,
)

STACK_BUFFER = "1:dc5140007880b840:000000047fffb840"
any_caps = st.builds(Capability, st.integers(0, (1 << 129) - 1))


def test_the_stub_and_the_module_have_the_same_names() -> None:
    stub = ast.parse((Path(emulator_core.__file__).parent / "_core.pyi").read_text(encoding="utf-8"))
    stubbed = {node.name for node in stub.body if isinstance(node, (ast.ClassDef, ast.FunctionDef))}
    assert {name for name in stubbed if "cap" in name.lower()} == {name for name in dir(_core) if "cap" in name.lower()}
    (cls,) = (node for node in stub.body if isinstance(node, ast.ClassDef) and node.name == "Capability")
    members = {node.name for node in cls.body if isinstance(node, ast.FunctionDef)}
    assert {name for name in members if not name.startswith("_")} == {n for n in dir(Capability) if n[0] != "_"}


def test_a_capability_is_a_frozen_value() -> None:
    cap = parse(STACK_BUFFER)
    with pytest.raises(AttributeError):
        cap.tag = False  # type: ignore[misc]
    assert pickle.loads(pickle.dumps(cap)) == cap
    assert cap != cap.bits
    assert len({cap, Capability(cap.bits), cap.with_tag(False)}) == 2
    assert repr(cap) == "Capability(0x1_dc5140007880b840_000000047fffb840)"


@pytest.mark.parametrize("bits", [-1, 1 << 129])
def test_a_capability_has_129_bits(bits: int) -> None:
    with pytest.raises(ValueError, match="129 bits"):
        Capability(bits)


@pytest.mark.parametrize("length", [-1, (1 << 64) + 1, 1 << 65])
def test_a_length_is_at_most_the_address_space(length: int) -> None:
    with pytest.raises(ValueError, match=r"0 to 2\^64"):
        Capability.almighty().set_bounds(length)


@pytest.mark.parametrize("size", [0, 15, 17])
def test_a_granule_is_16_bytes(size: int) -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        Capability.from_bytes(bytes(size))


# ---- one line ----


def test_the_short_form_is_that_of_gdb() -> None:
    assert short(parse(STACK_BUFFER)) == "0x47fffb840 [rwRW,0x47fffb840-0x47fffb880]"
    code = Capability.almighty().set_value(0x200200).set_bounds(0x26A40).clear_perms(~0x2C003 & 0x3FFFF)
    sentry = _core.capop_seal_imm(code.set_value(0x211545), 1)
    assert short(sentry) == "0x211545 [rxRE,0x200200-0x226c40] (sentry)"
    assert short(_core.capop_add(sentry, 1)) == "0x211546 [rxRE,0x200200-0x226c40] (invalid,sentry)"


def test_the_short_form_of_the_ends() -> None:
    assert short(Capability.almighty()) == "0x0 [rwxRWE,0x0-0xffffffffffffffff]"
    assert short(Capability(0x1234)) == "0x1234"
    assert short(Capability(0x1234 | 1 << 128)) == "0x1234 [,0x0-0xffffffffffffffff]"


@pytest.mark.parametrize(
    ("otype", "tag", "words"),
    [
        (0, True, ""),
        (0, False, "(invalid)"),
        (1, True, "(sentry)"),
        (1, False, "(invalid,sentry)"),
        (2, True, "(sealed)"),
        (3, True, "(sealed)"),
        (4, False, "(invalid,sealed)"),
    ],
)
def test_attributes(otype: int, tag: bool, words: str) -> None:
    assert attributes(Capability.almighty().set_object_type(otype).with_tag(tag)) == words


def test_permission_letters() -> None:
    assert perm_letters(0x2C147) == "r-xR-----b-m---0Eg"
    assert perm_letters(0x3FFFF) == "rwxRWlkusbcm3210Eg"
    assert perm_columns(0x37145) == "rw-RW-"
    assert perm_set(0x2C147) == "rxRE"
    assert perm_names(0x30001) == ["Load", "Store", "Global"]
    assert [p.bit for p in PERMISSIONS] == list(range(17, -1, -1))
    assert len({p.letter for p in PERMISSIONS}) == len({p.name for p in PERMISSIONS}) == 18


def test_seal_names() -> None:
    assert [seal_name(otype) for otype in (0, 1, 2, 3, 4, 0x7FFF)] == ["", "RB", "LPB", "LB", "s4", "s32767"]


def test_every_pair_check_has_its_words() -> None:
    target = Capability.almighty().set_object_type(4)
    pairs = [
        (target, target.clear_perms(1 << 15)),
        (target.clear_perms(1 << 1), target),
        (target.with_tag(False), target),
        (target, target.with_tag(False)),
        (target.unseal(), target),
        (target, target.unseal()),
        (target.set_object_type(3), target),
        (target, target.set_object_type(5)),
        (target.clear_perms(1 << 8), target),
        (target, target.clear_perms(1 << 8)),
        (target.clear_perms(1 << 15), target),
        (target, target),
    ]
    assert [_core.cap_pair_check(t, d, False) for t, d in pairs] == list(range(len(PAIR_CHECKS)))


# ---- reading ----


@given(any_caps)
def test_what_is_written_is_read(cap: Capability) -> None:
    assert parse(raw_text(cap)) == cap
    assert parse(f"{cap.raw:032x}", cap.tag) == cap
    assert parse(f"0x{cap.raw:032X}") == cap.with_tag(False)
    assert parse(f"{cap.tag:d}:{cap.raw:032x}", tag=not cap.tag) == cap


@pytest.mark.parametrize(
    "text", ["", "0", "x" * 32, "0" * 31, "0" * 33, "2:" + "0" * 32, "1:" + "0" * 31, "٣" * 32, "0" * 10**6]
)
def test_what_is_no_capability_gets_one_short_sentence(text: str) -> None:
    with pytest.raises(ValueError, match="32 hex digits") as caught:
        parse(text)
    assert len(str(caught.value)) < 200


@given(any_caps)
def test_the_fields_line_has_every_field(cap: Capability) -> None:
    fields = dict(field.split("=") for field in fields_line(cap).split())
    assert int(fields["hex"], 16) == cap.raw
    assert (int(fields["base"], 16), int(fields["top"], 16)) == (cap.base, cap.limit)
    assert int(fields["len"], 16) == (cap.limit - cap.base) % (1 << 65)
    assert int(fields["perms"], 16) == cap.high >> 46
    assert int(fields["otype"], 16) == cap.high >> 31 & 0x7FFF


# ---- the explanation ----


def test_sizes() -> None:
    sizes = (0, 1, 64, 1000, 1024, 1536, 512 << 10, 1 << 30, 1 << 63)
    assert [size_text(size) for size in sizes] == [
        *("0 bytes", "1 byte", "64 bytes", "1000 bytes", "1K", "1536 bytes", "512K", "1G", "8E"),
    ]


def test_places() -> None:
    cap = parse(STACK_BUFFER)
    offsets = (0, 8, 63, 64, 80, -16)
    assert [place(cap.set_value(cap.base + offset)) for offset in offsets] == [
        "in bounds, offset 0x0",
        "in bounds, offset 0x8",
        "in bounds, offset 0x3f",
        "at the limit, one past the last byte",
        "0x10 above the limit",
        "0x10 below the base",
    ]


def test_the_explanation_says_what_counts() -> None:
    assert explain(parse(STACK_BUFFER)).splitlines() == [
        "0x47fffb840 [rwRW,0x47fffb840-0x47fffb880]",
        " raw     1:dc5140007880b840:000000047fffb840",
        " tag     1: valid",
        " value   0x47fffb840: in bounds, offset 0x0",
        " bounds  0x47fffb840 to 0x47fffb880, length 0x40 (64 bytes)",
        " coded   exponent 0, mantissas whole: bounds to the byte",
        " seal    unsealed, otype 0",
        " perms   0x37145 rw-RWl---b-m---0-g",
        "   has   Load Store LoadCap StoreCap StoreLocalCap BranchSealedPair MutableLoad User0 Global",
        "   lacks Execute Seal Unseal System CompartmentID User3 User2 User1 Executive",
    ]


def test_the_explanation_of_what_cannot_be_used() -> None:
    out_of_range = explain(parse("e577b5da14892bf1664fa3f4e78e6fe9"))
    assert "exponent 54 is out of range" in out_of_range
    assert "flags   0x66" in out_of_range
    assert "the base is above the limit" in explain(parse("1:e4bc6e829439c746:d8ddd2efcaf078b0"))
    assert "otype 16690" in explain(parse("47eaa0992cb6916dca118783593942a4"))


@given(any_caps)
def test_every_capability_can_be_explained(cap: Capability) -> None:
    text = explain(cap)
    assert raw_text(cap) in text
    assert all(line.strip() for line in text.splitlines())
