/* Scalar floating point: conversions between widths, to and from integers and fixed point. */
#include "fp_common.h"

static unsigned integer_width(uint32_t word) { return word >> 31 ? 64 : 32; }

/* From ftype to opc, which are coded alike. */
EXEC(fcvt_float_aarch64_instrs_float_convert_fp) {
    static const uint8_t widths[] = {32, 64, 0, 16};
    unsigned from = fp_width(word), to = widths[field(word, 15, 2)];
    if (!from || !to || from == to) return undefined(cpu);
    if (!fp_enabled(cpu)) return FAULT;
    struct fp_env env = {cpu->fpcr, cpu->fpsr};
    uint64_t value = fp_convert(&env, from, fp_n(cpu, word), to, fp_rounding_mode(&env));
    return fp_result(cpu, word, &env, value);
}

static enum outcome to_integer(struct cpu *cpu, uint32_t word, unsigned fbits, bool is_unsigned,
                               enum fp_rounding rounding) {
    FP_BEGIN;
    struct fp_env env = {cpu->fpcr, cpu->fpsr};
    uint64_t n = fp_n(cpu, word);
    x_set(cpu, field(word, 0, 5),
          fp_to_fixed(&env, fp_width(word), n, integer_width(word), fbits, is_unsigned, rounding));
    cpu->fpsr |= env.flags;
    return NEXT;
}

static enum outcome from_integer(struct cpu *cpu, uint32_t word, unsigned fbits, bool is_unsigned) {
    FP_BEGIN;
    struct fp_env env = {cpu->fpcr, cpu->fpsr};
    uint64_t x = x_get(cpu, field(word, 5, 5));
    if (integer_width(word) == 32) x = (uint32_t)x;
    uint64_t value = fp_from_fixed(&env, fp_width(word), x, integer_width(word), fbits, is_unsigned);
    return fp_result(cpu, word, &env, value);
}

EXEC(fcvtns_float_aarch64_instrs_float_convert_int) { return to_integer(cpu, word, 0, false, FP_TIE_EVEN); }
EXEC(fcvtnu_float_aarch64_instrs_float_convert_int) { return to_integer(cpu, word, 0, true, FP_TIE_EVEN); }
EXEC(fcvtps_float_aarch64_instrs_float_convert_int) { return to_integer(cpu, word, 0, false, FP_POSITIVE); }
EXEC(fcvtpu_float_aarch64_instrs_float_convert_int) { return to_integer(cpu, word, 0, true, FP_POSITIVE); }
EXEC(fcvtms_float_aarch64_instrs_float_convert_int) { return to_integer(cpu, word, 0, false, FP_NEGATIVE); }
EXEC(fcvtmu_float_aarch64_instrs_float_convert_int) { return to_integer(cpu, word, 0, true, FP_NEGATIVE); }
EXEC(fcvtzs_float_int_aarch64_instrs_float_convert_int) {
    return to_integer(cpu, word, 0, false, FP_TOWARD_ZERO);
}
EXEC(fcvtzu_float_int_aarch64_instrs_float_convert_int) {
    return to_integer(cpu, word, 0, true, FP_TOWARD_ZERO);
}
EXEC(fcvtas_float_aarch64_instrs_float_convert_int) { return to_integer(cpu, word, 0, false, FP_TIE_AWAY); }
EXEC(fcvtau_float_aarch64_instrs_float_convert_int) { return to_integer(cpu, word, 0, true, FP_TIE_AWAY); }
EXEC(scvtf_float_int_aarch64_instrs_float_convert_int) { return from_integer(cpu, word, 0, false); }
EXEC(ucvtf_float_int_aarch64_instrs_float_convert_int) { return from_integer(cpu, word, 0, true); }

/* Of Armv8.3: Morello decodes it as reserved. */
EXEC(fjcvtzs_aarch64_instrs_float_convert_int) {
    (void)word;
    return undefined(cpu);
}

/* ---- fixed point --------------------------------------------------------------------------------------- */

/* 64 - scale bits behind the point; 0: more than a W register has. */
static unsigned fraction_bits_of(uint32_t word) {
    unsigned bits = 64 - field(word, 10, 6);
    return bits > integer_width(word) ? 0 : bits;
}

static enum outcome to_fixed(struct cpu *cpu, uint32_t word, bool is_unsigned) {
    unsigned fbits = fraction_bits_of(word);
    return fbits ? to_integer(cpu, word, fbits, is_unsigned, FP_TOWARD_ZERO) : undefined(cpu);
}
static enum outcome from_fixed(struct cpu *cpu, uint32_t word, bool is_unsigned) {
    unsigned fbits = fraction_bits_of(word);
    return fbits ? from_integer(cpu, word, fbits, is_unsigned) : undefined(cpu);
}

EXEC(fcvtzs_float_fix_aarch64_instrs_float_convert_fix) { return to_fixed(cpu, word, false); }
EXEC(fcvtzu_float_fix_aarch64_instrs_float_convert_fix) { return to_fixed(cpu, word, true); }
EXEC(scvtf_float_fix_aarch64_instrs_float_convert_fix) { return from_fixed(cpu, word, false); }
EXEC(ucvtf_float_fix_aarch64_instrs_float_convert_fix) { return from_fixed(cpu, word, true); }
