/* Floating point of half, single and double width, as the specification's FP functions define it, in
 * integers.
 *
 * A number is its bits in the low n bits of a uint64_t; n is 16, 32 or 64. FPCR says how to round, what to
 * flush and what a NaN becomes; exceptions accumulate in flags, at the bits of FPSR. Exceptions do not trap.
 */
#ifndef CVMDBG_SOFTFLOAT_H
#define CVMDBG_SOFTFLOAT_H

#include <stdbool.h>
#include <stdint.h>

enum {
    FPCR_FZ16 = 1 << 19,
    FPCR_RMODE_LSB = 22,
    FPCR_FZ = 1 << 24,
    FPCR_DN = 1 << 25,
    FPCR_AHP = 1 << 26,
};
/* What FPCR holds. Exceptions do not trap: the enables at 8..12 and 15 read as zero and ignore writes
 * (Neoverse N1 TRM), as do Len and Stride, which have no meaning in AArch64. */
#define FPCR_BITS ((uint32_t)(FPCR_FZ16 | 3 << FPCR_RMODE_LSB | FPCR_FZ | FPCR_DN | FPCR_AHP))
enum {
    FPSR_IOC = 1 << 0, /* invalid operation */
    FPSR_DZC = 1 << 1, /* division by zero */
    FPSR_OFC = 1 << 2, /* overflow */
    FPSR_UFC = 1 << 3, /* underflow: tiny before rounding, and inexact or flushed */
    FPSR_IXC = 1 << 4, /* inexact */
    FPSR_IDC = 1 << 7, /* an input was flushed to zero */
    FPSR_QC = 1 << 27, /* an integer saturated */
};

struct fp_env {
    uint32_t control; /* FPCR */
    uint32_t flags;   /* FPSR: what was raised before and what is raised now */
};

/* The first four are FPCR.RMode's. */
enum fp_rounding { FP_TIE_EVEN, FP_POSITIVE, FP_NEGATIVE, FP_TOWARD_ZERO, FP_TIE_AWAY, FP_ODD };
static inline enum fp_rounding fp_rounding_mode(const struct fp_env *env) {
    return (enum fp_rounding)(env->control >> FPCR_RMODE_LSB & 3);
}

static inline uint64_t fp_sign_bit(unsigned n) { return (uint64_t)1 << (n - 1); }
static inline uint64_t fp_neg(unsigned n, uint64_t a) { return a ^ fp_sign_bit(n); }
static inline uint64_t fp_abs(unsigned n, uint64_t a) { return a & (fp_sign_bit(n) - 1); }
uint64_t fp_expand_imm(unsigned n, uint8_t imm8); /* VFPExpandImm */

uint64_t fp_add(struct fp_env *, unsigned n, uint64_t a, uint64_t b);
uint64_t fp_sub(struct fp_env *, unsigned n, uint64_t a, uint64_t b);
uint64_t fp_mul(struct fp_env *, unsigned n, uint64_t a, uint64_t b);
uint64_t fp_mulx(struct fp_env *, unsigned n, uint64_t a, uint64_t b); /* 0 times infinity is 2 */
uint64_t fp_mul_add(struct fp_env *, unsigned n, uint64_t addend, uint64_t a, uint64_t b); /* fused */
uint64_t fp_div(struct fp_env *, unsigned n, uint64_t a, uint64_t b);
uint64_t fp_sqrt(struct fp_env *, unsigned n, uint64_t a);
uint64_t fp_max(struct fp_env *, unsigned n, uint64_t a, uint64_t b);
uint64_t fp_min(struct fp_env *, unsigned n, uint64_t a, uint64_t b);
uint64_t fp_max_num(struct fp_env *, unsigned n, uint64_t a, uint64_t b); /* a number beats a quiet NaN */
uint64_t fp_min_num(struct fp_env *, unsigned n, uint64_t a, uint64_t b);

/* NZCV of a comparison; unordered is 3. */
unsigned fp_compare(struct fp_env *, unsigned n, uint64_t a, uint64_t b, bool signal_nans);
bool fp_compare_eq(struct fp_env *, unsigned n, uint64_t a, uint64_t b);
bool fp_compare_ge(struct fp_env *, unsigned n, uint64_t a, uint64_t b);
bool fp_compare_gt(struct fp_env *, unsigned n, uint64_t a, uint64_t b);

/* To an integral number in the same format; exact: an inexact result raises IXC. */
uint64_t fp_round_int(struct fp_env *, unsigned n, uint64_t a, enum fp_rounding, bool exact);
/* Fixed point of m bits, fbits of them behind the point; what does not fit saturates. */
uint64_t fp_to_fixed(struct fp_env *, unsigned n, uint64_t a, unsigned m, unsigned fbits, bool is_unsigned,
                     enum fp_rounding);
uint64_t fp_from_fixed(struct fp_env *, unsigned n, uint64_t a, unsigned m, unsigned fbits, bool is_unsigned);
/* From n bits to m bits. */
uint64_t fp_convert(struct fp_env *, unsigned n, uint64_t a, unsigned m, enum fp_rounding);

uint64_t fp_recip_estimate(struct fp_env *, unsigned n, uint64_t a);
uint64_t fp_rsqrt_estimate(struct fp_env *, unsigned n, uint64_t a);
uint64_t fp_recip_exponent(struct fp_env *, unsigned n, uint64_t a);         /* FPRecpX */
uint64_t fp_recip_step(struct fp_env *, unsigned n, uint64_t a, uint64_t b); /* 2 - ab, fused */
uint64_t fp_rsqrt_step(struct fp_env *, unsigned n, uint64_t a, uint64_t b); /* (3 - ab) / 2, fused */
uint32_t fp_unsigned_recip_estimate(uint32_t a);
uint32_t fp_unsigned_rsqrt_estimate(uint32_t a);

#endif
