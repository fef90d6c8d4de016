// Memory and its mapping.
#include "machine.h"

#include <stdexcept>

void Machine::check_range(int result) {
    if (result)
        throw nb::value_error("a mapping is whole pages below 2^48, and only mapped memory has protection");
}

void Machine::check_mapped(uint64_t address, uint64_t size) const {
    uint64_t mapped = emu_mapped(emu, address, size);
    if (mapped < size) throw Unmapped(address + mapped);
}

void Machine::map(uint64_t address, uint64_t size, unsigned prot) {
    check_idle();
    check_range(emu_map(emu, address, size, prot));
}

void Machine::unmap(uint64_t address, uint64_t size) {
    check_idle();
    check_range(emu_unmap(emu, address, size));
}

void Machine::protect(uint64_t address, uint64_t size, unsigned prot) {
    check_idle();
    check_range(emu_protect(emu, address, size, prot));
}

void Machine::map_device(uint64_t address, uint64_t size) {
    check_idle();
    check_range(emu_map_device(emu, address, size));
}

void Machine::set_absent(uint64_t address, uint64_t size, bool absent) {
    check_idle();
    check_range(emu_set_absent(emu, address, size, absent));
}

nb::list Machine::regions() const {
    check_idle();
    std::vector<struct emu_region> list(emu_regions(emu, nullptr, 0));
    emu_regions(emu, list.data(), list.size());
    nb::list out;
    for (const struct emu_region &r : list) out.append(nb::make_tuple(r.address, r.size, r.prot, r.device));
    return out;
}

nb::bytes Machine::read(uint64_t address, size_t size) const {
    check_idle();
    check_mapped(address, size);
    nb::bytes out = nb::steal<nb::bytes>(PyBytes_FromStringAndSize(nullptr, static_cast<Py_ssize_t>(size)));
    if (!out.is_valid()) throw nb::python_error();
    emu_read(emu, address, PyBytes_AsString(out.ptr()), size);
    return out;
}

void Machine::write(uint64_t address, nb::bytes content) {
    check_idle();
    check_mapped(address, content.size());
    emu_write(emu, address, content.c_str(), content.size());
}

nb::bytes Machine::read_tags(uint64_t address, uint64_t size) const {
    check_idle();
    check_mapped(address, size);
    uint64_t first = address / EMU_GRANULE, end = size ? (address + size - 1) / EMU_GRANULE + 1 : first;
    std::vector<uint8_t> tags(end - first);
    emu_read_tags(emu, address, tags.data(), tags.size());
    return nb::bytes(tags.data(), tags.size());
}

void Machine::check_granule(uint64_t address) {
    if (address % EMU_GRANULE) throw nb::value_error("a capability in memory is aligned to 16 bytes");
}

nb::tuple Machine::read_capability(uint64_t address) const {
    check_idle();
    check_granule(address);
    check_mapped(address, EMU_GRANULE);
    uint64_t words[2];
    uint8_t tag = 0;
    emu_read(emu, address, words, sizeof words);
    emu_read_tags(emu, address, &tag, 1);
    return nb::make_tuple(wide_int(words[1], words[0]), tag != 0);
}

void Machine::write_capability(uint64_t address, nb::int_ raw, bool tag) {
    check_idle();
    check_granule(address);
    check_mapped(address, EMU_GRANULE);
    if (!fits(raw, 128)) throw nb::value_error("a capability without its tag is a number of 128 bits");
    struct emu_cap c = cap_of_bits(raw);
    c.tag = tag;
    emu_write_cap(emu, address, c);
}

bool Machine::translates(int thread) const {
    check_idle();
    return emu_translates(emu, thread);
}

std::optional<uint64_t> Machine::translate(int thread, uint64_t address) const {
    check_idle();
    check_thread(thread);
    uint64_t pa;
    if (!emu_translate(emu, thread, address, &pa)) return std::nullopt;
    return pa;
}

nb::list Machine::mappings(int thread) const {
    check_idle();
    check_thread(thread);
    std::vector<struct emu_mapping> list;
    size_t count = emu_mappings(emu, thread, nullptr, 0);
    if (count == SIZE_MAX) throw std::overflow_error("the page tables map too many pieces to list");
    list.resize(count);
    emu_mappings(emu, thread, list.data(), list.size());
    nb::list out;
    for (const struct emu_mapping &m : list)
        out.append(nb::make_tuple(m.address, m.size, m.physical, m.prot, m.cap_prot, m.device));
    return out;
}

void bind_machine_memory(MachineClass &c) {
    c.def("map", &Machine::map, "address"_a, "size"_a, "prot"_a)
        .def("unmap", &Machine::unmap, "address"_a, "size"_a)
        .def("protect", &Machine::protect, "address"_a, "size"_a, "prot"_a)
        .def("map_device", &Machine::map_device, "address"_a, "size"_a)
        .def("set_absent", &Machine::set_absent, "address"_a, "size"_a, "absent"_a)
        .def("regions", &Machine::regions)
        .def("read", &Machine::read, "address"_a, "size"_a)
        .def("write", &Machine::write, "address"_a, "content"_a)
        .def("read_tags", &Machine::read_tags, "address"_a, "size"_a)
        .def("read_capability", &Machine::read_capability, "address"_a)
        .def("write_capability", &Machine::write_capability, "address"_a, "raw"_a, "tag"_a)
        .def("translates", &Machine::translates, "thread"_a)
        .def("translate", &Machine::translate, "thread"_a, "address"_a)
        .def("mappings", &Machine::mappings, "thread"_a);
}
