/* Capabilities: facts that the architecture states, and every operation on random bits under the sanitizers.
 */
#include "capability_ops.h"
#include "check.h"

typedef unsigned __int128 u128;

enum { ROUNDS = 200000 };

static const u128 WHOLE = (u128)1 << 64;

static u128 limit_of(struct cap c) {
    struct cap_bounds b = cap_get_bounds(c);
    return (u128)b.limit_top << 64 | b.limit;
}

static struct cap at(uint64_t address, uint64_t length) {
    return cap_set_bounds(cap_set_value(cap_almighty(), address), length, false);
}

/* Random in size first, so that small and large numbers both come often. */
static uint64_t any_number(uint64_t *seed) {
    uint64_t number = random_u64(seed) >> (random_u64(seed) & 63);
    return random_u64(seed) & 1 ? number : -number;
}

static struct cap any_capability(uint64_t *seed) {
    struct cap c = {any_number(seed), random_u64(seed), random_u64(seed) & 1};
    if (random_u64(seed) & 1) return c;
    struct cap made = at(any_number(seed), any_number(seed));
    made.tag = c.tag;
    return random_u64(seed) & 3 ? made : cap_set_object_type(made, random_u64(seed) & 7);
}

/* ---- facts ---- */

static void null_and_almighty(void) {
    CHECK(cap_get_base(cap_null()) == 0 && cap_get_length(cap_null()) == WHOLE && !cap_null().tag);
    struct cap all = cap_almighty();
    CHECK(all.tag && cap_get_base(all) == 0 && cap_get_length(all) == WHOLE);
    CHECK(cap_get_permissions(all) == CAP_PERMS_ALL && cap_get_exponent(all) == CAP_MAX_EXPONENT);
    CHECK(cap_is_equal(cap_set_bounds(all, WHOLE, true), all));
}

static void exponent_out_of_range(void) {
    for (unsigned exponent = 0; exponent < 64; exponent++) {
        uint64_t bounds = (~exponent >> 3 & 7) << 16 | (~exponent & 7);
        struct cap c = {0x1234, bounds, true};
        bool out = exponent > CAP_MAX_EXPONENT && exponent < CAP_MAX_ENCODEABLE_EXPONENT;
        CHECK(cap_get_exponent(c) == exponent && cap_is_exponent_out_of_range(c) == out);
        CHECK(cap_get_bounds(c).valid == !out && (!out || !cap_is_in_bounds(c)));
        CHECK(!out || !cap_add(c, 0).tag);
        CHECK(!out || !cap_set_value(c, c.lo).tag);
    }
}

static void small_bounds_are_exact(void) {
    for (uint64_t length = 0; length < 0x4000; length += 7) {
        struct cap c = at(0x12345, length);
        CHECK(c.tag && cap_get_base(c) == 0x12345 && limit_of(c) == 0x12345 + length);
        CHECK(cap_set_bounds_is_exact(cap_set_value(cap_almighty(), 0x12345), length));
    }
}

static void large_bounds_are_rounded_outward(void) {
    struct cap c = at(0x400076000, 0x3dff8a000);
    CHECK(c.tag && cap_get_base(c) <= 0x400076000 && limit_of(c) >= (u128)0x400076000 + 0x3dff8a000);
    struct cap exact = cap_set_bounds(cap_set_value(cap_almighty(), 1), (uint64_t)1 << 40, true);
    CHECK(!exact.tag);
}

static void representable_lengths(void) {
    CHECK(cap_get_representable_mask(0x3fff) == UINT64_MAX && cap_representable_length(0x3fff) == 0x3fff);
    CHECK(cap_get_representable_mask(0x4000) == ~(uint64_t)7 && cap_representable_length(0x4001) == 0x4008);
    CHECK(cap_representable_length(UINT64_MAX) == 0); /* only 2^64 is long enough */
    /* The mask must do for every start, so a length that fits at a lucky one is rounded all the same. */
    CHECK(cap_representable_length(0x7ff7) == 0x7ff8 && cap_representable_length(0x7ff8) == 0x8000);
}

static void bit_55_costs_the_tag(void) {
    struct cap c = at(((uint64_t)1 << 55) - 16, 64);
    CHECK(cap_add(c, 15).tag && !cap_add(c, 16).tag && !cap_set_value(c, c.lo + 16).tag);
    CHECK(cap_add(cap_almighty(), (uint64_t)1 << 55).tag);
}

static void seals(void) {
    struct cap c = at(0x1000, 64), key = cap_set_value(cap_almighty(), 42);
    struct cap sealed = capop_seal(c, key);
    CHECK(sealed.tag && cap_get_object_type(sealed) == 42 && cap_is_equal(capop_unseal(sealed, key), c));
    CHECK(!capop_unseal(sealed, cap_set_value(key, 43)).tag && !capop_seal(sealed, key).tag);
    CHECK(!capop_seal(c, cap_set_value(key, CAP_MAX_OBJECT_TYPE + 1)).tag && !capop_add(sealed, 0).tag);
    struct cap outside = cap_add(cap_set_bounds(key, 1, true), 1);
    CHECK(outside.tag && !cap_is_in_bounds(outside) && !capop_seal(c, outside).tag);
    CHECK(!capop_unseal(cap_set_object_type(c, 43), outside).tag && capop_cseal(c, outside).nzcv == 0);
    CHECK(cap_get_object_type(capop_seal_imm(c, CAP_SEAL_TYPE_RB)) == CAP_SEAL_TYPE_RB);
    CHECK(capop_cseal(c, cap_set_value(key, CAP_NO_SEALING)).nzcv == NZCV_V);
    CHECK(capop_cpytype(key, c).lo == CAP_NO_SEALING && capop_cpytype(key, sealed).lo == 42);
}

static void build_restores_what_the_key_covers(void) {
    struct cap c = at(0x1000, 64), key = at(0x1000, 128);
    CHECK(cap_is_equal(capop_build(cap_with_tag_clear(c), key), c));
    CHECK(!capop_build(cap_with_tag_clear(key), c).tag &&
          !capop_build(cap_with_tag_clear(c), cap_null()).tag);
    struct cap inverted = {0xd8ddd2efcaf078b0, 0xe4bc6e829439c746, false};
    CHECK(cap_is_base_above_limit(inverted) && cap_is_subset_of(inverted, cap_almighty()));
    CHECK(!capop_build(inverted, cap_almighty()).tag);
}

static void loads_lose_what_the_base_lacks(void) {
    struct cap base = cap_clear_perms(cap_almighty(), CAP_PERM_MUTABLE_LOAD);
    struct cap loaded = cap_squash_post_load(cap_almighty(), base);
    const uint32_t writing =
        CAP_PERM_STORE | CAP_PERM_STORE_CAP | CAP_PERM_STORE_LOCAL | CAP_PERM_MUTABLE_LOAD;
    CHECK(loaded.tag && cap_get_permissions(loaded) == (CAP_PERMS_ALL & ~writing));
    CHECK(!cap_squash_post_load(loaded, cap_clear_perms(base, CAP_PERM_LOAD_CAP)).tag);
    struct cap sentry = capop_seal_imm(cap_almighty(), CAP_SEAL_TYPE_RB);
    CHECK(cap_is_equal(cap_squash_post_load(sentry, base), sentry));
}

/* Each check of a sealed pair fails alone, in its order. */
static void sealed_pairs(void) {
    const uint32_t pair = CAP_PERM_BRANCH_SEALED_PAIR;
    struct cap t = cap_set_object_type(cap_almighty(), 4), d = cap_clear_perms(t, CAP_PERM_EXECUTE);
    CHECK(cap_pair_check(t, d, false) == CAP_PAIR_OK);
    struct cap restricted = cap_clear_perms(t, CAP_PERM_EXECUTIVE);
    CHECK(cap_pair_check(restricted, d, false) == CAP_PAIR_TARGET_NOT_EXECUTIVE);
    CHECK(cap_pair_check(restricted, d, true) == CAP_PAIR_OK);
    CHECK(cap_pair_check(cap_with_tag_clear(t), d, false) == CAP_PAIR_TARGET_TAG);
    CHECK(cap_pair_check(t, cap_with_tag_clear(d), false) == CAP_PAIR_DATA_TAG);
    CHECK(cap_pair_check(cap_unseal(t), d, false) == CAP_PAIR_TARGET_UNSEALED);
    CHECK(cap_pair_check(t, cap_unseal(d), false) == CAP_PAIR_DATA_UNSEALED);
    struct cap reserved = cap_set_object_type(t, CAP_SEAL_TYPE_LB);
    CHECK(cap_pair_check(reserved, cap_set_object_type(d, 3), false) == CAP_PAIR_TYPE_RESERVED);
    CHECK(cap_pair_check(t, cap_set_object_type(d, 5), false) == CAP_PAIR_TYPES_DIFFER);
    CHECK(cap_pair_check(cap_clear_perms(t, pair), d, false) == CAP_PAIR_TARGET_NO_BRANCH_SEALED_PAIR);
    CHECK(cap_pair_check(t, cap_clear_perms(d, pair), false) == CAP_PAIR_DATA_NO_BRANCH_SEALED_PAIR);
    CHECK(cap_pair_check(cap_clear_perms(t, CAP_PERM_EXECUTE), d, false) == CAP_PAIR_TARGET_NOT_EXECUTABLE);
    CHECK(cap_pair_check(t, t, false) == CAP_PAIR_DATA_EXECUTABLE);
}

static void subtraction_flags(void) {
    struct cap zero = cap_null(), one = {1, 0, false}, tagged = {1, 0, true};
    CHECK(capop_subs(one, one).nzcv == (NZCV_Z | NZCV_C) && capop_subs(zero, one).nzcv == NZCV_N);
    CHECK(capop_subs(tagged, one).value == 1 && capop_subs(tagged, one).nzcv == NZCV_C);
    CHECK(capop_subs(one, tagged).value == 3 && capop_subs(one, tagged).nzcv == NZCV_N);
    struct cap low = {(uint64_t)1 << 63, 0, false};
    CHECK(capop_subs(low, one).nzcv == (NZCV_C | NZCV_V));
}

/* ---- random bits: what must hold, and no undefined behaviour on the way ---- */

static void value_operations(struct cap c, uint64_t x) {
    CHECK(!cap_set_value(c, x).tag || cap_bounds_equal(cap_set_value(c, x), c));
    CHECK(capop_add(c, x).lo == c.lo + x && capop_sub(c, x).lo == c.lo - x);
    CHECK(cap_set_offset(c, x).lo == cap_get_base(c) + x && capop_scoff(c, x).hi == c.hi);
    CHECK((capop_alignd(c, x & 63).lo & (((uint64_t)1 << (x & 63)) - 1)) == 0);
    CHECK((capop_alignu(c, x & 63).lo & (((uint64_t)1 << (x & 63)) - 1)) == 0);
    CHECK((capop_adrp(c, x).lo - x) % 4096 == 0);
    CHECK(capop_scflgs(c, x).lo << 8 == c.lo << 8 &&
          capop_gcflgs(capop_scflgs(c, x)) == (x & (uint64_t)0xff << 56));
    CHECK(!cap_is_sealed(c) || !(capop_add(c, x).tag || capop_scbnds(c, x).tag || capop_clrperm(c, x).tag));
}

static void bounds_operations(struct cap c, uint64_t length) {
    struct cap r = capop_scbnds(c, length), exact = capop_scbndse(c, length);
    CHECK(r.lo == c.lo && r.hi >> 31 == c.hi >> 31 && r.hi == exact.hi && (!exact.tag || r.tag));
    CHECK(!exact.tag || cap_get_length(exact) == length);
    CHECK((cap_representable_length(length) & ~cap_get_representable_mask(length)) == 0);
    CHECK(cap_is_range_in_bounds(c, cap_get_base(c), cap_get_length(c)) == cap_get_bounds(c).valid);
}

static void pair_operations(struct cap a, struct cap b) {
    CHECK(!capop_seal(a, b).tag || (a.tag && b.tag));
    CHECK(!capop_unseal(a, b).tag || cap_get_object_type(a) == b.lo);
    CHECK(!cap_is_sealed(capop_build(a, b)) && (capop_cseal(a, b).nzcv & ~NZCV_V) == 0);
    CHECK(capop_chkss(a, b) == capop_chkssu(a, b).nzcv);
    CHECK(cap_pair_check(a, b, true) <= CAP_PAIR_DATA_EXECUTABLE);
    CHECK(capop_cvt_to_pointer(a, b, true).nzcv == 0 || a.tag);
    CHECK(capop_cpyvalue(a, b).lo == b.lo);
    CHECK(a.tag != b.tag || capop_subs(a, b).value == a.lo - b.lo);
    CHECK(cap_is_equal(a, b) == (capop_chkeq(a, b) == NZCV_Z));
}

static void random_bits(void) {
    uint64_t seed = 0x6d6f72656c6c6f;
    for (int i = 0; i < ROUNDS; i++) {
        struct cap a = any_capability(&seed), b = any_capability(&seed);
        uint64_t x = any_number(&seed);
        value_operations(a, x);
        bounds_operations(a, x);
        pair_operations(a, b);
        pair_operations(a, cap_set_value(cap_almighty(), cap_get_object_type(a)));
    }
}

int main(void) {
    null_and_almighty();
    exponent_out_of_range();
    small_bounds_are_exact();
    large_bounds_are_rounded_outward();
    representable_lengths();
    bit_55_costs_the_tag();
    seals();
    build_restores_what_the_key_covers();
    loads_lose_what_the_base_lacks();
    sealed_pairs();
    subtraction_flags();
    random_bits();
    return check_status();
}
