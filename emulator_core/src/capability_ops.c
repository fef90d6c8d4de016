/* The data-processing instructions of Morello on values: see capability_ops.h. */
#include "capability_ops.h"

/* Changing a sealed capability is allowed and costs its tag. */
static struct cap untagged_if_sealed(struct cap result, struct cap source) {
    return cap_is_sealed(source) ? cap_with_tag_clear(result) : result;
}

static struct cap tagged_only_if(struct cap c, bool keep) { return keep ? c : cap_with_tag_clear(c); }

/* Value and offset. */

struct cap capop_add(struct cap cn, uint64_t xm) { return untagged_if_sealed(cap_add(cn, xm), cn); }
struct cap capop_sub(struct cap cn, uint64_t imm) { return capop_add(cn, -imm); }
struct cap capop_scvalue(struct cap cn, uint64_t xm) { return untagged_if_sealed(cap_set_value(cn, xm), cn); }
struct cap capop_scoff(struct cap cn, uint64_t xm) { return untagged_if_sealed(cap_set_offset(cn, xm), cn); }
struct cap capop_cpyvalue(struct cap cn, struct cap cm) { return capop_scvalue(cn, cm.lo); }

static uint64_t low_ones(unsigned bits) { return ((uint64_t)1 << (bits & 63)) - 1; }

struct cap capop_alignd(struct cap cn, unsigned bits) { return capop_scvalue(cn, cn.lo & ~low_ones(bits)); }

struct cap capop_alignu(struct cap cn, unsigned bits) {
    uint64_t mask = low_ones(bits);
    return capop_scvalue(cn, (cn.lo + mask) & ~mask);
}

struct cap capop_adrp(struct cap base, uint64_t imm) {
    uint64_t page = base.lo & ~low_ones(12);
    return capop_add(base, page - base.lo + imm);
}

/* Bounds. */

struct cap capop_scbnds(struct cap cn, uint64_t xm) {
    return untagged_if_sealed(cap_set_bounds(cn, xm, false), cn);
}

struct cap capop_scbndse(struct cap cn, uint64_t xm) {
    return untagged_if_sealed(cap_set_bounds(cn, xm, true), cn);
}

uint64_t capop_rrlen(uint64_t xn) { return cap_representable_length(xn); }
uint64_t capop_rrmask(uint64_t xn) { return cap_get_representable_mask(xn); }

/* Permissions, tag, flags. */

struct cap capop_clrperm(struct cap cn, uint64_t xm) {
    return untagged_if_sealed(cap_clear_perms(cn, (uint32_t)xm), cn);
}

struct cap capop_clrperm_imm(struct cap cn, unsigned perm) {
    uint32_t mask =
        (perm & 1 ? CAP_PERM_EXECUTE : 0) | (perm & 2 ? CAP_PERM_STORE : 0) | (perm & 4 ? CAP_PERM_LOAD : 0);
    return capop_clrperm(cn, mask);
}

struct cap capop_clrtag(struct cap cn) { return cap_with_tag_clear(cn); }

struct cap capop_sctag(struct cap cn, uint64_t xm, bool may_set) {
    return (xm & 1) && may_set ? cap_with_tag_set(cn) : cap_with_tag_clear(cn);
}

struct cap capop_scflgs(struct cap cn, uint64_t xm) { return untagged_if_sealed(cap_set_flags(cn, xm), cn); }
struct cap capop_bicflgs(struct cap cn, uint64_t mask) { return capop_scflgs(cn, cn.lo & ~mask); }
struct cap capop_eorflgs(struct cap cn, uint64_t mask) { return capop_scflgs(cn, cn.lo ^ mask); }
struct cap capop_orrflgs(struct cap cn, uint64_t mask) { return capop_scflgs(cn, cn.lo | mask); }

/* Seals and types. */

struct cap capop_seal_imm(struct cap cn, unsigned form) {
    return untagged_if_sealed(cap_set_object_type(cn, form), cn);
}

/* A usable key: tagged, unsealed, with the permission, its value in its bounds. */
static bool key_opens(struct cap key, uint32_t permission) {
    return key.tag && !cap_is_sealed(key) && cap_check_permissions(key, permission) && cap_is_in_bounds(key);
}

static bool may_seal(struct cap c, struct cap key) {
    return c.tag && !cap_is_sealed(c) && key_opens(key, CAP_PERM_SEAL) && key.lo <= CAP_MAX_OBJECT_TYPE;
}

struct cap capop_seal(struct cap cn, struct cap cm) {
    return tagged_only_if(cap_set_object_type(cn, cm.lo), may_seal(cn, cm));
}

struct cap capop_unseal(struct cap cn, struct cap cm) {
    struct cap result = cap_unseal(cn);
    if (cap_is_local(cm)) result = cap_clear_perms(result, CAP_PERM_GLOBAL);
    bool opens = cap_is_sealed(cn) && key_opens(cm, CAP_PERM_UNSEAL) && cap_get_object_type(cn) == cm.lo;
    return tagged_only_if(result, opens);
}

struct cap_nzcv capop_cseal(struct cap cn, struct cap cm) {
    if (cm.lo == CAP_NO_SEALING) return (struct cap_nzcv){cn, NZCV_V};
    if (!may_seal(cn, cm)) return (struct cap_nzcv){cn, 0};
    return (struct cap_nzcv){cap_set_object_type(cn, cm.lo), NZCV_V};
}

struct cap capop_build(struct cap cn, struct cap cm) {
    struct cap result = cap_unseal(cn);
    bool authorised =
        cm.tag && !cap_is_sealed(cm) && cap_is_subset_of(result, cm) && !cap_is_base_above_limit(result);
    if (authorised) return cap_with_tag_set(result);
    return untagged_if_sealed(result, cn);
}

struct cap capop_cpytype(struct cap cn, struct cap cm) {
    return capop_scvalue(cn, cap_is_sealed(cm) ? cap_get_object_type(cm) : CAP_NO_SEALING);
}

/* Tests. */

static bool is_subset_with_tag(struct cap a, struct cap b) {
    return a.tag == b.tag && cap_is_subset_of(a, b);
}

unsigned capop_chkeq(struct cap cn, struct cap cm) { return cap_is_equal(cn, cm) ? NZCV_Z : 0; }
unsigned capop_chkss(struct cap cn, struct cap cm) { return is_subset_with_tag(cn, cm) ? NZCV_N : 0; }
unsigned capop_chksld(struct cap cn) { return cap_is_sealed(cn) ? NZCV_V : 0; }
unsigned capop_chktgd(struct cap cn) { return cn.tag ? NZCV_C : 0; }

struct cap_nzcv capop_chkssu(struct cap cn, struct cap cm) {
    if (!is_subset_with_tag(cn, cm)) return (struct cap_nzcv){cn, 0};
    bool opens = cm.tag && !cap_is_sealed(cm);
    return (struct cap_nzcv){opens ? cap_unseal(cn) : cn, NZCV_N};
}

/* Tags that differ are compared as two-bit numbers instead of the values. */
struct value_nzcv capop_subs(struct cap cn, struct cap cm) {
    if (cn.tag && !cm.tag) return (struct value_nzcv){1, NZCV_C};
    if (!cn.tag && cm.tag) return (struct value_nzcv){3, NZCV_N};
    uint64_t a = cn.lo, b = cm.lo, difference = a - b;
    unsigned n = difference >> 63 ? NZCV_N : 0, z = difference == 0 ? NZCV_Z : 0;
    unsigned c = a >= b ? NZCV_C : 0, v = ((a ^ b) & (a ^ difference)) >> 63 ? NZCV_V : 0;
    return (struct value_nzcv){difference, n | z | c | v};
}

/* Fields to a general register. */

uint64_t capop_gcbase(struct cap cn) { return cap_get_base(cn); }
uint64_t capop_gcflgs(struct cap cn) { return cn.lo & (uint64_t)0xff << 56; }
uint64_t capop_gcoff(struct cap cn) { return cap_get_offset(cn); }
uint64_t capop_gcperm(struct cap cn) { return cap_get_permissions(cn); }
uint64_t capop_gcseal(struct cap cn) { return cap_is_sealed(cn); }
uint64_t capop_gctag(struct cap cn) { return cn.tag; }
uint64_t capop_gctype(struct cap cn) { return cap_get_object_type(cn); }
uint64_t capop_gcvalue(struct cap cn) { return cn.lo; }

uint64_t capop_gclen(struct cap cn) {
    unsigned __int128 length = cap_get_length(cn);
    return length >> 64 ? UINT64_MAX : (uint64_t)length;
}

uint64_t capop_gclim(struct cap cn) {
    struct cap_bounds b = cap_get_bounds(cn);
    return b.limit_top ? UINT64_MAX : b.limit;
}

/* Halves and conversions. */

uint64_t capop_cfhi(struct cap cn) { return cn.hi; }
struct cap capop_cthi(struct cap cn, uint64_t xm) { return (struct cap){cn.lo, xm, false}; }

struct value_nzcv capop_cvt_to_pointer(struct cap cn, struct cap base, bool base_offset) {
    if (!cn.tag) return (struct value_nzcv){0, 0};
    uint64_t pointer = base_offset ? cn.lo - cap_get_base(base) : cn.lo;
    return (struct value_nzcv){pointer, NZCV_C | (pointer == 0 ? NZCV_Z : 0)};
}

struct cap capop_cvt(struct cap base, uint64_t xn, bool base_offset) {
    return base_offset ? capop_scoff(base, xn) : capop_scvalue(base, xn);
}

struct cap capop_cvtz(struct cap base, uint64_t xn, bool base_offset) {
    return xn == 0 ? cap_null() : capop_cvt(base, xn, base_offset);
}

/* Sealed pairs. */

enum cap_pair_check cap_pair_check(struct cap target, struct cap data, bool restricted) {
    const uint32_t pair = CAP_PERM_BRANCH_SEALED_PAIR;
    if (!restricted && !cap_is_executive(target) && target.tag) return CAP_PAIR_TARGET_NOT_EXECUTIVE;
    if (!target.tag) return CAP_PAIR_TARGET_TAG;
    if (!data.tag) return CAP_PAIR_DATA_TAG;
    if (!cap_is_sealed(target)) return CAP_PAIR_TARGET_UNSEALED;
    if (!cap_is_sealed(data)) return CAP_PAIR_DATA_UNSEALED;
    if (cap_get_object_type(target) <= CAP_MAX_FIXED_SEAL_TYPE) return CAP_PAIR_TYPE_RESERVED;
    if (cap_get_object_type(target) != cap_get_object_type(data)) return CAP_PAIR_TYPES_DIFFER;
    if (!cap_check_permissions(target, pair)) return CAP_PAIR_TARGET_NO_BRANCH_SEALED_PAIR;
    if (!cap_check_permissions(data, pair)) return CAP_PAIR_DATA_NO_BRANCH_SEALED_PAIR;
    if (!cap_check_permissions(target, CAP_PERM_EXECUTE)) return CAP_PAIR_TARGET_NOT_EXECUTABLE;
    if (cap_check_permissions(data, CAP_PERM_EXECUTE)) return CAP_PAIR_DATA_EXECUTABLE;
    return CAP_PAIR_OK;
}
