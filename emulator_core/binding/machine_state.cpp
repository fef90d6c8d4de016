// State as a whole: put by recordings, saved, loaded, digested.
#include "machine.h"

void Machine::put_regions(const std::vector<std::tuple<uint64_t, uint64_t, unsigned, bool>> &list) {
    check_idle();
    std::vector<struct emu_region> regions;
    for (const auto &[address, size, prot, device] : list) regions.push_back({address, size, prot, device});
    check_range(emu_put_regions(emu, regions.data(), regions.size()));
}

void Machine::put_thread(int thread, nb::dict values) {
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

void Machine::put_pages(const std::vector<uint64_t> &addresses, nb::bytes content) {
    check_idle();
    if (content.size() != addresses.size() * EMU_PAGE_BYTES)
        throw nb::value_error("a page is 4096 bytes and 256 bits of tags");
    const auto *bytes = reinterpret_cast<const uint8_t *>(content.c_str());
    if (emu_put_pages(emu, addresses.data(), bytes, addresses.size()))
        throw nb::value_error("a page lies at a multiple of 4096 below 2^48");
}

void Machine::follow_touched(bool on) {
    check_idle();
    emu_follow_touched(emu, on);
}

nb::bytes Machine::take_touched() {
    check_idle();
    std::vector<uint64_t> list(emu_take_touched(emu, nullptr, 0));
    emu_take_touched(emu, list.data(), list.size());
    return nb::bytes(reinterpret_cast<const char *>(list.data()), list.size() * sizeof(uint64_t));
}

std::unique_ptr<Snapshot> Machine::save() {
    check_idle();
    return std::make_unique<Snapshot>(emu_save(emu));
}

void Machine::load(const Snapshot &snapshot) {
    check_idle();
    emu_load(emu, snapshot.state);
}

nb::bytes Machine::digest() const {
    check_idle();
    uint8_t out[32];
    emu_digest(emu, out);
    return nb::bytes(out, sizeof out);
}

void bind_machine_state(MachineClass &c) {
    c.def("put_regions", &Machine::put_regions, "regions"_a)
        .def("put_thread", &Machine::put_thread, "thread"_a, "values"_a)
        .def("put_pages", &Machine::put_pages, "addresses"_a, "content"_a)
        .def("follow_touched", &Machine::follow_touched, "on"_a)
        .def("take_touched", &Machine::take_touched)
        .def("save", &Machine::save)
        .def("load", &Machine::load, "snapshot"_a)
        .def("digest", &Machine::digest);
}
