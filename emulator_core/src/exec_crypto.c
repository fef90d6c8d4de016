/* AES, SHA-1, SHA-2, SHA-3, SM3 and SM4: one step of each algorithm on 128-bit registers. */
#include "crypto_boxes.h"
#include "simd.h"

#include <string.h>

/* A register as bytes, words or doublewords, the low end first. */
struct bytes {
    uint8_t b[16];
};
struct words {
    uint32_t w[4];
};

static struct vector reg(struct cpu *cpu, uint32_t word, unsigned lsb) {
    return v_get(cpu, field(word, lsb, 5));
}
enum { RD = 0, RN = 5, RA = 10, RM = 16 };

static struct words words_of(struct vector v) {
    return (struct words){{(uint32_t)v.lo, (uint32_t)(v.lo >> 32), (uint32_t)v.hi, (uint32_t)(v.hi >> 32)}};
}
static struct words get(struct cpu *cpu, uint32_t word, unsigned lsb) {
    return words_of(reg(cpu, word, lsb));
}

static enum outcome set(struct cpu *cpu, uint32_t word, struct vector value) {
    v_set(cpu, field(word, 0, 5), value);
    return NEXT;
}
static enum outcome set_words(struct cpu *cpu, uint32_t word, struct words x) {
    return set(cpu, word, (struct vector){x.w[0] | (uint64_t)x.w[1] << 32, x.w[2] | (uint64_t)x.w[3] << 32});
}

static uint32_t rol(uint32_t x, unsigned n) { return x << n | x >> (32 - n); }
static uint32_t ror(uint32_t x, unsigned n) { return x >> n | x << (32 - n); }
static uint64_t ror64(uint64_t x, unsigned n) { return n ? x >> n | x << (64 - n) : x; }

#define ENABLED                                                                                              \
    do {                                                                                                     \
        if (!fp_enabled(cpu)) return FAULT;                                                                  \
    } while (0)

/* ---- AES: the state's columns are four bytes each ------------------------------------------------------ */

static struct bytes bytes_of(struct vector v) {
    struct bytes x;
    memcpy(x.b, &v.lo, 8);
    memcpy(x.b + 8, &v.hi, 8);
    return x;
}
static enum outcome set_bytes(struct cpu *cpu, uint32_t word, struct bytes x) {
    struct vector v;
    memcpy(&v.lo, x.b, 8);
    memcpy(&v.hi, x.b + 8, 8);
    return set(cpu, word, v);
}

/* Row r moves r columns to the left, or back to the right; then each byte is substituted. */
static enum outcome aes_round(struct cpu *cpu, uint32_t word, const uint8_t *box, unsigned columns) {
    ENABLED;
    struct vector d = reg(cpu, word, RD), n = reg(cpu, word, RN);
    struct bytes x = bytes_of((struct vector){d.lo ^ n.lo, d.hi ^ n.hi}), result;
    for (unsigned i = 0; i < 16; i++) result.b[i] = box[x.b[(i + 4 * columns * (i % 4)) % 16]];
    return set_bytes(cpu, word, result);
}

EXEC(aese_advsimd_aarch64_instrs_vector_crypto_aes_round) { return aes_round(cpu, word, aes_box, 1); }
EXEC(aesd_advsimd_aarch64_instrs_vector_crypto_aes_round) { return aes_round(cpu, word, aes_inverse_box, 3); }

/* Product modulo x^8 + x^4 + x^3 + x + 1. */
static uint8_t times(uint8_t a, unsigned b) {
    uint8_t product = 0;
    for (; b; b >>= 1, a = (uint8_t)(a << 1 ^ (a >> 7 ? 0x1b : 0))) product ^= b & 1 ? a : 0;
    return product;
}

/* Each byte becomes a sum of its column's, weighted from itself downwards. */
static enum outcome aes_mix(struct cpu *cpu, uint32_t word, const uint8_t weight[4]) {
    ENABLED;
    struct bytes x = bytes_of(reg(cpu, word, RN)), result = {{0}};
    for (unsigned i = 0; i < 16; i++)
        for (unsigned k = 0; k < 4; k++) result.b[i] ^= times(x.b[(i & 12) + (i + k) % 4], weight[k]);
    return set_bytes(cpu, word, result);
}

EXEC(aesmc_advsimd_aarch64_instrs_vector_crypto_aes_mix) {
    return aes_mix(cpu, word, (const uint8_t[]){2, 3, 1, 1});
}
EXEC(aesimc_advsimd_aarch64_instrs_vector_crypto_aes_mix) {
    return aes_mix(cpu, word, (const uint8_t[]){14, 11, 13, 9});
}

/* ---- SHA-1 --------------------------------------------------------------------------------------------- */

static uint32_t choose(uint32_t x, uint32_t y, uint32_t z) { return (x & y) | (~x & z); }
static uint32_t parity(uint32_t x, uint32_t y, uint32_t z) { return x ^ y ^ z; }
static uint32_t majority(uint32_t x, uint32_t y, uint32_t z) { return (x & y) | (x & z) | (y & z); }

/* Four rounds: a to d in Vd, e in Vn, the schedule with its constants in Vm. */
static enum outcome sha1_rounds(struct cpu *cpu, uint32_t word,
                                uint32_t (*fn)(uint32_t, uint32_t, uint32_t)) {
    ENABLED;
    struct words x = get(cpu, word, RD), schedule = get(cpu, word, RM);
    uint32_t e = get(cpu, word, RN).w[0];
    for (unsigned i = 0; i < 4; i++) {
        uint32_t a = e + rol(x.w[0], 5) + fn(x.w[1], x.w[2], x.w[3]) + schedule.w[i];
        e = x.w[3];
        x = (struct words){{a, x.w[0], rol(x.w[1], 30), x.w[2]}};
    }
    return set_words(cpu, word, x);
}

EXEC(sha1c_advsimd_aarch64_instrs_vector_crypto_sha3op_sha1_hash_choose) {
    return sha1_rounds(cpu, word, choose);
}
EXEC(sha1p_advsimd_aarch64_instrs_vector_crypto_sha3op_sha1_hash_parity) {
    return sha1_rounds(cpu, word, parity);
}
EXEC(sha1m_advsimd_aarch64_instrs_vector_crypto_sha3op_sha1_hash_majority) {
    return sha1_rounds(cpu, word, majority);
}
EXEC(sha1h_advsimd_aarch64_instrs_vector_crypto_sha2op_sha1_hash) {
    ENABLED;
    return set_words(cpu, word, (struct words){{rol(get(cpu, word, RN).w[0], 30), 0, 0, 0}});
}
EXEC(sha1su0_advsimd_aarch64_instrs_vector_crypto_sha3op_sha1_sched0) {
    ENABLED;
    struct vector d = reg(cpu, word, RD), n = reg(cpu, word, RN), m = reg(cpu, word, RM);
    return set(cpu, word, (struct vector){d.hi ^ d.lo ^ m.lo, n.lo ^ d.hi ^ m.hi});
}
EXEC(sha1su1_advsimd_aarch64_instrs_vector_crypto_sha2op_sha1_sched1) {
    ENABLED;
    struct words d = get(cpu, word, RD), n = get(cpu, word, RN), result;
    for (unsigned i = 0; i < 4; i++) result.w[i] = rol(d.w[i] ^ (i < 3 ? n.w[i + 1] : 0), 1);
    result.w[3] ^= rol(result.w[0], 1);
    return set_words(cpu, word, result);
}

/* ---- SHA-256 ------------------------------------------------------------------------------------------- */

static uint32_t sha256_sum0(uint32_t x) { return ror(x, 2) ^ ror(x, 13) ^ ror(x, 22); }
static uint32_t sha256_sum1(uint32_t x) { return ror(x, 6) ^ ror(x, 11) ^ ror(x, 25); }
static uint32_t sha256_sigma0(uint32_t x) { return ror(x, 7) ^ ror(x, 18) ^ x >> 3; }
static uint32_t sha256_sigma1(uint32_t x) { return ror(x, 17) ^ ror(x, 19) ^ x >> 10; }

/* Four rounds on a to d and e to h. */
static void sha256_rounds(struct words *abcd, struct words *efgh, struct words schedule) {
    for (unsigned i = 0; i < 4; i++) {
        uint32_t *x = abcd->w, *y = efgh->w;
        uint32_t t = y[3] + sha256_sum1(y[0]) + choose(y[0], y[1], y[2]) + schedule.w[i];
        uint32_t a = t + sha256_sum0(x[0]) + majority(x[0], x[1], x[2]), e = x[3] + t;
        *abcd = (struct words){{a, x[0], x[1], x[2]}};
        *efgh = (struct words){{e, y[0], y[1], y[2]}};
    }
}

EXEC(sha256h_advsimd_aarch64_instrs_vector_crypto_sha3op_sha256_hash) {
    ENABLED;
    struct words abcd = get(cpu, word, RD), efgh = get(cpu, word, RN);
    sha256_rounds(&abcd, &efgh, get(cpu, word, RM));
    return set_words(cpu, word, abcd);
}
EXEC(sha256h2_advsimd_aarch64_instrs_vector_crypto_sha3op_sha256_hash) {
    ENABLED;
    struct words abcd = get(cpu, word, RN), efgh = get(cpu, word, RD);
    sha256_rounds(&abcd, &efgh, get(cpu, word, RM));
    return set_words(cpu, word, efgh);
}
EXEC(sha256su0_advsimd_aarch64_instrs_vector_crypto_sha2op_sha256_sched0) {
    ENABLED;
    struct words d = get(cpu, word, RD), n = get(cpu, word, RN), result;
    for (unsigned i = 0; i < 4; i++) result.w[i] = d.w[i] + sha256_sigma0(i < 3 ? d.w[i + 1] : n.w[0]);
    return set_words(cpu, word, result);
}
EXEC(sha256su1_advsimd_aarch64_instrs_vector_crypto_sha3op_sha256_sched1) {
    ENABLED;
    struct words d = get(cpu, word, RD), n = get(cpu, word, RN), m = get(cpu, word, RM), result;
    for (unsigned i = 0; i < 4; i++) {
        uint32_t earlier = i < 2 ? m.w[i + 2] : result.w[i - 2], next = i < 3 ? n.w[i + 1] : m.w[0];
        result.w[i] = d.w[i] + next + sha256_sigma1(earlier);
    }
    return set_words(cpu, word, result);
}

/* ---- SHA-512 ------------------------------------------------------------------------------------------- */

static uint64_t sha512_sum0(uint64_t x) { return ror64(x, 28) ^ ror64(x, 34) ^ ror64(x, 39); }
static uint64_t sha512_sum1(uint64_t x) { return ror64(x, 14) ^ ror64(x, 18) ^ ror64(x, 41); }
static uint64_t sha512_sigma0(uint64_t x) { return ror64(x, 1) ^ ror64(x, 8) ^ x >> 7; }
static uint64_t sha512_sigma1(uint64_t x) { return ror64(x, 19) ^ ror64(x, 61) ^ x >> 6; }
static uint64_t choose64(uint64_t x, uint64_t y, uint64_t z) { return (x & y) | (~x & z); }
static uint64_t majority64(uint64_t x, uint64_t y, uint64_t z) { return (x & y) | (x & z) | (y & z); }

EXEC(sha512h_advsimd_aarch64_instrs_vector_crypto_sha512_sha512h) {
    ENABLED;
    struct vector d = reg(cpu, word, RD), n = reg(cpu, word, RN), m = reg(cpu, word, RM);
    uint64_t high = choose64(m.hi, n.lo, n.hi) + sha512_sum1(m.hi) + d.hi, next = high + m.lo;
    return set(cpu, word, (struct vector){choose64(next, m.hi, n.lo) + sha512_sum1(next) + d.lo, high});
}
EXEC(sha512h2_advsimd_aarch64_instrs_vector_crypto_sha512_sha512h2) {
    ENABLED;
    struct vector d = reg(cpu, word, RD), n = reg(cpu, word, RN), m = reg(cpu, word, RM);
    uint64_t high = majority64(n.lo, m.hi, m.lo) + sha512_sum0(m.lo) + d.hi;
    return set(cpu, word, (struct vector){majority64(high, m.lo, m.hi) + sha512_sum0(high) + d.lo, high});
}
EXEC(sha512su0_advsimd_aarch64_instrs_vector_crypto_sha512_sha512su0) {
    ENABLED;
    struct vector d = reg(cpu, word, RD), n = reg(cpu, word, RN);
    return set(cpu, word, (struct vector){d.lo + sha512_sigma0(d.hi), d.hi + sha512_sigma0(n.lo)});
}
EXEC(sha512su1_advsimd_aarch64_instrs_vector_crypto_sha512_sha512su1) {
    ENABLED;
    struct vector d = reg(cpu, word, RD), n = reg(cpu, word, RN), m = reg(cpu, word, RM);
    return set(cpu, word,
               (struct vector){d.lo + sha512_sigma1(n.lo) + m.lo, d.hi + sha512_sigma1(n.hi) + m.hi});
}

/* ---- SHA-3 --------------------------------------------------------------------------------------------- */

EXEC(eor3_advsimd_aarch64_instrs_vector_crypto_sha3_eor3) {
    ENABLED;
    struct vector n = reg(cpu, word, RN), m = reg(cpu, word, RM), a = reg(cpu, word, RA);
    return set(cpu, word, (struct vector){n.lo ^ m.lo ^ a.lo, n.hi ^ m.hi ^ a.hi});
}
EXEC(bcax_advsimd_aarch64_instrs_vector_crypto_sha3_bcax) {
    ENABLED;
    struct vector n = reg(cpu, word, RN), m = reg(cpu, word, RM), a = reg(cpu, word, RA);
    return set(cpu, word, (struct vector){n.lo ^ (m.lo & ~a.lo), n.hi ^ (m.hi & ~a.hi)});
}
EXEC(rax1_advsimd_aarch64_instrs_vector_crypto_sha3_rax1) {
    ENABLED;
    struct vector n = reg(cpu, word, RN), m = reg(cpu, word, RM);
    return set(cpu, word, (struct vector){n.lo ^ ror64(m.lo, 63), n.hi ^ ror64(m.hi, 63)});
}
EXEC(xar_advsimd_aarch64_instrs_vector_crypto_sha3_xar) {
    ENABLED;
    struct vector n = reg(cpu, word, RN), m = reg(cpu, word, RM);
    unsigned by = field(word, 10, 6);
    return set(cpu, word, (struct vector){ror64(n.lo ^ m.lo, by), ror64(n.hi ^ m.hi, by)});
}

/* ---- SM3 ----------------------------------------------------------------------------------------------- */

static uint32_t sm3_p0(uint32_t x) { return x ^ rol(x, 9) ^ rol(x, 17); }
static uint32_t sm3_p1(uint32_t x) { return x ^ rol(x, 15) ^ rol(x, 23); }

EXEC(sm3ss1_advsimd_aarch64_instrs_vector_crypto_sm3_sm3ss1) {
    ENABLED;
    uint32_t n = get(cpu, word, RN).w[3], m = get(cpu, word, RM).w[3], a = get(cpu, word, RA).w[3];
    return set_words(cpu, word, (struct words){{0, 0, 0, rol(rol(n, 12) + m + a, 7)}});
}

/* Half a round on four of the state's words; the element of Vm is the message's. */
static enum outcome sm3_tt1(struct cpu *cpu, uint32_t word, uint32_t (*fn)(uint32_t, uint32_t, uint32_t)) {
    ENABLED;
    struct words d = get(cpu, word, RD), m = get(cpu, word, RM);
    uint32_t ss2 = get(cpu, word, RN).w[3] ^ rol(d.w[3], 12);
    uint32_t tt1 = fn(d.w[3], d.w[2], d.w[1]) + d.w[0] + ss2 + m.w[field(word, 12, 2)];
    return set_words(cpu, word, (struct words){{d.w[1], rol(d.w[2], 9), d.w[3], tt1}});
}
static enum outcome sm3_tt2(struct cpu *cpu, uint32_t word, uint32_t (*fn)(uint32_t, uint32_t, uint32_t)) {
    ENABLED;
    struct words d = get(cpu, word, RD), m = get(cpu, word, RM);
    uint32_t tt2 = fn(d.w[3], d.w[2], d.w[1]) + d.w[0] + get(cpu, word, RN).w[3] + m.w[field(word, 12, 2)];
    return set_words(cpu, word, (struct words){{d.w[1], rol(d.w[2], 19), d.w[3], sm3_p0(tt2)}});
}

EXEC(sm3tt1a_advsimd_aarch64_instrs_vector_crypto_sm3_sm3tt1a) { return sm3_tt1(cpu, word, parity); }
EXEC(sm3tt1b_advsimd_aarch64_instrs_vector_crypto_sm3_sm3tt1b) { return sm3_tt1(cpu, word, majority); }
EXEC(sm3tt2a_advsimd_aarch64_instrs_vector_crypto_sm3_sm3tt2a) { return sm3_tt2(cpu, word, parity); }
EXEC(sm3tt2b_advsimd_aarch64_instrs_vector_crypto_sm3_sm3tt2b) { return sm3_tt2(cpu, word, choose); }

EXEC(sm3partw1_advsimd_aarch64_instrs_vector_crypto_sm3_sm3partw1) {
    ENABLED;
    struct words d = get(cpu, word, RD), n = get(cpu, word, RN), m = get(cpu, word, RM), result;
    for (unsigned i = 0; i < 4; i++)
        result.w[i] = sm3_p1(d.w[i] ^ n.w[i] ^ rol(i < 3 ? m.w[i + 1] : result.w[0], 15));
    return set_words(cpu, word, result);
}
EXEC(sm3partw2_advsimd_aarch64_instrs_vector_crypto_sm3_sm3partw2) {
    ENABLED;
    struct words d = get(cpu, word, RD), n = get(cpu, word, RN), m = get(cpu, word, RM), result;
    for (unsigned i = 0; i < 4; i++) result.w[i] = d.w[i] ^ n.w[i] ^ rol(m.w[i], 7);
    result.w[3] ^= sm3_p1(rol(n.w[0] ^ rol(m.w[0], 7), 15));
    return set_words(cpu, word, result);
}

/* ---- SM4 ----------------------------------------------------------------------------------------------- */

static uint32_t sm4_substituted(uint32_t x) {
    uint32_t result = 0;
    for (unsigned i = 0; i < 32; i += 8) result |= (uint32_t)sm4_box[x >> i & 255] << i;
    return result;
}
static uint32_t sm4_encrypting(uint32_t x) { return x ^ rol(x, 2) ^ rol(x, 10) ^ rol(x, 18) ^ rol(x, 24); }
static uint32_t sm4_key_making(uint32_t x) { return x ^ rol(x, 13) ^ rol(x, 23); }

/* Four rounds on x, by four round keys or constants. */
static enum outcome sm4_rounds(struct cpu *cpu, uint32_t word, struct words x, struct words key,
                               uint32_t (*fn)(uint32_t)) {
    ENABLED;
    for (unsigned i = 0; i < 4; i++) {
        uint32_t next = x.w[0] ^ fn(sm4_substituted(x.w[1] ^ x.w[2] ^ x.w[3] ^ key.w[i]));
        x = (struct words){{x.w[1], x.w[2], x.w[3], next}};
    }
    return set_words(cpu, word, x);
}

EXEC(sm4e_advsimd_aarch64_instrs_vector_crypto_sm4_sm4enc) {
    return sm4_rounds(cpu, word, get(cpu, word, RD), get(cpu, word, RN), sm4_encrypting);
}
EXEC(sm4ekey_advsimd_aarch64_instrs_vector_crypto_sm4_sm4enckey) {
    return sm4_rounds(cpu, word, get(cpu, word, RN), get(cpu, word, RM), sm4_key_making);
}
