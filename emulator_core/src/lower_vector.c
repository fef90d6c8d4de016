/* Hot instructions on V registers: from an encoding to one of the ops of ops_vector.inc. */
#include "memory_ops.h"
#include "slots.h"

static unsigned size_of(uint32_t word) { return field(word, 22, 2); }
static bool is_128(uint32_t word) { return field(word, 30, 1); }

static void set_vectors(struct slot *s, uint32_t word) {
    s->rd = (uint8_t)field(word, 0, 5), s->rn = (uint8_t)field(word, 5, 5),
    s->rm = (uint8_t)field(word, 16, 5);
    s->x = is_128(word);
}

/* ---- moves --------------------------------------------------------------------------------------------- */

static bool lower_fmov(struct slot *s, op_ref *op, struct insn in) {
    set_vectors(s, in.word);
    switch (size_of(in.word)) {
    case 0: return USE(fmov_s);
    case 1: return USE(fmov_d);
    case 3: return USE(fmov_h);
    default: return USE_UNDEFINED;
    }
}

/* The upper half of a Q register goes with an X register alone, H with W and X, S with W, D with X. */
static bool lower_fmov_general(struct slot *s, op_ref *op, struct insn in) {
    bool to_vector = field(in.word, 16, 1), upper = field(in.word, 19, 1), whole = in.word >> 31;
    unsigned d = field(in.word, 0, 5), n = field(in.word, 5, 5), type = size_of(in.word);
    s->rd = to_vector ? (uint8_t)d : to(d), s->rn = to_vector ? from(n) : (uint8_t)n;
    if (upper && (type != 2 || !whole)) return USE_UNDEFINED;
    if (upper) return to_vector ? USE(fmov_to_upper) : USE(fmov_from_upper);
    if (type == 3) return to_vector ? USE(fmov_to_h) : USE(fmov_from_h);
    if (type != whole) return USE_UNDEFINED;
    if (whole) return to_vector ? USE(fmov_to_d) : USE(fmov_from_d);
    return to_vector ? USE(fmov_to_s) : USE(fmov_from_s);
}

/* ---- logic, sums --------------------------------------------------------------------------------------- */

#define VECTORS(name)                                                                                        \
    static bool lower_##name(struct slot *s, op_ref *op, struct insn in) {                                   \
        set_vectors(s, in.word);                                                                             \
        return USE(name##_v);                                                                                \
    }
VECTORS(and)
VECTORS(bic)
VECTORS(orr)
VECTORS(orn)
VECTORS(eor)
VECTORS(bsl)
VECTORS(bit)
VECTORS(bif)

#define BY_SIZE(name)                                                                                        \
    static bool lower_##name(struct slot *s, op_ref *op, struct insn in) {                                   \
        set_vectors(s, in.word);                                                                             \
        switch (size_of(in.word)) {                                                                          \
        case 0: return USE(name##_v8);                                                                       \
        case 1: return USE(name##_v16);                                                                      \
        case 2: return USE(name##_v32);                                                                      \
        default: return is_128(in.word) ? USE(name##_v64) : USE_UNDEFINED;                                   \
        }                                                                                                    \
    }
BY_SIZE(add)
BY_SIZE(sub)

/* ---- shifts by an immediate ---------------------------------------------------------------------------- */

/* immh 22:19 says the element's width by its highest bit; immh:immb counts from there. */
static unsigned width_of(uint32_t word) { return 8u << (31 - __builtin_clz(field(word, 19, 4) | 1)); }

/* The low bits of each element, of elements of 8 to 32 bits, in 32 bits. */
static int32_t repeated(uint64_t low_bits, unsigned width) {
    for (low_bits &= ~(uint64_t)0 >> (64 - width); width < 32; width *= 2) low_bits |= low_bits << width;
    return (int32_t)low_bits;
}

static bool lower_shl(struct slot *s, op_ref *op, struct insn in) {
    unsigned width = width_of(in.word), left = field(in.word, 16, 7) - width;
    set_vectors(s, in.word);
    s->rm = (uint8_t)left;
    if (width == 64) return is_128(in.word) ? USE(shl_v64) : USE_UNDEFINED;
    s->imm = repeated(~(uint64_t)0 << left, width);
    return USE(shl_v);
}

static bool lower_ushr(struct slot *s, op_ref *op, struct insn in) {
    unsigned width = width_of(in.word), right = 2 * width - field(in.word, 16, 7);
    set_vectors(s, in.word);
    s->rm = (uint8_t)right;
    if (width == 64 && !is_128(in.word)) return USE_UNDEFINED;
    if (right == width) return USE(zero_v);
    if (width == 64) return USE(ushr_v64);
    s->imm = repeated(((uint64_t)1 << (width - right)) - 1, width);
    return USE(ushr_v);
}

/* ---- one element of memory in all lanes ---------------------------------------------------------------- */

#define DECLARE_REPLICATED(VIA, bits)                                                                        \
    extern op_fn fast_ld1r_##bits##_##VIA, fast_ld1r_post_##bits##_##VIA;                                    \
    extern step_fn step_ld1r_##bits##_##VIA, step_ld1r_post_##bits##_##VIA;
#define FOR_WIDTHS(M) FOR_VIAS(M, 8) FOR_VIAS(M, 16) FOR_VIAS(M, 32) FOR_VIAS(M, 64)
FOR_WIDTHS(DECLARE_REPLICATED)

enum { DDC, DDCSP, CAP, CAPSP, VIAS };
enum { AT_8, AT_16, AT_32, AT_64, WIDTHS };
#define ROW_REPLICATED(VIA, bits)                                                                            \
    [AT_##bits][0][VIA] = {fast_ld1r_##bits##_##VIA, step_ld1r_##bits##_##VIA},                              \
    [AT_##bits][1][VIA] = {fast_ld1r_post_##bits##_##VIA, step_ld1r_post_##bits##_##VIA},
static const op_ref replicated[WIDTHS][2][VIAS] = {FOR_WIDTHS(ROW_REPLICATED)};

static bool lower_ld1r(struct slot *s, op_ref *op, struct insn in) {
    unsigned size = field(in.word, 10, 2), post = field(in.word, 23, 1), n = field(in.word, 5, 5);
    unsigned m = field(in.word, 16, 5);
    set_vectors(s, in.word);
    s->rn = from_sp(n), s->rm = from(m), s->imm = m == 31 ? 1 << size : 0;
    *op = replicated[size][post][(in.c64 ? CAP : DDC) + (n == 31 ? 1 : 0)];
    return true;
}

#define LOGICAL(m, group) CLAUSE_##m##_aarch64_instrs_vector_arithmetic_binary_uniform_logical_##group
#define WRAPPING(m) CLAUSE_##m##_aarch64_instrs_vector_arithmetic_binary_uniform_add_wrapping_single_simd

LOWERINGS(vector) = {
    {CLAUSE_fmov_float_aarch64_instrs_float_arithmetic_unary, lower_fmov},
    {CLAUSE_fmov_float_gen_aarch64_instrs_float_convert_int, lower_fmov_general},
    {LOGICAL(and_advsimd, and_orr), lower_and},
    {LOGICAL(bic_advsimd_reg, and_orr), lower_bic},
    {LOGICAL(orr_advsimd_reg, and_orr), lower_orr},
    {LOGICAL(orn_advsimd, and_orr), lower_orn},
    {LOGICAL(eor_advsimd, bsl_eor), lower_eor},
    {LOGICAL(bsl_advsimd, bsl_eor), lower_bsl},
    {LOGICAL(bit_advsimd, bsl_eor), lower_bit},
    {LOGICAL(bif_advsimd, bsl_eor), lower_bif},
    {WRAPPING(add_advsimd), lower_add},
    {WRAPPING(sub_advsimd), lower_sub},
    {CLAUSE_shl_advsimd_aarch64_instrs_vector_shift_left_simd, lower_shl},
    {CLAUSE_ushr_advsimd_aarch64_instrs_vector_shift_right_simd, lower_ushr},
    {CLAUSE_ld1r_advsimd_aarch64_instrs_memory_vector_single_no_wb, lower_ld1r},
    {CLAUSE_ld1r_advsimd_aarch64_instrs_memory_vector_single_post_inc, lower_ld1r},
    LOWERINGS_END,
};
