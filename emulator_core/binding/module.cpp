// The Python face of the machine. The only file that includes Python.
#include <nanobind/nanobind.h>
#include <nanobind/operators.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include <atomic>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "capability_ops.h"
#include "emu.h"
#include "isa.h"

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

// ---- machine --------------------------------------------------------------------------------------------

static const char *const register_name_list[EMU_REG_END] = {
    "c0",   "c1",      "c2",  "c3",       "c4",   "c5",   "c6",    "c7",   "c8",   "c9",  "c10",    "c11",
    "c12",  "c13",     "c14", "c15",      "c16",  "c17",  "c18",   "c19",  "c20",  "c21", "c22",    "c23",
    "c24",  "c25",     "c26", "c27",      "c28",  "c29",  "c30",   "csp",  "pcc",  "ddc", "ctpidr", "rcsp",
    "rddc", "rctpidr", "cid", "ctpidrro", "nzcv", "cpsr", "cctlr", "fpcr", "fpsr", "el",
};

static nb::list register_names() {
    nb::list names;
    for (int i = 0; i < EMU_REG_END; i++) {
        if (i >= EMU_V0)
            names.append(nb::str(("v" + std::to_string(i - EMU_V0)).c_str()));
        else
            names.append(nb::str(register_name_list[i] ? register_name_list[i] : ""));
    }
    return names;
}

static nb::int_ bits_of(struct emu_cap c) { return cap_bits({c.lo, c.hi, c.tag != 0}); }

static struct emu_cap cap_of_bits(nb::int_ bits) {
    struct cap c = cap_from_bits(bits);
    return {c.lo, c.hi, c.tag};
}

static nb::int_ register_value(int reg, struct emu_cap value) {
    if (reg < EMU_CAP_COUNT) return bits_of(value);
    return reg >= EMU_V0 ? wide_int(value.hi, value.lo) : nb::int_(value.lo);
}

// The first byte of a debugger's access that is not mapped.
struct Unmapped : std::exception {
    uint64_t address;
    explicit Unmapped(uint64_t at) : address(at) {}
};

struct Snapshot {
    struct emu_snapshot *state;
    explicit Snapshot(struct emu_snapshot *s) : state(s) {}
    Snapshot(const Snapshot &) = delete;
    ~Snapshot() { emu_snapshot_free(state); }

    // Addresses as bytes of 64-bit numbers: array("Q") takes them.
    nb::bytes changes(const Snapshot *base) const {
        std::vector<uint64_t> list;
        {
            nb::gil_scoped_release released;
            const struct emu_snapshot *other = base ? base->state : nullptr;
            list.resize(emu_snapshot_changes(state, other, nullptr, 0));
            emu_snapshot_changes(state, other, list.data(), list.size());
        }
        return nb::bytes(reinterpret_cast<const char *>(list.data()), list.size() * sizeof(uint64_t));
    }
    nb::bytes pages(const std::vector<uint64_t> &addresses) const {
        std::vector<uint8_t> out(addresses.size() * EMU_PAGE_BYTES);
        {
            nb::gil_scoped_release released;
            for (size_t i = 0; i < addresses.size(); i++)
                emu_snapshot_page(state, addresses[i], out.data() + i * EMU_PAGE_BYTES);
        }
        return nb::bytes(reinterpret_cast<const char *>(out.data()), out.size());
    }
    nb::list regions() const {
        std::vector<struct emu_region> list(emu_snapshot_regions(state, nullptr, 0));
        emu_snapshot_regions(state, list.data(), list.size());
        nb::list out;
        for (const struct emu_region &r : list)
            out.append(nb::make_tuple(r.address, r.size, r.prot, r.device));
        return out;
    }
    // By thread number: what is not zero, by name.
    nb::dict threads() const {
        nb::dict out;
        std::vector<struct emu_named> values(emu_named_count());
        for (int i = 0; i < emu_snapshot_thread_limit(state); i++) {
            if (!emu_snapshot_thread(state, i, values.data(), values.size())) continue;
            nb::dict thread;
            for (const struct emu_named &v : values)
                if (v.value.lo || v.value.hi || v.value.tag) thread[v.name] = bits_of(v.value);
            out[nb::int_(i)] = thread;
        }
        return out;
    }
};

static void pack_number(std::string &out, uint64_t value, unsigned size) {
    for (unsigned i = 0; i < size; i++) out.push_back(static_cast<char>(value >> 8 * i));
}

static void pack_cap(std::string &out, const struct emu_cap &c) {
    pack_number(out, c.lo, 8);
    pack_number(out, c.hi, 8);
    pack_number(out, c.tag, 8);
}

static void pack_crossing(std::string &out, const struct emu_crossing &c) {
    pack_number(out, c.tick, 8);
    pack_number(out, static_cast<uint32_t>(c.thread), 4);
    for (uint8_t byte : {c.kind, c.cn, c.cm, c.failed}) pack_number(out, byte, 1);
    pack_number(out, c.from, 8);
    pack_number(out, c.to, 8);
    for (const struct emu_cap *cap : {&c.target, &c.paired, &c.pcc, &c.number, &c.result})
        pack_cap(out, *cap);
    for (const struct emu_cap &argument : c.argument) pack_cap(out, argument);
}

// Owns the machine. While one thread is in run(), only interrupt() may be called from another.
static const char *const engine_names[] = {"interp", "jit"};

static enum emu_engine engine_named(const char *text) {
    const std::string name = text;
    if (name == "interp") return EMU_ENGINE_INTERP;
    if (name != "jit") throw nb::value_error("an engine is jit or interp");
    if (emu_jit_missing()) throw nb::value_error(emu_jit_missing());
    return EMU_ENGINE_JIT;
}

class Machine {
    struct emu *emu = emu_new();
    std::atomic<bool> busy{false};
    std::vector<struct emu_crossing> drained =
        std::vector<struct emu_crossing>(256); // on their way to Python

    void check_thread(int thread) const {
        if (!emu_thread_exists(emu, thread))
            throw nb::index_error(("no thread " + std::to_string(thread)).c_str());
    }
    static void check_register(int reg) {
        if (reg < 0 || reg >= EMU_REG_END || (reg < EMU_V0 && !register_name_list[reg]))
            throw nb::index_error(("no register " + std::to_string(reg)).c_str());
    }
    void check_idle() const {
        if (busy) throw std::runtime_error("the machine is running");
    }
    static void check_range(int result) {
        if (result)
            throw nb::value_error(
                "a mapping is whole pages below 2^48, and only mapped memory has protection");
    }
    void check_mapped(uint64_t address, uint64_t size) const {
        uint64_t mapped = emu_mapped(emu, address, size);
        if (mapped < size) throw Unmapped(address + mapped);
    }

  public:
    Machine() = default;
    Machine(const Machine &) = delete;
    ~Machine() { emu_free(emu); }

    void map(uint64_t address, uint64_t size, unsigned prot) {
        check_idle();
        check_range(emu_map(emu, address, size, prot));
    }
    void unmap(uint64_t address, uint64_t size) {
        check_idle();
        check_range(emu_unmap(emu, address, size));
    }
    void protect(uint64_t address, uint64_t size, unsigned prot) {
        check_idle();
        check_range(emu_protect(emu, address, size, prot));
    }
    void map_device(uint64_t address, uint64_t size) {
        check_idle();
        check_range(emu_map_device(emu, address, size));
    }
    nb::list regions() const {
        check_idle();
        std::vector<struct emu_region> list(emu_regions(emu, nullptr, 0));
        emu_regions(emu, list.data(), list.size());
        nb::list out;
        for (const struct emu_region &r : list)
            out.append(nb::make_tuple(r.address, r.size, r.prot, r.device));
        return out;
    }

    nb::bytes read(uint64_t address, size_t size) const {
        check_idle();
        check_mapped(address, size);
        nb::bytes out =
            nb::steal<nb::bytes>(PyBytes_FromStringAndSize(nullptr, static_cast<Py_ssize_t>(size)));
        if (!out.is_valid()) throw nb::python_error();
        emu_read(emu, address, PyBytes_AsString(out.ptr()), size);
        return out;
    }
    void write(uint64_t address, nb::bytes content) {
        check_idle();
        check_mapped(address, content.size());
        emu_write(emu, address, content.c_str(), content.size());
    }
    nb::bytes read_tags(uint64_t address, uint64_t size) const {
        check_idle();
        check_mapped(address, size);
        uint64_t first = address / EMU_GRANULE, end = size ? (address + size - 1) / EMU_GRANULE + 1 : first;
        std::vector<uint8_t> tags(end - first);
        emu_read_tags(emu, address, tags.data(), tags.size());
        return nb::bytes(tags.data(), tags.size());
    }
    static void check_granule(uint64_t address) {
        if (address % EMU_GRANULE) throw nb::value_error("a capability in memory is aligned to 16 bytes");
    }
    nb::tuple read_capability(uint64_t address) const {
        check_idle();
        check_granule(address);
        check_mapped(address, EMU_GRANULE);
        uint64_t words[2];
        uint8_t tag = 0;
        emu_read(emu, address, words, sizeof words);
        emu_read_tags(emu, address, &tag, 1);
        return nb::make_tuple(wide_int(words[1], words[0]), tag != 0);
    }
    void write_capability(uint64_t address, nb::int_ raw, bool tag) {
        check_idle();
        check_granule(address);
        check_mapped(address, EMU_GRANULE);
        if (!fits(raw, 128)) throw nb::value_error("a capability without its tag is a number of 128 bits");
        struct emu_cap c = cap_of_bits(raw);
        c.tag = tag;
        emu_write_cap(emu, address, c);
    }

    int add_thread(nb::handle mode) {
        check_idle();
        bool system = nb::isinstance<nb::str>(mode) ? mode.equal(nb::str("system"))
                                                    : nb::cast<int>(mode) == EMU_MODE_SYSTEM;
        if (nb::isinstance<nb::str>(mode) && !system && !mode.equal(nb::str("user")))
            throw nb::value_error("a thread's mode is \"user\" or \"system\"");
        int thread = emu_thread_new(emu, system ? EMU_MODE_SYSTEM : EMU_MODE_USER);
        if (thread < 0) throw std::runtime_error("too many threads");
        return thread;
    }
    void remove_thread(int thread) {
        check_idle();
        check_thread(thread);
        emu_thread_free(emu, thread);
    }
    nb::list threads() const {
        check_idle();
        nb::list out;
        for (int i = 0; i < emu_thread_limit(emu); i++)
            if (emu_thread_exists(emu, i)) out.append(i);
        return out;
    }
    nb::int_ get(int thread, int reg) const {
        check_idle();
        check_thread(thread);
        check_register(reg);
        return register_value(reg, emu_get(emu, thread, static_cast<enum emu_reg>(reg)));
    }
    void set(int thread, int reg, nb::int_ value) {
        check_idle();
        check_thread(thread);
        check_register(reg);
        if (reg >= EMU_CAP_COUNT && !fits(value, reg >= EMU_V0 ? 128 : 64))
            throw nb::value_error("this register is narrower than the value");
        emu_set(emu, thread, static_cast<enum emu_reg>(reg), cap_of_bits(value));
    }
    nb::tuple registers(int thread) const {
        check_idle();
        check_thread(thread);
        nb::list out;
        for (int i = 0; i < EMU_REG_END; i++)
            out.append(register_value(i, emu_get(emu, thread, static_cast<enum emu_reg>(i))));
        return nb::tuple(out);
    }
    // As run(), but a system call comes as X0 to X8 instead of a stop.
    nb::object run_call(int thread, uint64_t max_ticks) {
        struct emu_stop stop = run(thread, max_ticks);
        return stop.kind == EMU_STOP_SYSCALL ? nb::object(words(thread)) : nb::cast(stop);
    }
    void set_word(int thread, int reg, uint64_t value) {
        check_idle();
        check_thread(thread);
        if (reg < 0 || reg > 30) throw nb::index_error("X registers are 0 to 30");
        emu_set(emu, thread, static_cast<enum emu_reg>(reg), {value, 0, 0});
    }
    nb::tuple words(int thread) const {
        check_idle();
        check_thread(thread);
        PyObject *out = PyTuple_New(9);
        if (!out) throw nb::python_error();
        for (int i = 0; i < 9; i++) {
            uint64_t word = emu_get(emu, thread, static_cast<enum emu_reg>(i)).lo;
            PyTuple_SET_ITEM(out, i, PyLong_FromUnsignedLongLong(word));
        }
        return nb::steal<nb::tuple>(out);
    }
    nb::int_ get_sysreg(int thread, const char *name) const {
        check_idle();
        check_thread(thread);
        struct emu_cap value;
        if (emu_get_sysreg(emu, thread, name, &value)) throw nb::key_error(name);
        return bits_of(value);
    }
    void set_sysreg(int thread, const char *name, nb::int_ value) {
        check_idle();
        check_thread(thread);
        if (emu_set_sysreg(emu, thread, name, cap_of_bits(value))) throw nb::key_error(name);
    }

    bool translates(int thread) const {
        check_idle();
        return emu_translates(emu, thread);
    }
    std::optional<uint64_t> translate(int thread, uint64_t address) const {
        check_idle();
        check_thread(thread);
        uint64_t pa;
        if (!emu_translate(emu, thread, address, &pa)) return std::nullopt;
        return pa;
    }

    struct emu_stop run(int thread, uint64_t max_ticks) {
        check_idle();
        check_thread(thread);
        struct emu_stop stop;
        busy = true;
        {
            nb::gil_scoped_release released;
            emu_run(emu, thread, max_ticks, &stop);
        }
        busy = false;
        return stop;
    }
    nb::tuple run_until_changed(int thread, int reg, bool bounds, uint64_t max_ticks) {
        check_idle();
        check_thread(thread);
        check_register(reg);
        uint64_t pc = 0;
        bool changed;
        busy = true;
        {
            nb::gil_scoped_release released;
            changed =
                emu_run_until_changed(emu, thread, static_cast<enum emu_reg>(reg), bounds, max_ticks, &pc);
        }
        busy = false;
        return nb::make_tuple(changed, pc);
    }
    void interrupt() { emu_interrupt(emu); }
    uint64_t ticks() const { return emu_ticks(emu); }
    void set_ticks(uint64_t ticks) {
        check_idle();
        emu_set_ticks(emu, ticks);
    }
    void use_step_engine(int thread, bool on) {
        check_idle();
        check_thread(thread);
        emu_use_step_engine(emu, thread, on);
    }

    const char *engine() const { return engine_names[emu_engine(emu)]; }
    void set_engine(const char *name) {
        check_idle();
        emu_set_engine(emu, engine_named(name));
    }
    uint64_t translations() const { return emu_translations(emu); }

    void add_breakpoint(uint64_t address) {
        check_idle();
        emu_break_add(emu, address);
    }
    void remove_breakpoint(uint64_t address) {
        check_idle();
        if (emu_break_remove(emu, address)) throw nb::key_error("no breakpoint is there");
    }
    nb::list breakpoints() const {
        check_idle();
        std::vector<uint64_t> list(emu_breakpoints(emu, nullptr, 0));
        emu_breakpoints(emu, list.data(), list.size());
        nb::list out;
        for (uint64_t address : list) out.append(address);
        return out;
    }
    int add_watchpoint(uint64_t address, uint64_t size, unsigned access) {
        check_idle();
        int id = emu_watch_add(emu, address, size, access);
        if (id < 0)
            throw nb::value_error("a watchpoint is a range of at least one byte and a set of accesses");
        return id;
    }
    void remove_watchpoint(int id) {
        check_idle();
        if (emu_watch_remove(emu, id)) throw nb::key_error("no such watchpoint");
    }
    void set_ring_limit(size_t crossings) { emu_set_ring_limit(emu, crossings); }

    nb::list crossings() {
        check_idle();
        nb::list out;
        while (size_t n = emu_crossings(emu, drained.data(), drained.size()))
            for (size_t i = 0; i < n; i++) out.append(nb::cast(drained[i]));
        return out;
    }

    // The same as bytes, as recordings keep them: FORMAT.md of sessions, "Crossings".
    nb::bytes crossings_packed() {
        check_idle();
        std::string out;
        while (size_t n = emu_crossings(emu, drained.data(), drained.size()))
            for (size_t i = 0; i < n; i++) pack_crossing(out, drained[i]);
        return nb::bytes(out.data(), out.size());
    }

    void put_regions(const std::vector<std::tuple<uint64_t, uint64_t, unsigned, bool>> &list) {
        check_idle();
        std::vector<struct emu_region> regions;
        for (const auto &[address, size, prot, device] : list)
            regions.push_back({address, size, prot, device});
        check_range(emu_put_regions(emu, regions.data(), regions.size()));
    }
    void put_thread(int thread, nb::dict values) {
        check_idle();
        std::vector<std::string> names;
        std::vector<struct emu_named> list;
        names.reserve(values.size());
        for (auto [name, value] : values) {
            names.push_back(nb::cast<std::string>(name));
            list.push_back({names.back().c_str(), cap_of_bits(nb::cast<nb::int_>(value))});
        }
        if (emu_put_thread(emu, thread, list.data(), list.size()))
            throw nb::value_error("a thread's state has a name or a value that this machine does not know");
    }
    void put_pages(const std::vector<uint64_t> &addresses, nb::bytes content) {
        check_idle();
        if (content.size() != addresses.size() * EMU_PAGE_BYTES)
            throw nb::value_error("a page is 4096 bytes and 256 bits of tags");
        const auto *bytes = reinterpret_cast<const uint8_t *>(content.c_str());
        if (emu_put_pages(emu, addresses.data(), bytes, addresses.size()))
            throw nb::value_error("a page lies at a multiple of 4096 below 2^48");
    }
    void follow_touched(bool on) {
        check_idle();
        emu_follow_touched(emu, on);
    }
    nb::bytes take_touched() {
        check_idle();
        std::vector<uint64_t> list(emu_take_touched(emu, nullptr, 0));
        emu_take_touched(emu, list.data(), list.size());
        return nb::bytes(reinterpret_cast<const char *>(list.data()), list.size() * sizeof(uint64_t));
    }

    std::unique_ptr<Snapshot> save() {
        check_idle();
        return std::make_unique<Snapshot>(emu_save(emu));
    }
    void load(const Snapshot &snapshot) {
        check_idle();
        emu_load(emu, snapshot.state);
    }
    nb::bytes digest() const {
        check_idle();
        uint8_t out[32];
        emu_digest(emu, out);
        return nb::bytes(out, sizeof out);
    }
};

enum class Prot { R = EMU_PROT_R, W = EMU_PROT_W, X = EMU_PROT_X };
enum class Watch { READ = EMU_WATCH_READ, WRITE = EMU_WATCH_WRITE, TAG = EMU_WATCH_TAG };

static void bind_machine_enums(nb::module_ &m) {
    nb::enum_<Prot>(m, "Prot", nb::is_arithmetic(), nb::is_flag())
        .value("R", Prot::R)
        .value("W", Prot::W)
        .value("X", Prot::X);
    nb::enum_<Watch>(m, "Watch", nb::is_arithmetic(), nb::is_flag())
        .value("READ", Watch::READ)
        .value("WRITE", Watch::WRITE)
        .value("TAG", Watch::TAG);
    nb::enum_<enum emu_mode>(m, "Mode", nb::is_arithmetic())
        .value("USER", EMU_MODE_USER)
        .value("SYSTEM", EMU_MODE_SYSTEM);
    nb::enum_<enum emu_stop_kind>(m, "StopKind", nb::is_arithmetic())
        .value("BUDGET", EMU_STOP_BUDGET)
        .value("INTERRUPT", EMU_STOP_INTERRUPT)
        .value("SYSCALL", EMU_STOP_SYSCALL)
        .value("HOSTCALL", EMU_STOP_HOSTCALL)
        .value("FAULT", EMU_STOP_FAULT)
        .value("BREAKPOINT", EMU_STOP_BREAKPOINT)
        .value("WATCHPOINT", EMU_STOP_WATCHPOINT)
        .value("RING_FULL", EMU_STOP_RING_FULL)
        .value("DEVICE", EMU_STOP_DEVICE)
        .value("UNSUPPORTED", EMU_STOP_UNSUPPORTED)
        .value("HALT", EMU_STOP_HALT);
    nb::enum_<enum emu_fault_kind>(m, "FaultKind", nb::is_arithmetic())
        .value("NONE", EMU_FAULT_NONE)
        .value("UNMAPPED", EMU_FAULT_UNMAPPED)
        .value("PAGE_PERMISSION", EMU_FAULT_PAGE_PERMISSION)
        .value("ALIGNMENT", EMU_FAULT_ALIGNMENT)
        .value("PC_ALIGNMENT", EMU_FAULT_PC_ALIGNMENT)
        .value("SP_ALIGNMENT", EMU_FAULT_SP_ALIGNMENT)
        .value("CAP_TAG", EMU_FAULT_CAP_TAG)
        .value("CAP_SEALED", EMU_FAULT_CAP_SEALED)
        .value("CAP_BOUNDS", EMU_FAULT_CAP_BOUNDS)
        .value("CAP_PERMISSION", EMU_FAULT_CAP_PERMISSION)
        .value("UNDEFINED", EMU_FAULT_UNDEFINED)
        .value("BRK", EMU_FAULT_BRK)
        .value("SYSTEM_ACCESS", EMU_FAULT_SYSTEM_ACCESS)
        .value("CAP_PAGE", EMU_FAULT_CAP_PAGE);
    nb::enum_<enum emu_access>(m, "Access", nb::is_arithmetic())
        .value("FETCH", EMU_FETCH)
        .value("READ", EMU_READ)
        .value("WRITE", EMU_WRITE)
        .value("READ_CAP", EMU_READ_CAP)
        .value("WRITE_CAP", EMU_WRITE_CAP);
    nb::enum_<enum emu_crossing_kind>(m, "CrossingKind", nb::is_arithmetic())
        .value("PAIR", EMU_CROSSING_PAIR)
        .value("SENTRY", EMU_CROSSING_SENTRY)
        .value("FAILED", EMU_CROSSING_FAILED);
    nb::enum_<enum emu_pair_check>(m, "PairCheck", nb::is_arithmetic(), nb::is_flag())
        .value("CN_TAG", EMU_PAIR_CN_TAG)
        .value("CM_TAG", EMU_PAIR_CM_TAG)
        .value("CN_SEALED", EMU_PAIR_CN_SEALED)
        .value("CM_SEALED", EMU_PAIR_CM_SEALED)
        .value("OTYPE", EMU_PAIR_OTYPE)
        .value("BSP", EMU_PAIR_BSP)
        .value("EXECUTE", EMU_PAIR_EXECUTE)
        .value("EXECUTIVE", EMU_PAIR_EXECUTIVE);
}

static void bind_stops(nb::module_ &m) {
    nb::class_<struct emu_fault>(m, "Fault", nb::is_final())
        .def_ro("kind", &emu_fault::kind)
        .def_ro("access", &emu_fault::access)
        .def_ro("address", &emu_fault::address)
        .def_ro("size", &emu_fault::size)
        .def_ro("reg", &emu_fault::reg)
        .def_prop_ro("cap", [](const struct emu_fault &f) { return bits_of(f.cap); })
        .def_ro("needed", &emu_fault::needed)
        .def_ro("esr", &emu_fault::esr)
        .def_ro("immediate", &emu_fault::immediate);
    nb::class_<struct emu_stop>(m, "Stop", nb::is_final())
        .def_ro("kind", &emu_stop::kind)
        .def_ro("thread", &emu_stop::thread)
        .def_ro("tick", &emu_stop::tick)
        .def_ro("pc", &emu_stop::pc)
        .def_prop_ro("fault",
                     [](const struct emu_stop &s) -> nb::object {
                         return s.kind == EMU_STOP_FAULT ? nb::cast(s.fault) : nb::none();
                     })
        .def_ro("watch", &emu_stop::watch)
        .def_ro("address", &emu_stop::address)
        .def_ro("size", &emu_stop::size)
        .def_ro("value", &emu_stop::value)
        .def_ro("instruction", &emu_stop::instruction)
        .def_ro("access", &emu_stop::access)
        .def_ro("clause", &emu_stop::clause);
    nb::class_<struct emu_crossing>(m, "Crossing", nb::is_final())
        .def_ro("tick", &emu_crossing::tick)
        .def_ro("thread", &emu_crossing::thread)
        .def_prop_ro("kind",
                     [](const struct emu_crossing &c) { return static_cast<enum emu_crossing_kind>(c.kind); })
        .def_ro("cn", &emu_crossing::cn)
        .def_ro("cm", &emu_crossing::cm)
        .def_prop_ro("failed",
                     [](const struct emu_crossing &c) { return static_cast<enum emu_pair_check>(c.failed); })
        .def_ro("origin", &emu_crossing::from)
        .def_ro("to", &emu_crossing::to)
        .def_prop_ro("target", [](const struct emu_crossing &c) { return bits_of(c.target); })
        .def_prop_ro("paired", [](const struct emu_crossing &c) { return bits_of(c.paired); })
        .def_prop_ro("pcc", [](const struct emu_crossing &c) { return bits_of(c.pcc); })
        .def_prop_ro("number", [](const struct emu_crossing &c) { return bits_of(c.number); })
        .def_prop_ro("result", [](const struct emu_crossing &c) { return bits_of(c.result); })
        .def_prop_ro("argument", [](const struct emu_crossing &c) {
            nb::list out;
            for (const struct emu_cap &argument : c.argument) out.append(bits_of(argument));
            return nb::tuple(out);
        });
    nb::class_<Snapshot>(m, "Snapshot", nb::is_final())
        .def_prop_ro("ticks", [](const Snapshot &s) { return emu_snapshot_ticks(s.state); })
        .def("changes", &Snapshot::changes, "base"_a.none())
        .def("pages", &Snapshot::pages, "addresses"_a)
        .def("regions", &Snapshot::regions)
        .def("threads", &Snapshot::threads);
}

static void bind_unmapped(nb::module_ &m) {
    static PyObject *type = PyErr_NewException("emulator_core._core.Unmapped", PyExc_Exception, nullptr);
    m.attr("Unmapped") = nb::handle(type);
    nb::register_exception_translator([](const std::exception_ptr &p, void *) {
        try {
            std::rethrow_exception(p);
        } catch (const Unmapped &e) {
            nb::object address = nb::int_(e.address);
            nb::object exception = nb::handle(type)(address);
            nb::setattr(exception, "address", address);
            PyErr_SetObject(type, exception.ptr());
        }
    });
}

static void bind_machine_class(nb::module_ &m) {
    nb::class_<Machine>(m, "Machine", nb::is_final())
        .def(nb::init<>())
        .def("map", &Machine::map, "address"_a, "size"_a, "prot"_a)
        .def("unmap", &Machine::unmap, "address"_a, "size"_a)
        .def("protect", &Machine::protect, "address"_a, "size"_a, "prot"_a)
        .def("map_device", &Machine::map_device, "address"_a, "size"_a)
        .def("regions", &Machine::regions)
        .def("read", &Machine::read, "address"_a, "size"_a)
        .def("write", &Machine::write, "address"_a, "content"_a)
        .def("read_tags", &Machine::read_tags, "address"_a, "size"_a)
        .def("read_capability", &Machine::read_capability, "address"_a)
        .def("write_capability", &Machine::write_capability, "address"_a, "raw"_a, "tag"_a)
        .def("add_thread", &Machine::add_thread, "mode"_a = EMU_MODE_USER)
        .def("remove_thread", &Machine::remove_thread, "thread"_a)
        .def("threads", &Machine::threads)
        .def("get", &Machine::get, "thread"_a, "reg"_a)
        .def("set", &Machine::set, "thread"_a, "reg"_a, "value"_a)
        .def("registers", &Machine::registers, "thread"_a)
        .def("run_call", &Machine::run_call, "thread"_a, "max_ticks"_a)
        .def("set_word", &Machine::set_word, "thread"_a, "reg"_a, "value"_a)
        .def("words", &Machine::words, "thread"_a)
        .def("get_sysreg", &Machine::get_sysreg, "thread"_a, "name"_a)
        .def("set_sysreg", &Machine::set_sysreg, "thread"_a, "name"_a, "value"_a)
        .def("translates", &Machine::translates, "thread"_a)
        .def("translate", &Machine::translate, "thread"_a, "address"_a)
        .def("run", &Machine::run, "thread"_a, "max_ticks"_a)
        .def("run_until_changed", &Machine::run_until_changed, "thread"_a, "reg"_a, "bounds"_a, "max_ticks"_a)
        .def("interrupt", &Machine::interrupt)
        .def_prop_rw("ticks", &Machine::ticks, &Machine::set_ticks)
        .def_prop_rw("engine", &Machine::engine, &Machine::set_engine)
        .def_prop_ro("translations", &Machine::translations)
        .def("use_step_engine", &Machine::use_step_engine, "thread"_a, "on"_a)
        .def("add_breakpoint", &Machine::add_breakpoint, "address"_a)
        .def("remove_breakpoint", &Machine::remove_breakpoint, "address"_a)
        .def("breakpoints", &Machine::breakpoints)
        .def("add_watchpoint", &Machine::add_watchpoint, "address"_a, "size"_a, "access"_a)
        .def("remove_watchpoint", &Machine::remove_watchpoint, "watch"_a)
        .def("crossings", &Machine::crossings)
        .def("crossings_packed", &Machine::crossings_packed)
        .def("put_regions", &Machine::put_regions, "regions"_a)
        .def("put_thread", &Machine::put_thread, "thread"_a, "values"_a)
        .def("put_pages", &Machine::put_pages, "addresses"_a, "content"_a)
        .def("follow_touched", &Machine::follow_touched, "on"_a)
        .def("take_touched", &Machine::take_touched)
        .def("set_ring_limit", &Machine::set_ring_limit, "crossings"_a)
        .def("save", &Machine::save)
        .def("load", &Machine::load, "snapshot"_a)
        .def("digest", &Machine::digest);
}

static void bind_machine(nb::module_ &m) {
    m.def("jit_missing", &emu_jit_missing);
    m.def("default_engine", [] { return engine_names[emu_default_engine()]; });
    m.def(
        "set_default_engine",
        [](const char *name, int64_t look) {
            if (emu_set_default_engine(engine_named(name), look))
                throw nb::value_error("expected at least one tick between looks");
        },
        "name"_a, "look"_a = 4096);
    m.attr("PAGE") = static_cast<int>(EMU_PAGE);
    m.attr("GRANULE") = static_cast<int>(EMU_GRANULE);
    m.attr("HOSTCALL_HLT") = static_cast<int>(EMU_HOSTCALL_HLT);
    bind_machine_enums(m);
    bind_unmapped(m);
    bind_stops(m);
    bind_machine_class(m);
    m.def("register_names", &register_names);
}

// ---- the instruction rows -------------------------------------------------------------------------------

static void bind_isa(nb::module_ &m) {
    m.attr("ISA_DIGEST") = ISA_DIGEST;
    m.def("isa_row", &isa_row, "word"_a, "c64"_a);
    m.def(
        "clause_name", [](uint32_t clause) { return isa_clause_name[clause < CLAUSE_COUNT ? clause : 0]; },
        "clause"_a);
    m.def("isa_clause", [](uint32_t word) { return isa_clause_name[isa_clause(word)]; }, "word"_a);
}

// ---- the module -----------------------------------------------------------------------------------------

NB_MODULE(_core, m) {
    nb::set_leak_warnings(false); // what a program keeps at its end is no leak
    bind_machine(m);
    bind_isa(m);
    bind_capability(m);
}
