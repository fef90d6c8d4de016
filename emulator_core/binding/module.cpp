// The Python face of the machine. The only file that includes Python.
#include <nanobind/nanobind.h>
#include <nanobind/operators.h>
#include <nanobind/stl/pair.h>

#include "capability_ops.h"

namespace nb = nanobind;
using namespace nb::literals;

// ---- capabilities ---------------------------------------------------------------------------------------

// A number of more than 64 bits as a Python int.
static nb::int_ wide_int(uint64_t high, uint64_t low) {
    if (high == 0) return nb::int_(low);
    return nb::int_((nb::int_(high) << nb::int_(64)) | nb::int_(low));
}

static nb::int_ wide_int(unsigned __int128 number) {
    return wide_int(static_cast<uint64_t>(number >> 64), static_cast<uint64_t>(number));
}

// Is it a number of so many bits? A negative one leaves -1 behind.
static bool fits(nb::handle number, unsigned bits) { return (number >> nb::int_(bits)).equal(nb::int_(0)); }

static uint64_t low_word(nb::handle number) { return PyLong_AsUnsignedLongLongMask(number.ptr()); }

// The 129 bits of a capability: tag, high word, low word.
static struct cap cap_from_bits(nb::int_ bits) {
    if (!fits(bits, 129))
        throw nb::value_error("a capability is a number of 129 bits: tag, high word, low word");
    uint64_t upper = low_word(bits >> nb::int_(128));
    return {low_word(bits), low_word(bits >> nb::int_(64)), upper != 0};
}

static struct cap cap_from_bytes(nb::bytes content, bool tag) {
    if (content.size() != 16) throw nb::value_error("a capability in memory is 16 bytes");
    const unsigned char *byte = reinterpret_cast<const unsigned char *>(content.c_str());
    uint64_t low = 0, high = 0;
    for (int i = 7; i >= 0; i--) low = low << 8 | byte[i], high = high << 8 | byte[8 + i];
    return {low, high, tag};
}

static nb::int_ cap_bits(struct cap c) {
    return nb::int_(wide_int(c.hi, c.lo) | (nb::int_(static_cast<int>(c.tag)) << nb::int_(128)));
}

static nb::bytes cap_to_bytes(struct cap c) {
    char byte[16];
    for (int i = 0; i < 8; i++)
        byte[i] = static_cast<char>(c.lo >> 8 * i), byte[8 + i] = static_cast<char>(c.hi >> 8 * i);
    return nb::bytes(byte, sizeof byte);
}

static unsigned __int128 length_from(nb::int_ length) {
    bool whole = length.equal(wide_int(1, 0));
    if (!whole && !fits(length, 64)) throw nb::value_error("a length is a number from 0 to 2^64");
    return static_cast<unsigned __int128>(whole) << 64 | low_word(length);
}

static nb::int_ cap_limit(struct cap c) {
    struct cap_bounds bounds = cap_get_bounds(c);
    return wide_int(bounds.limit_top, bounds.limit);
}

static nb::str cap_repr(struct cap c) {
    char text[64];
    snprintf(text, sizeof text, "Capability(0x%d_%016llx_%016llx)", c.tag,
             static_cast<unsigned long long>(c.hi), static_cast<unsigned long long>(c.lo));
    return nb::str(text);
}

static void bind_capability_class(nb::module_ &m) {
    nb::class_<struct cap>(m, "Capability", nb::is_final())
        .def(
            "__init__", [](struct cap *self, nb::int_ bits) { new (self) cap(cap_from_bits(bits)); },
            "bits"_a = nb::int_(0))
        .def_static(
            "from_words", [](uint64_t low, uint64_t high, bool tag) { return cap{low, high, tag}; }, "low"_a,
            "high"_a, "tag"_a = false)
        .def_static("from_bytes", &cap_from_bytes, "content"_a, "tag"_a = false)
        .def_static("null", &cap_null)
        .def_static("almighty", &cap_almighty)
        .def("to_bytes", &cap_to_bytes)
        .def("__repr__", &cap_repr)
        .def("__eq__",
             [](struct cap a, nb::handle b) {
                 return nb::isinstance<struct cap>(b) && cap_is_equal(a, nb::cast<struct cap>(b));
             })
        .def("__hash__", [](struct cap c) { return nb::hash(nb::make_tuple(c.lo, c.hi, c.tag)); })
        .def("__reduce__",
             [](struct cap c) { return nb::make_tuple(nb::type<struct cap>(), nb::make_tuple(cap_bits(c))); })
        .def_prop_ro("bits", &cap_bits)
        .def_prop_ro("raw", [](struct cap c) { return wide_int(c.hi, c.lo); })
        .def_ro("low", &cap::lo)
        .def_ro("high", &cap::hi)
        .def_ro("tag", &cap::tag)
        .def_prop_ro("value", &cap_get_value)
        .def_prop_ro("flags", [](struct cap c) { return c.lo >> 56; })
        .def_prop_ro("base", &cap_get_base)
        .def_prop_ro("limit", &cap_limit)
        .def_prop_ro("length", [](struct cap c) { return wide_int(cap_get_length(c)); })
        .def_prop_ro("offset", &cap_get_offset)
        .def_prop_ro("perms", &cap_get_permissions)
        .def_prop_ro("otype", &cap_get_object_type)
        .def_prop_ro("exponent", &cap_get_exponent)
        .def_prop_ro("internal_exponent", &cap_is_internal_exponent)
        .def_prop_ro("valid", [](struct cap c) { return cap_get_bounds(c).valid; })
        .def_prop_ro("sealed", &cap_is_sealed)
        .def_prop_ro("executive", &cap_is_executive)
        .def_prop_ro("local", &cap_is_local)
        .def_prop_ro("in_bounds", &cap_is_in_bounds)
        .def_prop_ro("base_above_limit", &cap_is_base_above_limit)
        .def(
            "is_range_in_bounds",
            [](struct cap c, uint64_t start, nb::int_ length) {
                return cap_is_range_in_bounds(c, start, length_from(length));
            },
            "start"_a, "length"_a)
        .def("is_subset_of", &cap_is_subset_of, "other"_a)
        .def("bounds_equal", &cap_bounds_equal, "other"_a)
        .def("is_representable", &cap_is_representable, "value"_a)
        .def("is_representable_fast", &cap_is_representable_fast, "increment"_a)
        .def("has_perms", &cap_check_permissions, "mask"_a)
        .def(
            "with_tag", [](struct cap c, bool tag) { return cap{c.lo, c.hi, tag}; }, "tag"_a)
        .def("set_value", &cap_set_value, "value"_a)
        .def("add", &cap_add, "increment"_a)
        .def("set_offset", &cap_set_offset, "offset"_a)
        .def(
            "set_flags",
            [](struct cap c, unsigned flags) { return cap_set_flags(c, static_cast<uint64_t>(flags) << 56); },
            "flags"_a)
        .def("set_object_type", &cap_set_object_type, "otype"_a)
        .def("unseal", &cap_unseal)
        .def("clear_perms", &cap_clear_perms, "mask"_a)
        .def(
            "set_bounds",
            [](struct cap c, nb::int_ length, bool exact) {
                return cap_set_bounds(c, length_from(length), exact);
            },
            "length"_a, "exact"_a = false)
        .def(
            "set_bounds_is_exact",
            [](struct cap c, nb::int_ length) { return cap_set_bounds_is_exact(c, length_from(length)); },
            "length"_a)
        .def("squash_post_load", &cap_squash_post_load, "base"_a);
}

// Results with condition flags become pairs.
template <struct cap_nzcv (*op)(struct cap, struct cap)>
static std::pair<struct cap, unsigned> with_nzcv(struct cap cn, struct cap cm) {
    struct cap_nzcv result = op(cn, cm);
    return {result.cap, result.nzcv};
}

static std::pair<uint64_t, unsigned> subs(struct cap cn, struct cap cm) {
    struct value_nzcv result = capop_subs(cn, cm);
    return {result.value, result.nzcv};
}

static std::pair<uint64_t, unsigned> cvt_to_pointer(struct cap cn, struct cap base, bool base_offset) {
    struct value_nzcv result = capop_cvt_to_pointer(cn, base, base_offset);
    return {result.value, result.nzcv};
}

static void bind_capability_instructions(nb::module_ &m) {
    m.def("capop_add", &capop_add, "cn"_a, "xm"_a);
    m.def("capop_sub", &capop_sub, "cn"_a, "imm"_a);
    m.def("capop_scvalue", &capop_scvalue, "cn"_a, "xm"_a);
    m.def("capop_scoff", &capop_scoff, "cn"_a, "xm"_a);
    m.def("capop_cpyvalue", &capop_cpyvalue, "cn"_a, "cm"_a);
    m.def("capop_alignd", &capop_alignd, "cn"_a, "bits"_a);
    m.def("capop_alignu", &capop_alignu, "cn"_a, "bits"_a);
    m.def("capop_adrp", &capop_adrp, "base"_a, "imm"_a);
    m.def("capop_scbnds", &capop_scbnds, "cn"_a, "xm"_a);
    m.def("capop_scbndse", &capop_scbndse, "cn"_a, "xm"_a);
    m.def("capop_rrlen", &capop_rrlen, "xn"_a);
    m.def("capop_rrmask", &capop_rrmask, "xn"_a);
    m.def("capop_clrperm", &capop_clrperm, "cn"_a, "xm"_a);
    m.def("capop_clrperm_imm", &capop_clrperm_imm, "cn"_a, "perm"_a);
    m.def("capop_clrtag", &capop_clrtag, "cn"_a);
    m.def("capop_sctag", &capop_sctag, "cn"_a, "xm"_a, "may_set"_a);
    m.def("capop_scflgs", &capop_scflgs, "cn"_a, "xm"_a);
    m.def("capop_bicflgs", &capop_bicflgs, "cn"_a, "mask"_a);
    m.def("capop_eorflgs", &capop_eorflgs, "cn"_a, "mask"_a);
    m.def("capop_orrflgs", &capop_orrflgs, "cn"_a, "mask"_a);
    m.def("capop_seal_imm", &capop_seal_imm, "cn"_a, "form"_a);
    m.def("capop_seal", &capop_seal, "cn"_a, "cm"_a);
    m.def("capop_unseal", &capop_unseal, "cn"_a, "cm"_a);
    m.def("capop_cseal", &with_nzcv<capop_cseal>, "cn"_a, "cm"_a);
    m.def("capop_build", &capop_build, "cn"_a, "cm"_a);
    m.def("capop_cpytype", &capop_cpytype, "cn"_a, "cm"_a);
    m.def("capop_chkeq", &capop_chkeq, "cn"_a, "cm"_a);
    m.def("capop_chkss", &capop_chkss, "cn"_a, "cm"_a);
    m.def("capop_chkssu", &with_nzcv<capop_chkssu>, "cn"_a, "cm"_a);
    m.def("capop_chksld", &capop_chksld, "cn"_a);
    m.def("capop_chktgd", &capop_chktgd, "cn"_a);
    m.def("capop_subs", &subs, "cn"_a, "cm"_a);
    m.def("capop_gcbase", &capop_gcbase, "cn"_a);
    m.def("capop_gcflgs", &capop_gcflgs, "cn"_a);
    m.def("capop_gclen", &capop_gclen, "cn"_a);
    m.def("capop_gclim", &capop_gclim, "cn"_a);
    m.def("capop_gcoff", &capop_gcoff, "cn"_a);
    m.def("capop_gcperm", &capop_gcperm, "cn"_a);
    m.def("capop_gcseal", &capop_gcseal, "cn"_a);
    m.def("capop_gctag", &capop_gctag, "cn"_a);
    m.def("capop_gctype", &capop_gctype, "cn"_a);
    m.def("capop_gcvalue", &capop_gcvalue, "cn"_a);
    m.def("capop_cfhi", &capop_cfhi, "cn"_a);
    m.def("capop_cthi", &capop_cthi, "cn"_a, "xm"_a);
    m.def("capop_cvt_to_pointer", &cvt_to_pointer, "cn"_a, "base"_a, "base_offset"_a);
    m.def("capop_cvt", &capop_cvt, "base"_a, "xn"_a, "base_offset"_a);
    m.def("capop_cvtz", &capop_cvtz, "base"_a, "xn"_a, "base_offset"_a);
    m.def(
        "cap_pair_check",
        [](struct cap target, struct cap data, bool restricted) {
            return static_cast<int>(cap_pair_check(target, data, restricted));
        },
        "target"_a, "data"_a, "restricted"_a);
}

static void bind_capability(nb::module_ &m) {
    bind_capability_class(m);
    bind_capability_instructions(m);
}

// ---- the module -----------------------------------------------------------------------------------------

NB_MODULE(_core, m) { bind_capability(m); }
