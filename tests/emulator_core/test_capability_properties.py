"""What holds for every capability, whatever its bits."""

from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st

from emulator_core import _core
from emulator_core.capability import Capability

SEAL, UNSEAL, GLOBAL = 1 << 11, 1 << 10, 1 << 0
TOP = 1 << 64
# The fast rule sees no edge at these exponents: there the whole address space is representable.
FAST_RULE_ENDS = 48

numbers = st.one_of(
    st.integers(0, TOP - 1),
    st.integers(0, 1 << 17),
    st.builds(lambda bit, near: ((1 << bit) + near) % TOP, st.integers(0, 63), st.integers(-2, 2)),
)
perms = st.integers(0, (1 << 18) - 1)
any_caps = st.builds(Capability, st.integers(0, (1 << 129) - 1))


@st.composite
def made_caps(draw: st.DrawFn) -> Capability:
    """Tagged, unsealed, with bounds that SCBNDS gave, its value still where they were set.

    Addresses are canonical (bits 55 up equal) and the request stays in the address space.
    """
    address = draw(numbers) & ((1 << 56) - 1)
    address |= -(address >> 55) << 56 & (TOP - 1)
    length = min(draw(numbers), TOP - address)
    cap = Capability.almighty().set_value(address).set_bounds(length)
    return cap.clear_perms(draw(perms))


caps = st.one_of(made_caps(), any_caps)
sealed_caps = st.builds(Capability.set_object_type, caps, st.integers(1, 0x7FFF))


@given(any_caps)
def test_bits_and_bytes_come_back(cap: Capability) -> None:
    assert Capability(cap.bits) == cap
    assert Capability.from_words(cap.low, cap.high, cap.tag) == cap
    assert Capability.from_bytes(cap.to_bytes(), cap.tag) == cap
    assert cap.to_bytes() == cap.raw.to_bytes(16, "little")
    assert hash(Capability(cap.bits)) == hash(cap)


@given(made_caps())
def test_made_capabilities_keep_their_tag(cap: Capability) -> None:
    assert cap.tag
    assert cap.valid
    assert not cap.base_above_limit


@given(numbers, numbers)
def test_set_bounds_covers_the_request(address: int, length: int) -> None:
    assume(address + length <= TOP and address < 1 << 55)
    cap = Capability.almighty().set_value(address).set_bounds(length)
    assert cap.base <= address
    assert cap.limit >= address + length


@given(made_caps(), numbers, numbers, st.booleans())
def test_set_bounds_never_widens(cap: Capability, step: int, length: int, exact: bool) -> None:
    narrowed = cap.add(step).set_bounds(length, exact)
    assert not narrowed.tag or narrowed.is_subset_of(cap)


@given(made_caps(), st.data())
def test_set_bounds_inside_the_bounds_keeps_the_tag(cap: Capability, data: st.DataObject) -> None:
    offset = data.draw(st.integers(0, max(cap.length - 1, 0)))
    length = data.draw(st.integers(0, min(cap.limit - cap.base - offset, TOP - 1)))
    inside = cap.set_value((cap.base + offset) % TOP)
    assume(inside.tag)
    narrowed = inside.set_bounds(length)
    if narrowed.tag:
        assert narrowed.is_subset_of(cap)
    else:  # only flags that the wide bounds saw and the narrow ones cannot cost it
        assert inside.exponent >= FAST_RULE_ENDS > narrowed.exponent


@given(made_caps(), numbers, numbers)
def test_bounds_of_a_longer_request_hold_those_of_a_shorter(cap: Capability, one: int, other: int) -> None:
    short, long = sorted((one, other))
    assume(cap.value + long <= TOP and cap.value < 1 << 55)
    inner, outer = cap.set_bounds(short), cap.set_bounds(long)
    assert outer.base <= inner.base
    assert inner.limit <= outer.limit


@given(caps, numbers)
def test_exact_bounds_are_those_that_were_not_rounded(cap: Capability, length: int) -> None:
    is_exact = cap.set_bounds_is_exact(length)
    assert cap.set_bounds(length, exact=True).tag == (cap.set_bounds(length).tag and is_exact)
    result = cap.set_bounds(length)
    if result.valid and result.tag:
        assert is_exact == (result.base == cap.value and result.length == length)


@given(caps, numbers)
def test_exact_and_rounded_bounds_have_the_same_bits(cap: Capability, length: int) -> None:
    assert cap.set_bounds(length).raw == cap.set_bounds(length, exact=True).raw


@given(numbers, numbers)
def test_a_rounded_length_at_a_masked_base_is_exact(address: int, length: int) -> None:
    mask, rounded = _core.capop_rrmask(length), _core.capop_rrlen(length)
    base = address & mask
    whole = rounded or (TOP if length else 0)  # RRLEN wraps to 0 where only 2^64 is long enough
    assume(base + whole <= TOP)
    assert whole >= length
    assert Capability.almighty().set_value(base).set_bounds_is_exact(whole)


@given(numbers, numbers)
def test_longer_lengths_round_to_longer_and_coarser(one: int, other: int) -> None:
    short, long = sorted((one, other))
    coarse, fine = _core.capop_rrmask(long), _core.capop_rrmask(short)
    assert coarse & fine == coarse
    assert (_core.capop_rrlen(short) or TOP * (short > 0)) <= (_core.capop_rrlen(long) or TOP * (long > 0))


@given(caps, numbers)
def test_set_value_keeps_the_bounds_or_drops_the_tag(cap: Capability, value: int) -> None:
    moved = cap.set_value(value)
    assert moved.value == value
    assert moved.high == cap.high
    assert not moved.tag or moved.bounds_equal(cap)


@given(caps, numbers)
def test_the_fast_rule_is_the_stricter_one(cap: Capability, step: int) -> None:
    """A tag that ADD keeps, SCVALUE keeps; where exponents use the value."""
    assume(cap.exponent < FAST_RULE_ENDS)
    moved = cap.add(step)
    assert not moved.tag or cap.set_value(moved.value) == moved


@given(caps, numbers)
def test_add_then_sub_restores(cap: Capability, step: int) -> None:
    back = _core.capop_sub(_core.capop_add(cap, step), step)
    assert back.raw == cap.raw
    assert back.tag in (False, cap.tag)


@given(made_caps(), numbers)
def test_add_then_sub_restores_the_tag_within_bounds(cap: Capability, step: int) -> None:
    there = cap.add(step)
    assume(there.in_bounds and there.tag)
    assert there.add(-step % TOP) == cap


@given(caps, numbers)
def test_set_offset_sets_the_offset(cap: Capability, offset: int) -> None:
    moved = cap.set_offset(offset)
    assert not (moved.tag and cap.exponent < FAST_RULE_ENDS) or moved.offset == offset


@given(caps, perms, perms)
def test_clearing_permissions_only_takes_away(cap: Capability, one: int, other: int) -> None:
    cleared = cap.clear_perms(one)
    assert cleared.perms == cap.perms & ~one
    assert cleared.clear_perms(other) == cap.clear_perms(one | other)
    assert cleared.tag == cap.tag
    assert not cap.valid or cleared.is_subset_of(cap)


@given(made_caps(), st.integers(4, 0x7FFF), perms)
def test_unsealing_undoes_sealing(cap: Capability, otype: int, missing: int) -> None:
    key = Capability.almighty().set_value(otype).clear_perms(missing & ~(SEAL | UNSEAL | GLOBAL))
    sealed = _core.capop_seal(cap, key)
    assert sealed.tag
    assert sealed.otype == otype
    assert _core.capop_unseal(sealed, key) == cap
    assert not _core.capop_unseal(sealed, key.set_value(otype ^ 1)).tag


@given(made_caps(), st.integers(0, TOP - 1), st.sampled_from([SEAL, UNSEAL]))
def test_a_key_without_its_permission_opens_nothing(cap: Capability, otype: int, permission: int) -> None:
    key = Capability.almighty().set_value(otype)
    weak = key.clear_perms(permission)
    sealed = _core.capop_seal(cap, weak if permission == SEAL else key)
    assert not _core.capop_unseal(sealed, weak).tag


@given(sealed_caps, numbers)
def test_a_sealed_capability_that_changes_loses_its_tag(cap: Capability, number: int) -> None:
    changing = (
        *(_core.capop_add, _core.capop_scvalue, _core.capop_scoff, _core.capop_scbnds, _core.capop_scbndse),
        *(_core.capop_clrperm, _core.capop_scflgs, _core.capop_bicflgs, _core.capop_orrflgs),
    )
    assert not any(change(cap, number).tag for change in changing)


@given(made_caps())
def test_build_restores_a_lost_tag(cap: Capability) -> None:
    assert _core.capop_build(cap.with_tag(False), Capability.almighty()) == cap


@given(any_caps, any_caps)
def test_build_never_exceeds_its_authority(bits: Capability, key: Capability) -> None:
    built = _core.capop_build(bits.with_tag(False), key)
    assert not built.sealed
    assert not built.tag or (key.tag and not key.sealed and built.is_subset_of(key))


valid_caps = caps.filter(lambda cap: cap.valid)


@given(valid_caps)
def test_subset_is_reflexive(cap: Capability) -> None:
    assert cap.is_subset_of(cap)


@given(valid_caps, valid_caps)
def test_subset_both_ways_means_same_bounds_and_permissions(a: Capability, b: Capability) -> None:
    both = a.is_subset_of(b) and b.is_subset_of(a)
    assert both == (a.bounds_equal(b) and a.perms == b.perms)


@given(made_caps(), numbers, perms, numbers, perms)
def test_subset_is_transitive(cap: Capability, one: int, p: int, other: int, q: int) -> None:
    b = cap.set_bounds(one).clear_perms(p)
    c = b.set_bounds(other).clear_perms(q)
    assert not (c.is_subset_of(b) and b.is_subset_of(cap)) or c.is_subset_of(cap)


@given(valid_caps, numbers, st.integers(0, TOP))
def test_a_range_in_bounds_has_its_ends_in_bounds(cap: Capability, start: int, length: int) -> None:
    assume(cap.exponent < FAST_RULE_ENDS or cap.exponent == 63)
    inside = cap.is_range_in_bounds(start, length)
    assert inside == (cap.base <= start and (start + length) % (2 * TOP) <= cap.limit)


@given(any_caps, any_caps)
def test_equality_is_of_all_129_bits(a: Capability, b: Capability) -> None:
    assert (a == b) == (a.bits == b.bits)
    assert (_core.capop_chkeq(a, b) != 0) == (a == b)
    assert _core.capop_chkeq(a, a) == 0b0100
