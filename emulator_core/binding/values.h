// What every file of the binding shares: numbers and capabilities between C and Python.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/operators.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include "capability_ops.h"
#include "emu.h"

namespace nb = nanobind;
using namespace nb::literals;

// A number of more than 64 bits as a Python int.
nb::int_ wide_int(uint64_t high, uint64_t low);
nb::int_ wide_int(unsigned __int128 number);

// Is it a number of so many bits? A negative one leaves -1 behind.
bool fits(nb::handle number, unsigned bits);
uint64_t low_word(nb::handle number);

// The 129 bits of a capability: tag, high word, low word.
struct cap cap_from_bits(nb::int_ bits);
nb::int_ cap_bits(struct cap c);
nb::int_ bits_of(struct emu_cap c);
struct emu_cap cap_of_bits(nb::int_ bits);

// The first byte of a debugger's access that is not mapped.
struct Unmapped : std::exception {
    uint64_t address;
    explicit Unmapped(uint64_t at) : address(at) {}
};
