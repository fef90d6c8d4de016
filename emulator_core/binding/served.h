// System calls that did nothing but set x0, kept as columns until somebody takes them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

// A call is nine numbers: tick, number, x0 … x5, value. Each is kept as its difference to that of the call
// before, a row of FULL bytes for each byte of it, so that what does not change is never written.
class Served {
  public:
    static constexpr size_t FULL = 4096;
    static constexpr unsigned COLUMNS = 9, PLACES = COLUMNS * 8;
    using Call = uint64_t[COLUMNS];

    size_t count = 0;
    uint64_t first_tick = 0, last_tick = 0;

    void add(const Call &call);
    std::vector<uint64_t> numbers() const; // the numbers of the calls, each once
    std::string take();                    // all columns, and none are left

  private:
    Call before = {};
    std::vector<uint8_t> bytes;
    std::vector<uint64_t> seen;
};
