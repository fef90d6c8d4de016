/* Arithmetic of single and double width in the fast engine, by the host's own.
 *
 * With rounding to the nearest even, no flushing and IXC set already, a result strictly between the least
 * normal and infinity in magnitude is the whole answer: its operands were no NaN, it neither overflowed nor
 * was tiny, and nothing but IXC can have been raised (softfloat_host.h). Where that does not hold the clause
 * runs. The slot is that of a cold instruction: its imm is the instruction word.
 */
#include "fast_float.h"
#include "arithmetic.h"
#include "run.h"
#include "softfloat_host.h"

#include "ops_fast.h"

#define WORD ((uint32_t)s->imm)
#define D    (WORD & 31)
#define N    (WORD >> 5 & 31)
#define M    (WORD >> 16 & 31)
#define A    (WORD >> 10 & 31)

/* A fused multiplication must be one instruction of the host. */
#if defined __x86_64__
#define FUSED __attribute__((target("fma")))
static bool host_fuses(void) { return __builtin_cpu_supports("fma"); }
#elif defined __FP_FAST_FMA && defined __FP_FAST_FMAF
#define FUSED
static bool host_fuses(void) { return true; }
#else
#define FUSED
static bool host_fuses(void) { return false; }
#endif

static inline bool host_is_whole_answer(const struct cpu *cpu) {
    return !(cpu->fpcr & (FPCR_FZ | 3u << FPCR_RMODE_LSB)) && cpu->fpsr & FPSR_IXC;
}

/* ---- one and two lanes --------------------------------------------------------------------------------- */

/* By type: the lane's value in a half at an index, its bits, whether they are the answer. */
#define f64            double
#define f32            float
#define BITS_f64(x)    bits_of_double(x)
#define BITS_f32(x)    bits_of_float(x)
#define FROM_f64(bits) host_double(bits)
#define FROM_f32(bits) host_float(bits)
#define GOOD_f64(bits) host_result(64, bits)
#define GOOD_f32(bits) host_result(32, bits)

#define SLOWLY                                                                                               \
    do {                                                                                                     \
        fast_vector(ARGUMENTS);                                                                              \
        return;                                                                                              \
    } while (0)

/* d, n, m, a are lanes. */
#define ADD(d, n, m)     ((n) + (m))
#define SUB(d, n, m)     ((n) - (m))
#define MUL(d, n, m)     ((n) * (m))
#define NMUL(d, n, m)    (-((n) * (m)))
#define DIV(d, n, m)     ((n) / (m))
#define FMA_f64          __builtin_fma
#define FMA_f32          __builtin_fmaf
#define MLA_f64(d, n, m) FMA_f64(n, m, d)
#define MLA_f32(d, n, m) FMA_f32(n, m, d)
#define MLS_f64(d, n, m) FMA_f64(-(n), m, d)
#define MLS_f32(d, n, m) FMA_f32(-(n), m, d)

#define SCALAR(name, type, of)                                                                               \
    OP(name##_##type) {                                                                                      \
        type n = FROM_##type(VLO(N)), m = FROM_##type(VLO(M));                                               \
        uint64_t r = BITS_##type(of(0, n, m));                                                               \
        if (UNLIKELY(!host_is_whole_answer(cpu) || !GOOD_##type(r))) SLOWLY;                                 \
        SETV(D, r, 0);                                                                                       \
        NEXT;                                                                                                \
    }
#define SCALARS(name, of) SCALAR(name, f32, of) SCALAR(name, f64, of)
SCALARS(fadd, ADD)
SCALARS(fsub, SUB)
SCALARS(fmul, MUL)
SCALARS(fnmul, NMUL)
SCALARS(fdiv, DIV)

#define SCALAR_FUSED(name, type, n_sign, a_sign)                                                             \
    FUSED OP(name##_##type) {                                                                                \
        type n = n_sign FROM_##type(VLO(N)), m = FROM_##type(VLO(M)), a = a_sign FROM_##type(VLO(A));        \
        uint64_t r = BITS_##type(FMA_##type(n, m, a));                                                       \
        if (UNLIKELY(!host_is_whole_answer(cpu) || !GOOD_##type(r))) SLOWLY;                                 \
        SETV(D, r, 0);                                                                                       \
        NEXT;                                                                                                \
    }
#define SCALARS_FUSED(name, n_sign, a_sign)                                                                  \
    SCALAR_FUSED(name, f32, n_sign, a_sign) SCALAR_FUSED(name, f64, n_sign, a_sign)
SCALARS_FUSED(fmadd, +, +)
SCALARS_FUSED(fmsub, -, +)
SCALARS_FUSED(fnmadd, -, -)
SCALARS_FUSED(fnmsub, +, -)

/* ---- vectors ------------------------------------------------------------------------------------------- */

/* Element m of Vm for all lanes, or each lane's own. */
#define LANES_OWN(type, e)     FROM_##type(LANE_##type(M, e))
#define LANES_ELEMENT(type, e) FROM_##type(element)
#define ELEMENT_f64            (cpu->v[M][WORD >> 11 & 1])
#define ELEMENT_f32            (uint32_t)(cpu->v[M][WORD >> 11 & 1] >> (32 * (WORD >> 21 & 1)))
#define LANE_f64(r, e)         (cpu->v[r][e])
#define LANE_f32(r, e)         (uint32_t)(cpu->v[r][(e) / 2] >> 32 * ((e) & 1))

#define DOUBLES(name, attribute, of, from, element_of)                                                       \
    attribute OP(name##_2d) {                                                                                \
        uint64_t element = element_of;                                                                       \
        (void)element;                                                                                       \
        uint64_t low = BITS_f64(of(FROM_f64(VLO(D)), FROM_f64(VLO(N)), from(f64, 0)));                       \
        uint64_t high = BITS_f64(of(FROM_f64(VHI(D)), FROM_f64(VHI(N)), from(f64, 1)));                      \
        if (UNLIKELY(!host_is_whole_answer(cpu) || !GOOD_f64(low) || !GOOD_f64(high))) SLOWLY;               \
        SETV(D, low, high);                                                                                  \
        NEXT;                                                                                                \
    }
#define SINGLE_LANE(of, from, e)                                                                             \
    BITS_f32(of(FROM_f32(LANE_f32(D, e)), FROM_f32(LANE_f32(N, e)), from(f32, e)))
#define SINGLES(name, attribute, of, from, element_of)                                                       \
    attribute OP(name##_2s) {                                                                                \
        uint64_t element = element_of;                                                                       \
        (void)element;                                                                                       \
        uint64_t r0 = SINGLE_LANE(of, from, 0), r1 = SINGLE_LANE(of, from, 1);                               \
        if (UNLIKELY(!host_is_whole_answer(cpu) || !GOOD_f32(r0) || !GOOD_f32(r1))) SLOWLY;                  \
        SETV(D, r1 << 32 | r0, 0);                                                                           \
        NEXT;                                                                                                \
    }                                                                                                        \
    attribute OP(name##_4s) {                                                                                \
        uint64_t element = element_of;                                                                       \
        (void)element;                                                                                       \
        uint64_t r0 = SINGLE_LANE(of, from, 0), r1 = SINGLE_LANE(of, from, 1);                               \
        uint64_t r2 = SINGLE_LANE(of, from, 2), r3 = SINGLE_LANE(of, from, 3);                               \
        bool good = GOOD_f32(r0) && GOOD_f32(r1) && GOOD_f32(r2) && GOOD_f32(r3);                            \
        if (UNLIKELY(!host_is_whole_answer(cpu) || !good)) SLOWLY;                                           \
        SETV(D, r1 << 32 | r0, r3 << 32 | r2);                                                               \
        NEXT;                                                                                                \
    }
#define VECTORS(name, of) DOUBLES(name, , of, LANES_OWN, 0) SINGLES(name, , of, LANES_OWN, 0)
#define VECTORS_FUSED(name, of)                                                                              \
    DOUBLES(name, FUSED, of##_f64, LANES_OWN, 0) SINGLES(name, FUSED, of##_f32, LANES_OWN, 0)
#define ELEMENTS(name, attribute, of64, of32)                                                                \
    DOUBLES(name, attribute, of64, LANES_ELEMENT, ELEMENT_f64)                                               \
    SINGLES(name, attribute, of32, LANES_ELEMENT, ELEMENT_f32)
VECTORS(fadd, ADD)
VECTORS(fsub, SUB)
VECTORS(fmul, MUL)
VECTORS(fdiv, DIV)
VECTORS_FUSED(fmla, MLA)
VECTORS_FUSED(fmls, MLS)
ELEMENTS(fmul_by, , MUL, MUL)
ELEMENTS(fmla_by, FUSED, MLA_f64, MLA_f32)
ELEMENTS(fmls_by, FUSED, MLS_f64, MLS_f32)

/* ---- which one ----------------------------------------------------------------------------------------- */

struct row {
    uint16_t clause;
    bool fused;
    op_fn *op[4]; /* scalars: S, D by ftype. Vectors: 2S, reserved, 4S, 2D by Q:sz */
};
#define SCALAR_ROW(clause, fused, name)                                                                      \
    {                                                                                                        \
        CLAUSE_##clause, fused, { fast_##name##_f32, fast_##name##_f64, NULL, NULL }                         \
    }
#define VECTOR_ROW(clause, fused, name)                                                                      \
    {                                                                                                        \
        CLAUSE_##clause, fused, { fast_##name##_2s, NULL, fast_##name##_4s, fast_##name##_2d }               \
    }
enum { FIRST_VECTOR = 9, FIRST_BY_ELEMENT = 15 };
static const struct row rows[] = {
    SCALAR_ROW(fadd_float_aarch64_instrs_float_arithmetic_add_sub, false, fadd),
    SCALAR_ROW(fsub_float_aarch64_instrs_float_arithmetic_add_sub, false, fsub),
    SCALAR_ROW(fmul_float_aarch64_instrs_float_arithmetic_mul_product, false, fmul),
    SCALAR_ROW(fnmul_float_aarch64_instrs_float_arithmetic_mul_product, false, fnmul),
    SCALAR_ROW(fdiv_float_aarch64_instrs_float_arithmetic_div, false, fdiv),
    SCALAR_ROW(fmadd_float_aarch64_instrs_float_arithmetic_mul_add_sub, true, fmadd),
    SCALAR_ROW(fmsub_float_aarch64_instrs_float_arithmetic_mul_add_sub, true, fmsub),
    SCALAR_ROW(fnmadd_float_aarch64_instrs_float_arithmetic_mul_add_sub, true, fnmadd),
    SCALAR_ROW(fnmsub_float_aarch64_instrs_float_arithmetic_mul_add_sub, true, fnmsub),
    VECTOR_ROW(fadd_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_add_fp, false, fadd),
    VECTOR_ROW(fsub_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_sub_fp_simd, false, fsub),
    VECTOR_ROW(fmul_advsimd_vec_aarch64_instrs_vector_arithmetic_binary_uniform_mul_fp_product, false, fmul),
    VECTOR_ROW(fdiv_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_div, false, fdiv),
    VECTOR_ROW(fmla_advsimd_vec_aarch64_instrs_vector_arithmetic_binary_uniform_mul_fp_fused, true, fmla),
    VECTOR_ROW(fmls_advsimd_vec_aarch64_instrs_vector_arithmetic_binary_uniform_mul_fp_fused, true, fmls),
    VECTOR_ROW(fmul_advsimd_elt_aarch64_instrs_vector_arithmetic_binary_element_mul_fp_simd, false, fmul_by),
    VECTOR_ROW(fmla_advsimd_elt_aarch64_instrs_vector_arithmetic_binary_element_mul_acc_fp_simd, true,
               fmla_by),
    VECTOR_ROW(fmls_advsimd_elt_aarch64_instrs_vector_arithmetic_binary_element_mul_acc_fp_simd, true,
               fmls_by),
};

op_fn *float_op(uint16_t clause, uint32_t word) {
    size_t i = 0, end = sizeof rows / sizeof *rows;
    while (i < end && rows[i].clause != clause) i++;
    if (i == end || !HOST_ROUNDS || (rows[i].fused && !host_fuses())) return NULL;
    if (i < FIRST_VECTOR) return rows[i].op[field(word, 22, 2)];
    unsigned which = field(word, 30, 1) << 1 | field(word, 22, 1);
    bool reserved = i >= FIRST_BY_ELEMENT && which == 3 && field(word, 21, 1); /* a double has no L */
    return reserved ? NULL : rows[i].op[which];
}
