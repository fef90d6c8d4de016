"""Every capability operation against an independent implementation of the specification.

The oracle is a program that answers requests, one a line: an operation by its name in the specification (an
instruction in lower case, ``i`` for an immediate form), capabilities as ``HIGH:LOW TAG``, numbers in hex.
data/capability-oracle.tsv.gz holds answers of such a program. CVMDBG_CAPABILITY_ORACLE names one to ask live;
CVMDBG_ORACLE_INPUTS says how many inputs each operation gets (10,000 unless told).
"""

from __future__ import annotations

import gzip
import os
import random
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from emulator_core import _core
from emulator_core.capability import Capability

SAMPLE = Path(__file__).parent / "data" / "capability-oracle.tsv.gz"
ORACLE = os.environ.get("CVMDBG_CAPABILITY_ORACLE")
INPUTS = int(os.environ.get("CVMDBG_ORACLE_INPUTS", "10000"))
U64 = (1 << 64) - 1


# ---- requests and answers as text ----


def cap_text(cap: Capability) -> str:
    return f"{cap.high:016x}:{cap.low:016x} {cap.tag:d}"


def number_text(number: int) -> str:
    return f"{number:x}"


def flags_text(nzcv: int) -> str:
    return f"nzcv={nzcv:04b}"


def cap_and_flags(pair: tuple[Capability, int]) -> str:
    return f"{cap_text(pair[0])} {flags_text(pair[1])}"


def number_and_flags(pair: tuple[int, int]) -> str:
    return f"{pair[0]:x} {flags_text(pair[1])}"


def bounds_text(cap: Capability) -> str:
    return f"{cap.base:x} {cap.limit:x} {cap.valid:d}"


class Inputs(NamedTuple):
    """One set of operands; a request takes what its operation needs."""

    a: Capability
    b: Capability
    x: int
    length: int  # 65 bits
    small: int


class Request(NamedTuple):
    """``operands``: c and d capabilities, x a number, l a 65-bit length, or the small number's largest value."""

    operands: tuple[str | int, ...]
    answer: Callable[..., str]


def op(text: Callable[..., str], function: Callable[..., object]) -> Callable[..., str]:
    return lambda *operands: text(function(*operands))


def as_flag(function: Callable[..., bool]) -> Callable[..., str]:
    return lambda *operands: f"{function(*operands):d}"


def flags_imm(function: Callable[[Capability, int], Capability]) -> Callable[..., str]:
    return lambda c, imm8: cap_text(function(c, imm8 << 56))


def pair_branch(target: Capability, data: Capability, restricted: int) -> str:
    """BRS and its kin with two registers: the target, and what C29 becomes."""
    if not _core.cap_pair_check(target, data, bool(restricted)):
        return f"{cap_text(target.unseal())} c29={cap_text(data.unseal())}"
    return f"{cap_text(target.with_tag(False))} c29={cap_text(data)}"


CAP_TO_CAP = {"clrtag": _core.capop_clrtag, "CapUnseal": Capability.unseal}
NUMBER_TO_CAP = {
    "add": _core.capop_add,
    "addi": _core.capop_add,
    "subi": _core.capop_sub,
    "scbnds": _core.capop_scbnds,
    "scbndse": _core.capop_scbndse,
    "scbndsi": _core.capop_scbndse,
    "scvalue": _core.capop_scvalue,
    "scoff": _core.capop_scoff,
    "clrperm": _core.capop_clrperm,
    "bicflgs": _core.capop_bicflgs,
    "eorflgs": _core.capop_eorflgs,
    "orrflgs": _core.capop_orrflgs,
    "scflgs": _core.capop_scflgs,
    "cthi": _core.capop_cthi,
    "CapAdd": Capability.add,
    "CapSetValue": Capability.set_value,
    "CapSetOffset": Capability.set_offset,
    "CapSetObjectType": Capability.set_object_type,
}
CAPS_TO_CAP = {
    "build": _core.capop_build,
    "seal": _core.capop_seal,
    "unseal": _core.capop_unseal,
    "cpytype": _core.capop_cpytype,
    "cpyvalue": _core.capop_cpyvalue,
    "squash": Capability.squash_post_load,
}
CAP_TO_NUMBER = {
    "gcbase": _core.capop_gcbase,
    "gcflgs": _core.capop_gcflgs,
    "gclen": _core.capop_gclen,
    "gclim": _core.capop_gclim,
    "gcoff": _core.capop_gcoff,
    "gcperm": _core.capop_gcperm,
    "gcseal": _core.capop_gcseal,
    "gctag": _core.capop_gctag,
    "gctype": _core.capop_gctype,
    "gcvalue": _core.capop_gcvalue,
    "cfhi": _core.capop_cfhi,
    "CapGetExponent": lambda c: c.exponent,
    "CapGetLength": lambda c: c.length,
    "CapIsInBounds": lambda c: c.in_bounds,
    "CapIsBaseAboveLimit": lambda c: c.base_above_limit,
    "CapIsExponentOutOfRange": lambda c: not c.valid,
}
REQUESTS = {
    **{name: Request(("c",), op(cap_text, f)) for name, f in CAP_TO_CAP.items()},
    **{name: Request(("c", "x"), op(cap_text, f)) for name, f in NUMBER_TO_CAP.items()},
    **{name: Request(("c", "d"), op(cap_text, f)) for name, f in CAPS_TO_CAP.items()},
    **{name: Request(("c",), op(number_text, f)) for name, f in CAP_TO_NUMBER.items()},
    "alignd": Request(("c", 63), op(cap_text, _core.capop_alignd)),
    "alignu": Request(("c", 63), op(cap_text, _core.capop_alignu)),
    "bicflgsi": Request(("c", 255), flags_imm(_core.capop_bicflgs)),
    "eorflgsi": Request(("c", 255), flags_imm(_core.capop_eorflgs)),
    "orrflgsi": Request(("c", 255), flags_imm(_core.capop_orrflgs)),
    "clrpermi": Request(("c", 7), op(cap_text, _core.capop_clrperm_imm)),
    "seali": Request(("c", 3), op(cap_text, _core.capop_seal_imm)),
    "sctag": Request(("c", "x"), lambda c, x: cap_text(_core.capop_sctag(c, x, True))),
    "cseal": Request(("c", "d"), op(cap_and_flags, _core.capop_cseal)),
    "chkssu": Request(("c", "d"), op(cap_and_flags, _core.capop_chkssu)),
    "chkeq": Request(("c", "d"), op(flags_text, _core.capop_chkeq)),
    "chkss": Request(("c", "d"), op(flags_text, _core.capop_chkss)),
    "chksld": Request(("c",), op(flags_text, _core.capop_chksld)),
    "chktgd": Request(("c",), op(flags_text, _core.capop_chktgd)),
    "subs": Request(("c", "d"), op(number_and_flags, _core.capop_subs)),
    "cvt_r": Request(("c", "d", 1), lambda c, d, o: number_and_flags(_core.capop_cvt_to_pointer(c, d, bool(o)))),
    "cvt": Request(("c", "x", 1), lambda c, x, o: cap_text(_core.capop_cvt(c, x, bool(o)))),
    "cvtz": Request(("c", "x", 1), lambda c, x, o: cap_text(_core.capop_cvtz(c, x, bool(o)))),
    "rrlen": Request(("x",), op(number_text, _core.capop_rrlen)),
    "rrmask": Request(("x",), op(number_text, _core.capop_rrmask)),
    "brs2": Request(("c", "d", 1), pair_branch),
    "CapClearPerms": Request(("c", "x"), lambda c, x: cap_text(c.clear_perms(x & 0xFFFFFFFF))),
    "CapCheckPermissions": Request(("c", "x"), lambda c, x: f"{c.has_perms(x & 0xFFFFFFFF):d}"),
    "CapSetBounds": Request(("c", "l", 1), lambda c, n, exact: cap_text(c.set_bounds(n, bool(exact)))),
    "CapGetBounds": Request(("c",), bounds_text),
    "CapIsRepresentable": Request(("c", "x"), as_flag(Capability.is_representable)),
    "CapIsRepresentableFast": Request(("c", "x"), as_flag(Capability.is_representable_fast)),
    "CapIsRangeInBounds": Request(("c", "x", "l"), as_flag(Capability.is_range_in_bounds)),
    "CapIsSubSetOf": Request(("c", "d"), as_flag(Capability.is_subset_of)),
    "CapBoundsEqual": Request(("c", "d"), as_flag(Capability.bounds_equal)),
}


def operands_of(request: Request, inputs: Inputs) -> list[Capability | int]:
    values: dict[str, Capability | int] = {"c": inputs.a, "d": inputs.b, "x": inputs.x, "l": inputs.length}
    return [values[o] if isinstance(o, str) else inputs.small % (o + 1) for o in request.operands]


def request_text(name: str, operands: list[Capability | int]) -> str:
    texts = (cap_text(o) if isinstance(o, Capability) else number_text(o) for o in operands)
    return " ".join([name, *texts])


def parsed(line: str) -> tuple[Request, list[Capability | int]]:
    """A request's text as its operation and operands."""
    name, *words = line.split()
    request, operands = REQUESTS[name], list[Capability | int]()
    for kind in request.operands:
        word = words.pop(0)
        if kind in ("c", "d"):
            high, low = word.split(":")
            operands.append(Capability.from_words(int(low, 16), int(high, 16), words.pop(0) == "1"))
        else:
            operands.append(int(word, 16))
    return request, operands


# ---- inputs: uniform, and the places where capability arithmetic breaks ----


def any_number(rng: random.Random) -> int:
    """Uniform in size first: small, a power of two and its neighbours, a run of ones, or as negative."""
    kind = rng.randrange(8)
    number = rng.getrandbits(rng.randrange(65))
    if kind < 2:
        number = (1 << rng.randrange(64)) + rng.randrange(-2, 3)
    if kind == 2:  # where a mantissa of ones carries
        number = (1 << rng.randrange(14, 65)) - (1 << rng.randrange(50)) + rng.randrange(-1, 2)
    return (-number if rng.randrange(4) == 0 else number) & U64


def made(rng: random.Random) -> Capability:
    """A capability that a program could have made: real bounds, fewer permissions."""
    cap = Capability.almighty().set_value(any_number(rng)).with_tag(True)
    cap = cap.set_bounds(any_number(rng)).with_tag(True)
    return cap.clear_perms(rng.getrandbits(18) & rng.getrandbits(18))


def at_an_edge(rng: random.Random, cap: Capability) -> Capability:
    """The same bounds with the value at or beside a bound, the flags or the representable region's edge."""
    edge = rng.choice((cap.base, cap.limit, cap.value, cap.base - (cap.length >> 3), cap.limit + (cap.length >> 2)))
    value = (edge + rng.randrange(-2, 3)) & U64
    if rng.randrange(4) == 0:
        value ^= rng.choice((1 << 55, 0x80 << 56, rng.getrandbits(8) << 56))
    return Capability.from_words(value, cap.high, cap.tag)


def any_capability(rng: random.Random) -> Capability:
    kind = rng.randrange(8)
    if kind < 2:
        return Capability(rng.getrandbits(129))
    if kind == 2:  # an exponent at the top of its range or out of it
        bounds = rng.getrandbits(31) & ~(1 << 30 | 7 << 16)
        high = rng.getrandbits(33) << 31 | bounds | rng.randrange(3) << 16
        return Capability.from_words(any_number(rng), high, rng.randrange(4) > 0)
    if kind == 3:
        return Capability.from_words(any_number(rng), 0, bool(rng.getrandbits(1)))
    cap = made(rng)
    if kind > 4:
        cap = at_an_edge(rng, cap)
    if kind > 6:
        cap = cap.set_object_type(rng.choice((1, 2, 3, 4, 5, rng.getrandbits(15))))
    return cap.with_tag(rng.randrange(8) > 0)


def related(rng: random.Random, a: Capability) -> Capability:
    """A second operand that has to do with the first: equal, wider, its key, its pair, or a stranger."""
    kind = rng.randrange(6)
    if kind == 0:
        return a.with_tag(rng.randrange(4) > 0)
    if kind == 1:
        return a.unseal().set_bounds(any_number(rng)).with_tag(a.tag)
    if kind == 2:
        key = Capability.almighty().clear_perms(rng.getrandbits(18) & rng.getrandbits(18) & 0x3FF | rng.getrandbits(1))
        return key.set_value(a.otype if rng.randrange(2) else rng.choice((4, 0x7FFF, 0x8000, U64, a.otype ^ 1)))
    if kind == 3:
        return made(rng).set_object_type(a.otype).clear_perms(rng.choice((0, 1 << 15))).with_tag(True)
    if kind == 4:
        return Capability.almighty().clear_perms(rng.getrandbits(18) & rng.getrandbits(18))
    return any_capability(rng)


def related_number(rng: random.Random, a: Capability) -> int:
    """A number that has to do with a capability's bounds, or any."""
    kind = rng.randrange(4)
    near = rng.randrange(-2, 3)
    if kind == 0:
        return (rng.choice((a.base, a.limit)) - a.value + near) & U64
    if kind == 1:
        return (rng.choice((a.base, a.limit, a.value, a.length)) + near) & U64
    return any_number(rng)


def inputs(seed: int, count: int) -> Iterator[Inputs]:
    rng = random.Random(seed)
    for _ in range(count):
        a = any_capability(rng)
        b = related(rng, a)
        if rng.randrange(4) == 0:
            a, b = b, a
        length = rng.choice((any_number(rng), a.length, 1 << 64, related_number(rng, a)))
        yield Inputs(a, b, related_number(rng, a), min(length, 1 << 64), rng.randrange(256))


# ---- tests ----


def sample_rows() -> dict[str, list[tuple[str, str]]]:
    rows: dict[str, list[tuple[str, str]]] = {}
    for line in gzip.decompress(SAMPLE.read_bytes()).decode("ascii").splitlines():
        request, answer = line.split("\t")
        rows.setdefault(request.split()[0], []).append((request, answer))
    return rows


SAMPLES = sample_rows() if SAMPLE.exists() else {}


@pytest.mark.parametrize("name", sorted(REQUESTS))
def test_agrees_with_recorded_answers(name: str) -> None:
    rows = SAMPLES[name]
    assert len(rows) >= 100
    for line, answer in rows:
        request, operands = parsed(line)
        assert request.answer(*operands) == answer, line


@pytest.fixture(scope="module")
def pool() -> list[Inputs]:
    return list(inputs(20240229, INPUTS))


@pytest.mark.skipif(ORACLE is None, reason="CVMDBG_CAPABILITY_ORACLE names no oracle program")
@pytest.mark.parametrize("name", sorted(REQUESTS))
def test_agrees_with_the_oracle(name: str, pool: list[Inputs]) -> None:
    assert ORACLE is not None
    request = REQUESTS[name]
    operands = [operands_of(request, one) for one in pool]
    asked = "".join(request_text(name, o) + "\n" for o in operands)
    told = subprocess.run([ORACLE], input=asked, capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(told) == len(operands)
    for answer, values in zip(told, operands, strict=True):
        assert request.answer(*values) == answer, request_text(name, values)
