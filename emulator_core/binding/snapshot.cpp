// What was saved of a machine.
#include "bind.h"
#include "machine.h"

// Addresses as bytes of 64-bit numbers: array("Q") takes them.
nb::bytes Snapshot::changes(const Snapshot *base) const {
    std::vector<uint64_t> list;
    {
        nb::gil_scoped_release released;
        const struct emu_snapshot *other = base ? base->state : nullptr;
        list.resize(emu_snapshot_changes(state, other, nullptr, 0));
        emu_snapshot_changes(state, other, list.data(), list.size());
    }
    return nb::bytes(reinterpret_cast<const char *>(list.data()), list.size() * sizeof(uint64_t));
}

nb::bytes Snapshot::pages(const std::vector<uint64_t> &addresses) const {
    std::vector<uint8_t> out(addresses.size() * EMU_PAGE_BYTES);
    {
        nb::gil_scoped_release released;
        for (size_t i = 0; i < addresses.size(); i++)
            emu_snapshot_page(state, addresses[i], out.data() + i * EMU_PAGE_BYTES);
    }
    return nb::bytes(reinterpret_cast<const char *>(out.data()), out.size());
}

nb::list Snapshot::regions() const {
    std::vector<struct emu_region> list(emu_snapshot_regions(state, nullptr, 0));
    emu_snapshot_regions(state, list.data(), list.size());
    nb::list out;
    for (const struct emu_region &r : list) out.append(nb::make_tuple(r.address, r.size, r.prot, r.device));
    return out;
}

// By thread number: what is not zero, by name.
nb::dict Snapshot::threads() const {
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

void bind_snapshot(nb::module_ &m) {
    nb::class_<Snapshot>(m, "Snapshot", nb::is_final())
        .def_prop_ro("ticks", [](const Snapshot &s) { return emu_snapshot_ticks(s.state); })
        .def("changes", &Snapshot::changes, "base"_a.none())
        .def("pages", &Snapshot::pages, "addresses"_a)
        .def("regions", &Snapshot::regions)
        .def("threads", &Snapshot::threads);
}
