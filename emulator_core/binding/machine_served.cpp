// System calls that did nothing but set x0: the cheapest way to serve and to record them.
#include "bind.h"
#include "machine.h"

#include <algorithm>
#include <stdexcept>

void Served::add(const Call &call) {
    if (bytes.empty()) bytes.resize(PLACES * FULL);
    for (unsigned column = 0; column < COLUMNS; column++) {
        uint64_t step = call[column] - before[column];
        for (size_t at = column * 8 * FULL + count; step; at += FULL, step >>= 8)
            bytes[at] = static_cast<uint8_t>(step);
        before[column] = call[column];
    }
    if (seen.empty() || seen.back() != call[1]) {
        auto found = std::find(seen.begin(), seen.end(), call[1]);
        if (found == seen.end())
            seen.push_back(call[1]);
        else
            std::iter_swap(found, seen.end() - 1);
    }
    if (!count) first_tick = call[0];
    last_tick = call[0];
    count++;
}

std::vector<uint64_t> Served::numbers() const { return seen; }

std::string Served::take() {
    std::string out;
    out.reserve(PLACES * count);
    for (unsigned place = 0; place < PLACES; place++) {
        uint8_t *row = bytes.data() + place * FULL;
        out.append(reinterpret_cast<char *>(row), count);
        std::fill_n(row, count, 0);
    }
    count = 0;
    std::fill_n(before, COLUMNS, 0);
    seen.clear();
    return out;
}

// x0 becomes the value, and the call is kept: 1 for the first since the last take, 2 when they must be taken,
// else 0.
int Machine::answer(int thread, uint64_t value) {
    check_idle();
    check_thread(thread);
    if (served.count >= Served::FULL) throw std::runtime_error("served calls wait to be taken");
    Served::Call call = {emu_ticks(emu), emu_get(emu, thread, static_cast<enum emu_reg>(8)).lo};
    for (int i = 0; i < 6; i++) call[2 + i] = emu_get(emu, thread, static_cast<enum emu_reg>(i)).lo;
    call[8] = value;
    served.add(call);
    emu_set(emu, thread, EMU_C0, {value, 0, 0});
    return served.count == 1 ? 1 : served.count == Served::FULL ? 2 : 0;
}

nb::tuple Machine::take_served() {
    check_idle();
    size_t count = served.count;
    nb::list numbers;
    for (uint64_t number : served.numbers()) numbers.append(number);
    std::string columns = served.take();
    return nb::make_tuple(count, served.first_tick, served.last_tick, numbers,
                          nb::bytes(columns.data(), columns.size()));
}

void bind_machine_served(MachineClass &c) {
    c.def("answer", &Machine::answer, "thread"_a, "value"_a).def("take_served", &Machine::take_served);
}
