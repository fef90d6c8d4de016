/* Morello capabilities: the compressed bounds (CHERI Concentrate, 16-bit mantissas) and what changes them.
 *
 *   bounds, hi 30..0:   IE' | limit(14) | base(16)      IE' = 1: exponent 0, all mantissa bits are stored
 *                       0   | limit(11) ~e(5..3) | base(13) ~e(2..0)     internal exponent e, low 3 bits are
 * 0
 */
#include "capability.h"

typedef unsigned __int128 u128;

enum {
    MANTISSA = 16,             /* bits of a base's mantissa; a limit's top two follow from it */
    INTERNAL_EXPONENT_BIT = 30 /* clear: the exponent stands in the low bits of both mantissas */
};

static const uint64_t OTYPE_MASK = (uint64_t)0x7fff << 31;
static const uint64_t PERMS_MASK = (uint64_t)CAP_PERMS_ALL << 46;
static const uint64_t BOUNDS_MASK = 0x7fffffff;
static const uint64_t FLAGS_MASK = (uint64_t)0xff << 56;
static const u128 MASK_65 = ((u128)1 << 65) - 1;
static const u128 MASK_66 = ((u128)1 << 66) - 1;

struct cap cap_null(void) { return (struct cap){0, 0, false}; }
struct cap cap_almighty(void) { return (struct cap){0, 0xffffc00000010005, true}; }

/* Fields. */

bool cap_is_internal_exponent(struct cap c) { return !(c.hi >> INTERNAL_EXPONENT_BIT & 1); }

unsigned cap_get_exponent(struct cap c) {
    if (!cap_is_internal_exponent(c)) return 0;
    return ~((c.hi >> 16 & 7) << 3 | (c.hi & 7)) & 63;
}

bool cap_is_exponent_out_of_range(struct cap c) {
    unsigned exponent = cap_get_exponent(c);
    return exponent > CAP_MAX_EXPONENT && exponent < CAP_MAX_ENCODEABLE_EXPONENT;
}

/* Do the bounds depend on the value, so that its bits above the mantissa are theirs too? */
static bool bounds_use_value(unsigned exponent) { return exponent + MANTISSA < 64; }

static unsigned bottom_mantissa(struct cap c) {
    return cap_is_internal_exponent(c) ? c.hi & 0xfff8 : c.hi & 0xffff;
}

/* The limit's top two bits are the base's, plus a carry where its low 14 are below the base's, plus the
 * length's own top bit, which is set wherever there is an exponent. */
static unsigned top_mantissa(struct cap c, unsigned bottom) {
    bool internal = cap_is_internal_exponent(c);
    unsigned low = c.hi >> 16 & (internal ? 0x3ff8 : 0x3fff);
    unsigned carry = low < (bottom & 0x3fff);
    unsigned high = (bottom >> 14) + internal + carry;
    return (high & 3) << 14 | low;
}

static struct cap_bounds whole_address_space(bool valid) {
    return (struct cap_bounds){.base = 0, .limit = 0, .base_top = false, .limit_top = true, .valid = valid};
}

/* A bound is its mantissa at the exponent, below the address's high bits, corrected by one where the bound
 * and the address lie on different sides of the representable region's edge (r3). Of the mantissa and the
 * high bits, what falls on bit 64 is the limit's top; it is flipped where the bounds would be more than one
 * address space apart. */
struct cap_bounds cap_get_bounds(struct cap c) {
    unsigned exponent = cap_get_exponent(c);
    if (exponent > CAP_MAX_EXPONENT) return whole_address_space(exponent == CAP_MAX_ENCODEABLE_EXPONENT);
    unsigned bottom = bottom_mantissa(c), top = top_mantissa(c, bottom);
    unsigned shift = exponent + MANTISSA;
    uint64_t address = cap_bounds_address(c.lo);
    unsigned r3 = ((bottom >> 13) - 1) & 7;
    bool address_high = (address >> (shift - 3) & 7) < r3;
    uint64_t high = shift < 64 ? address >> shift : 0;
    uint64_t base_high = high + (bottom >> 13 < r3) - address_high;
    uint64_t limit_high = high + (top >> 13 < r3) - address_high;
    uint64_t base = (uint64_t)bottom << exponent, limit = (uint64_t)top << exponent;
    bool limit_top = (uint64_t)top >> 1 >> (63 - exponent) & 1;
    if (shift < 64) base |= base_high << shift, limit |= limit_high << shift;
    if (shift <= 64) limit_top = limit_high >> (64 - shift) & 1;
    unsigned distance = ((unsigned)limit_top << 1) + (unsigned)(limit >> 63) - (unsigned)(base >> 63);
    if (exponent < CAP_MAX_EXPONENT - 1 && (distance & 3) > 1) limit_top = !limit_top;
    return (struct cap_bounds){
        .base = base, .limit = limit, .base_top = false, .limit_top = limit_top, .valid = true};
}

static u128 wide(bool top, uint64_t low) { return (u128)top << 64 | low; }
static u128 base_of(struct cap_bounds b) { return wide(b.base_top, b.base); }
static u128 limit_of(struct cap_bounds b) { return wide(b.limit_top, b.limit); }

uint64_t cap_get_base(struct cap c) { return cap_get_bounds(c).base; }

u128 cap_get_length(struct cap c) {
    struct cap_bounds b = cap_get_bounds(c);
    return (limit_of(b) - base_of(b)) & MASK_65;
}

uint64_t cap_get_offset(struct cap c) { return c.lo - cap_get_base(c); }

/* Questions. */

bool cap_is_in_bounds(struct cap c) {
    struct cap_bounds b = cap_get_bounds(c);
    return b.valid && c.lo >= b.base && c.lo < limit_of(b);
}

bool cap_is_range_in_bounds(struct cap c, uint64_t start, u128 length) {
    struct cap_bounds b = cap_get_bounds(c);
    u128 end = (start + length) & MASK_65;
    return b.valid && start >= b.base && end <= limit_of(b);
}

bool cap_is_equal(struct cap a, struct cap b) { return a.lo == b.lo && a.hi == b.hi && a.tag == b.tag; }

bool cap_is_subset_of(struct cap a, struct cap b) {
    struct cap_bounds inner = cap_get_bounds(a), outer = cap_get_bounds(b);
    return inner.valid && outer.valid && inner.base >= outer.base && limit_of(inner) <= limit_of(outer) &&
           cap_check_permissions(b, cap_get_permissions(a));
}

bool cap_is_base_above_limit(struct cap c) {
    struct cap_bounds b = cap_get_bounds(c);
    return base_of(b) > limit_of(b);
}

bool cap_bounds_equal(struct cap a, struct cap b) {
    struct cap_bounds x = cap_get_bounds(a), y = cap_get_bounds(b);
    return x.valid && y.valid && x.base == y.base && limit_of(x) == limit_of(y);
}

bool cap_is_representable(struct cap c, uint64_t address) {
    return cap_bounds_equal(c, (struct cap){address, c.hi, c.tag});
}

/* Looks at the mantissa's bits alone: the increment must be small, and must not step over the
 * representable region's edge. */
bool cap_is_representable_fast(struct cap c, uint64_t increment) {
    unsigned exponent = cap_get_exponent(c);
    if (exponent >= CAP_MAX_EXPONENT - 2) return true;
    int64_t step = (int64_t)cap_bounds_address(increment);
    int64_t step_top = step >> (exponent + MANTISSA);
    uint16_t step_mid = (uint16_t)(step >> exponent);
    uint16_t address_mid = (uint16_t)(cap_bounds_address(c.lo) >> exponent);
    uint16_t edge = (uint16_t)((bottom_mantissa(c) & 0xe000) - 0x2000);
    uint16_t room = (uint16_t)(edge - address_mid);
    if (step_top == 0) return step_mid < (uint16_t)(room - 1);
    if (step_top == -1) return step_mid >= room && edge != address_mid;
    return false;
}

/* Changes. */

static bool bit_55_flips(uint64_t a, uint64_t b) { return (a ^ b) >> 55 & 1; }

struct cap cap_set_value(struct cap c, uint64_t value) {
    bool loses_sign = bounds_use_value(cap_get_exponent(c)) && bit_55_flips(c.lo, value);
    bool keeps_tag = c.tag && !loses_sign && cap_is_representable(c, value);
    return (struct cap){value, c.hi, keeps_tag};
}

struct cap cap_add(struct cap c, uint64_t increment) {
    uint64_t value = c.lo + increment;
    bool loses_sign = bounds_use_value(cap_get_exponent(c)) && bit_55_flips(c.lo, value);
    bool keeps_tag =
        c.tag && !loses_sign && !cap_is_exponent_out_of_range(c) && cap_is_representable_fast(c, increment);
    return (struct cap){value, c.hi, keeps_tag};
}

struct cap cap_set_offset(struct cap c, uint64_t offset) {
    return cap_add(c, cap_get_base(c) + offset - c.lo);
}

struct cap cap_set_flags(struct cap c, uint64_t flags) {
    c.lo = (c.lo & ~FLAGS_MASK) | (flags & FLAGS_MASK);
    return c;
}

struct cap cap_set_object_type(struct cap c, uint64_t otype) {
    c.hi = (c.hi & ~OTYPE_MASK) | (otype << 31 & OTYPE_MASK);
    return c;
}

struct cap cap_unseal(struct cap c) { return cap_set_object_type(c, CAP_UNSEALED); }

struct cap cap_clear_perms(struct cap c, uint32_t mask) {
    c.hi &= ~((uint64_t)mask << 46 & PERMS_MASK);
    return c;
}

/* Bounds as they are stored, and whether storing rounded either of them. */
struct rounded {
    unsigned bottom, top, exponent;
    bool internal, lost;
};

/* The mantissas at an exponent: the base rounded down, the limit up where bits of it are lost. */
static struct rounded mantissas_at(u128 base, u128 limit, unsigned exponent) {
    u128 below = ((u128)1 << (exponent + 3)) - 1;
    bool lost_limit = (limit & below) != 0;
    unsigned bottom = (unsigned)(base >> (exponent + 3)) & 0x1fff;
    unsigned top = ((unsigned)(limit >> (exponent + 3)) + lost_limit) & 0x1fff;
    return (struct rounded){bottom << 3, top << 3, exponent, true, lost_limit || (base & below) != 0};
}

static unsigned significant_bits(u128 length) {
    uint64_t high = (uint64_t)(length >> 64), low = (uint64_t)length;
    return high ? 128 - (unsigned)__builtin_clzll(high) : low ? 64 - (unsigned)__builtin_clzll(low) : 0;
}

/* The smallest exponent that leaves the length a 13-bit mantissa; one more where rounding the limit up
 * carries into the fourteenth bit. */
static struct rounded round_bounds(u128 base, u128 length) {
    u128 limit = (base + length) & MASK_66;
    unsigned bits = significant_bits(length);
    if (bits < MANTISSA - 1)
        return (struct rounded){(unsigned)base & 0xffff, (unsigned)limit & 0xffff, 0, false, false};
    unsigned exponent = bits - (MANTISSA - 1);
    struct rounded r = mantissas_at(base, limit, exponent);
    bool carried = (r.top - r.bottom) >> 15 & 1;
    if (!carried) return r;
    return mantissas_at(base, limit, exponent + 1);
}

/* The address that new bounds start from: a value whose flags the old bounds never saw keeps them. */
static uint64_t bounds_start(struct cap c) {
    return bounds_use_value(cap_get_exponent(c)) ? cap_bounds_address(c.lo) : c.lo;
}

static uint64_t encode_bounds(struct rounded r) {
    uint64_t bounds = (uint64_t)(r.top & 0x3fff) << 16 | r.bottom;
    if (!r.internal) return bounds | (uint64_t)1 << INTERNAL_EXPONENT_BIT;
    return bounds | (uint64_t)(~r.exponent >> 3 & 7) << 16 | (~r.exponent & 7);
}

static bool request_within(struct cap c, u128 start, u128 length) {
    struct cap_bounds b = cap_get_bounds(c);
    u128 end = (start + length) & MASK_65;
    return b.valid && start >= b.base && end <= limit_of(b);
}

struct cap cap_set_bounds(struct cap c, u128 length, bool exact) {
    uint64_t start = bounds_start(c);
    struct rounded r = round_bounds(start, length);
    bool from_large = !bounds_use_value(cap_get_exponent(c)), to_small = bounds_use_value(r.exponent);
    bool loses_flags = from_large && to_small && cap_bounds_address(c.lo) != c.lo;
    bool keeps_tag = c.tag && request_within(c, start, length) && !loses_flags && !(exact && r.lost);
    return (struct cap){c.lo, (c.hi & ~BOUNDS_MASK) | encode_bounds(r), keeps_tag};
}

bool cap_set_bounds_is_exact(struct cap c, u128 length) {
    return !round_bounds(bounds_start(c), length).lost;
}

/* Tried at the highest start for the length, where rounding needs the most room. */
uint64_t cap_get_representable_mask(uint64_t length) {
    struct rounded r = round_bounds(~length, length);
    return r.internal ? UINT64_MAX << (r.exponent + 3) : UINT64_MAX;
}

uint64_t cap_representable_length(uint64_t length) {
    uint64_t mask = cap_get_representable_mask(length);
    return (length + ~mask) & mask;
}

struct cap cap_squash_post_load(struct cap loaded, struct cap base) {
    const uint32_t writing =
        CAP_PERM_STORE | CAP_PERM_STORE_CAP | CAP_PERM_STORE_LOCAL | CAP_PERM_MUTABLE_LOAD;
    if (!cap_check_permissions(base, CAP_PERM_LOAD_CAP)) loaded.tag = false;
    bool writable = cap_check_permissions(base, CAP_PERM_MUTABLE_LOAD) || cap_is_sealed(loaded);
    return loaded.tag && !writable ? cap_clear_perms(loaded, writing) : loaded;
}
