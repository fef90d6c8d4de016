"""Register descriptions: printed and read, the peers' spellings, built-in ones, hostile XML."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gdbstub.description import (
    AARCH64,
    CANONICAL,
    CAPABILITIES,
    KM,
    UHYVE,
    Description,
    Dialect,
    Feature,
    Field,
    Register,
    TypeDefinition,
    built_in,
    morello,
)
from gdbstub.description_xml import parse_xml, print_xml
from gdbstub.layout import Layout, decode, encode, size

name = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=8).filter(
    lambda text: text not in CANONICAL
)
type_definitions = st.one_of(
    st.builds(TypeDefinition, st.just("vector"), name, name, st.integers(1, 64)),
    st.builds(
        TypeDefinition,
        st.sampled_from(["struct", "flags", "union"]),
        name,
        size=st.none() | st.integers(1, 16),
        fields=st.lists(
            st.one_of(
                st.builds(Field, name, name), st.builds(Field, name, name, st.integers(0, 9), st.integers(9, 63))
            ),
            max_size=3,
        ).map(tuple),
    ),
)
registers = st.builds(Register, name, st.integers(1, 512), name, st.just("") | name, st.integers(-1, 500))
features = st.builds(
    Feature,
    name,
    st.lists(registers, min_size=1, max_size=6).map(tuple),
    st.lists(type_definitions, max_size=3).map(tuple),
)
descriptions = st.builds(Description, name, st.just("") | name, st.lists(features, min_size=1, max_size=3).map(tuple))


@given(descriptions)
def test_a_description_is_read_as_it_was_printed(description: Description) -> None:
    numbered = description.numbered()
    assert parse_xml(print_xml(numbered).encode()) == numbered


@pytest.mark.parametrize("dialect", Dialect)
@pytest.mark.parametrize("typed", [True, False])
def test_the_own_descriptions_too(dialect: Dialect, typed: bool) -> None:
    description = morello(dialect, typed, "GNU/Linux")
    assert parse_xml(print_xml(description).encode()) == description


def test_ctsrd_spellings_become_canonical_and_numbers_are_kept() -> None:
    """QEMU-Morello numbers its capability registers 325 to 364 and calls three of them by an e."""
    spelled = {"csp": "ecsp", "ddc": "eddc", "ctpidr": "ectpidr"}
    rows = "".join(f'<reg name="{spelled.get(n, n)}" bitsize="128" type="data_capability"/>' for n in CAPABILITIES)
    document = f"""<?xml version="1.0"?><!DOCTYPE target SYSTEM "gdb-target.dtd">
    <target><architecture>aarch64</architecture><xi:include href="core.xml"/>
    <feature name="org.gnu.gdb.aarch64.capability">{rows.replace('"c0"', '"c0" regnum="325"')}
    <reg name="cctlr" bitsize="64"/></feature></target>"""
    core = print_xml(AARCH64).split("<target version", 1)[1].split(">", 1)[1].replace("</target>", "")
    found = parse_xml(document.encode(), lambda href: f"<feature>{core}</feature>".encode())
    layout = Layout(found)
    assert layout.register("csp").spelled == "ecsp"
    assert layout.register("c0").number == 325
    assert layout.register("cctlr").number == 364
    assert layout.register("x0").number == 0


@given(st.integers(0, (1 << 129) - 1), st.sampled_from(Dialect))
def test_a_capability_survives_its_dialect(value: int, dialect: Dialect) -> None:
    register = Register("c3", 129 if dialect is Dialect.BITS129 else 128, "data_capability")
    content = encode(register, dialect, value)
    assert len(content) == size(register, dialect)
    kept = value & (1 << 128) - 1 if dialect is Dialect.TAG_MAP else value
    assert decode(register, dialect, content) == kept


def test_dialects_by_bytes() -> None:
    value = 1 << 128 | 0x1122
    register = Register("c0", 128, "data_capability")
    assert encode(register, Dialect.TAG_FIRST, value) == b"\x01\x22\x11" + bytes(14)
    assert encode(register, Dialect.TAG_MAP, value) == b"\x22\x11" + bytes(14)
    assert encode(dataclasses.replace(register, bits=129), Dialect.BITS129, value) == b"\x22\x11" + bytes(14) + b"\x01"


def test_km_and_uhyve_are_known_by_their_block() -> None:
    km = bytearray(276)
    km[136:140] = (0x246).to_bytes(4, "little")
    assert built_in(bytes(km)) == KM
    assert Layout(KM).block_size == 276
    uhyve = bytearray(560)
    uhyve[136:144], uhyve[144:148] = (0x10246).to_bytes(8, "little"), (8).to_bytes(4, "little")
    found = built_in(bytes(uhyve))
    assert found == UHYVE
    values = Layout(UHYVE).read_block(uhyve.hex().encode())
    assert (values["eflags"], values["cs"], values["ss"]) == (0x10246, 8, 0)
    amd64 = bytearray(560)
    amd64[140:144] = (0x33).to_bytes(4, "little")
    assert built_in(bytes(amd64)) is None
    assert built_in(bytes(7)) is None


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        (b"", "no XML"),
        (b"<target>", "no XML"),
        (b"<target/>", "names no registers"),
        (b"<target><feature><reg bitsize='8'/></feature></target>", "has no name"),
        (b"<target><feature><reg name='a'/></feature></target>", "needs a bitsize"),
        (b"<target><feature><reg name='a' bitsize='99999999'/></feature></target>", "no number up to"),
        (b"<target><feature><reg name='a' bitsize='-1'/></feature></target>", "no number up to"),
        (b"<target><xi:include href='more.xml'/></target>", "cannot be had"),
        (b'<!DOCTYPE t [<!ENTITY a "aaaa">]><target>&a;</target>', "declares an entity"),
        (b"<target>" + b"x" * (1 << 20) + b"</target>", "at most"),
    ],
)
def test_hostile_descriptions_are_told(document: bytes, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        parse_xml(document)


def test_includes_that_include_themselves_end() -> None:
    document = b"<target><xi:include href='target.xml'/></target>"
    with pytest.raises(ValueError, match="cannot be had"):
        parse_xml(document, lambda href: document)
