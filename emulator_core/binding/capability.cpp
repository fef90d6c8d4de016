// Capabilities as values.
#include "bind.h"
#include "values.h"

static struct cap cap_from_bytes(nb::bytes content, bool tag) {
    if (content.size() != 16) throw nb::value_error("a capability in memory is 16 bytes");
    const unsigned char *byte = reinterpret_cast<const unsigned char *>(content.c_str());
    uint64_t low = 0, high = 0;
    for (int i = 7; i >= 0; i--) low = low << 8 | byte[i], high = high << 8 | byte[8 + i];
    return {low, high, tag};
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

void bind_capability(nb::module_ &m) {
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
