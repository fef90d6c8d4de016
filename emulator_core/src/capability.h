/* Morello capabilities: pure functions on a 128-bit capability and its tag.
 *
 *   hi 63     46 45   42..31 30..0     high word: perms(18) | otype(15) | bounds(31)
 *   lo 63          56 55          0    low word: flags(8) | the rest of the value
 *
 * Each function carries the name it has in the specification (sail-morello, src/v8_base.sail), in snake case.
 */
#ifndef CVMDBG_CAPABILITY_H
#define CVMDBG_CAPABILITY_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct cap {
    uint64_t lo, hi;
    bool tag;
};

/* base and limit are 65-bit numbers: the top bit is apart (a decoded base never has it). valid: the
 * specification's third result, false where the exponent is out of range. */
struct cap_bounds {
    uint64_t base, limit;
    bool base_top, limit_top, valid;
};

/* Permission bits, as CapGetPermissions numbers them. */
enum {
    CAP_PERM_GLOBAL = 1 << 0,
    CAP_PERM_EXECUTIVE = 1 << 1,
    CAP_PERM_USER0 = 1 << 2,
    CAP_PERM_USER1 = 1 << 3,
    CAP_PERM_USER2 = 1 << 4,
    CAP_PERM_USER3 = 1 << 5,
    CAP_PERM_MUTABLE_LOAD = 1 << 6,
    CAP_PERM_COMPARTMENT_ID = 1 << 7,
    CAP_PERM_BRANCH_SEALED_PAIR = 1 << 8,
    CAP_PERM_SYSTEM = 1 << 9,
    CAP_PERM_UNSEAL = 1 << 10,
    CAP_PERM_SEAL = 1 << 11,
    CAP_PERM_STORE_LOCAL = 1 << 12,
    CAP_PERM_STORE_CAP = 1 << 13,
    CAP_PERM_LOAD_CAP = 1 << 14,
    CAP_PERM_EXECUTE = 1 << 15,
    CAP_PERM_STORE = 1 << 16,
    CAP_PERM_LOAD = 1 << 17,
    CAP_PERMS_ALL = (1 << 18) - 1,
};

/* Object types with a meaning of their own; above CAP_MAX_FIXED_SEAL_TYPE a key sealed it. */
enum {
    CAP_UNSEALED = 0,
    CAP_SEAL_TYPE_RB = 1,
    CAP_SEAL_TYPE_LPB = 2,
    CAP_SEAL_TYPE_LB = 3,
    CAP_MAX_FIXED_SEAL_TYPE = 3,
    CAP_MAX_OBJECT_TYPE = 0x7fff,
};

/* The value that stands for "no type": CPYTYPE writes it, CSEAL leaves its operand alone for it. */
#define CAP_NO_SEALING UINT64_MAX

/* Exponents: the largest with bounds of its own, and the one that means all of the address space. */
enum { CAP_MAX_EXPONENT = 50, CAP_MAX_ENCODEABLE_EXPONENT = 63 };

/* Fields. */
static inline uint64_t cap_get_value(struct cap c) { return c.lo; }
static inline uint32_t cap_get_permissions(struct cap c) { return (uint32_t)(c.hi >> 46); }
static inline uint32_t cap_get_object_type(struct cap c) { return (uint32_t)(c.hi >> 31) & 0x7fff; }
static inline uint64_t cap_bounds_address(uint64_t value) /* sign-extended from bit 55: what bounds see */
{
    return (uint64_t)((int64_t)(value << 8) >> 8);
}
struct cap cap_null(void);
struct cap cap_almighty(void); /* tagged, all permissions, all of the address space, value 0 */
unsigned cap_get_exponent(struct cap c);
uint64_t cap_get_base(struct cap c);
unsigned __int128 cap_get_length(struct cap c); /* 65 bits */
uint64_t cap_get_offset(struct cap c);
struct cap_bounds cap_get_bounds(struct cap c);

/* Questions. */
static inline bool cap_is_sealed(struct cap c) { return cap_get_object_type(c) != CAP_UNSEALED; }
static inline bool cap_check_permissions(struct cap c, uint32_t mask) /* has all of mask */
{
    return (mask & CAP_PERMS_ALL & ~cap_get_permissions(c)) == 0;
}
static inline bool cap_is_executive(struct cap c) { return cap_check_permissions(c, CAP_PERM_EXECUTIVE); }
static inline bool cap_is_local(struct cap c) { return !cap_check_permissions(c, CAP_PERM_GLOBAL); }
bool cap_is_in_bounds(struct cap c);
bool cap_is_range_in_bounds(struct cap c, uint64_t start, unsigned __int128 length);
bool cap_is_equal(struct cap a, struct cap b);     /* CapIsEqual: all 129 bits */
bool cap_is_subset_of(struct cap a, struct cap b); /* CapIsSubSetOf: bounds and permissions; tags apart */
bool cap_is_base_above_limit(struct cap c);
bool cap_is_exponent_out_of_range(struct cap c);
bool cap_is_internal_exponent(struct cap c);
bool cap_bounds_equal(struct cap a, struct cap b);
bool cap_is_representable(struct cap c, uint64_t address);
bool cap_is_representable_fast(struct cap c, uint64_t increment);

/* Changes. None looks at the tag first; the instructions do what their clauses say around them. */
static inline struct cap cap_with_tag_clear(struct cap c) {
    c.tag = false;
    return c;
}
static inline struct cap cap_with_tag_set(struct cap c) {
    c.tag = true;
    return c;
}
struct cap cap_set_value(struct cap c, uint64_t value);   /* precise representability rule */
struct cap cap_add(struct cap c, uint64_t increment);     /* fast representability rule */
struct cap cap_set_offset(struct cap c, uint64_t offset); /* as the specification's CapSetOffset */
struct cap cap_set_flags(struct cap c, uint64_t flags);   /* bits 63..56 of flags */
struct cap cap_set_object_type(struct cap c, uint64_t otype);
struct cap cap_unseal(struct cap c);
struct cap cap_clear_perms(struct cap c, uint32_t mask);
struct cap cap_set_bounds(struct cap c, unsigned __int128 length, bool exact); /* length at most 2^64 */
bool cap_set_bounds_is_exact(struct cap c, unsigned __int128 length); /* would no bound be rounded? */
struct cap cap_squash_post_load(struct cap loaded, struct cap base);  /* CapSquashPostLoadCap */
uint64_t cap_get_representable_mask(uint64_t length);                 /* RRMASK */
uint64_t cap_representable_length(uint64_t length);                   /* RRLEN */

#ifdef __cplusplus
}
#endif

#endif
