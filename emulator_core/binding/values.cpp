// Numbers and capabilities between C and Python.
#include "values.h"

// A number of more than 64 bits as a Python int.
nb::int_ wide_int(uint64_t high, uint64_t low) {
    if (high == 0) return nb::int_(low);
    return nb::int_((nb::int_(high) << nb::int_(64)) | nb::int_(low));
}

nb::int_ wide_int(unsigned __int128 number) {
    return wide_int(static_cast<uint64_t>(number >> 64), static_cast<uint64_t>(number));
}

// Is it a number of so many bits? A negative one leaves -1 behind.
bool fits(nb::handle number, unsigned bits) { return (number >> nb::int_(bits)).equal(nb::int_(0)); }

uint64_t low_word(nb::handle number) { return PyLong_AsUnsignedLongLongMask(number.ptr()); }

// The 129 bits of a capability: tag, high word, low word.
struct cap cap_from_bits(nb::int_ bits) {
    if (!fits(bits, 129))
        throw nb::value_error("a capability is a number of 129 bits: tag, high word, low word");
    uint64_t upper = low_word(bits >> nb::int_(128));
    return {low_word(bits), low_word(bits >> nb::int_(64)), upper != 0};
}

nb::int_ cap_bits(struct cap c) {
    return nb::int_(wide_int(c.hi, c.lo) | (nb::int_(static_cast<int>(c.tag)) << nb::int_(128)));
}

nb::int_ bits_of(struct emu_cap c) { return cap_bits({c.lo, c.hi, c.tag != 0}); }

struct emu_cap cap_of_bits(nb::int_ bits) {
    struct cap c = cap_from_bits(bits);
    return {c.lo, c.hi, c.tag};
}
