/* Integer data processing that is rare enough to be called: carry arithmetic, CRC, count of sign bits, byte
 * orders. */
#include "arithmetic.h"
#include "exec.h"

static bool is_64(uint32_t word) { return word >> 31; }

static uint64_t operand(struct cpu *cpu, uint32_t word, unsigned n) {
    uint64_t value = x_get(cpu, n);
    return is_64(word) ? value : (uint32_t)value;
}

static enum outcome result(struct cpu *cpu, uint32_t word, uint64_t value) {
    x_set(cpu, field(word, 0, 5), is_64(word) ? value : (uint32_t)value);
    return NEXT;
}

static enum outcome add_carry(struct cpu *cpu, uint32_t word, bool subtract, bool set_flags) {
    uint64_t x = operand(cpu, word, field(word, 5, 5)), y = operand(cpu, word, field(word, 16, 5));
    unsigned carry = flags_get(cpu) >> 1 & 1;
    if (subtract) y = ~y;
    if (set_flags)
        flags_set(cpu, is_64(word) ? flags_of_carry_add(x, y, carry) : flags_of_carry_add32(x, y, carry));
    return result(cpu, word, x + y + carry);
}

EXEC(adc_aarch64_instrs_integer_arithmetic_add_sub_carry) { return add_carry(cpu, word, false, false); }
EXEC(adcs_aarch64_instrs_integer_arithmetic_add_sub_carry) { return add_carry(cpu, word, false, true); }
EXEC(sbc_aarch64_instrs_integer_arithmetic_add_sub_carry) { return add_carry(cpu, word, true, false); }
EXEC(sbcs_aarch64_instrs_integer_arithmetic_add_sub_carry) { return add_carry(cpu, word, true, true); }

/* The bits below the sign that equal it. */
EXEC(cls_int_aarch64_instrs_integer_arithmetic_cnt) {
    unsigned shift = is_64(word) ? 0 : 32;
    int64_t value = (int64_t)(x_get(cpu, field(word, 5, 5)) << shift) >> shift;
    uint64_t changes = (uint64_t)(value ^ value >> 1) << 1 | 1;
    return result(cpu, word, (uint64_t)__builtin_clzll(changes) - shift);
}

/* Reverses the bytes of each halfword. */
EXEC(rev16_int_aarch64_instrs_integer_arithmetic_rev) {
    uint64_t value = x_get(cpu, field(word, 5, 5)), low = 0x00ff00ff00ff00ffull;
    return result(cpu, word, (value & low) << 8 | (value >> 8 & low));
}

/* Reverses the bytes of each word of Xn. */
EXEC(rev32_int_aarch64_instrs_integer_arithmetic_rev) {
    uint64_t value = __builtin_bswap64(x_get(cpu, field(word, 5, 5)));
    return result(cpu, word, value << 32 | value >> 32);
}

/* The reflected CRC of size bytes, one bit at a time; polynomial is given reflected. */
static uint32_t crc(uint32_t sum, uint64_t value, unsigned size, uint32_t polynomial) {
    for (unsigned i = 0; i < 8 * size; i++, value >>= 1)
        sum = sum >> 1 ^ ((sum ^ value) & 1 ? polynomial : 0);
    return sum;
}

static enum outcome crc_step(struct cpu *cpu, uint32_t word, uint32_t polynomial) {
    unsigned sz = field(word, 10, 2);
    if (is_64(word) != (sz == 3)) return undefined(cpu);
    uint32_t sum = (uint32_t)x_get(cpu, field(word, 5, 5));
    w_set(cpu, field(word, 0, 5), crc(sum, x_get(cpu, field(word, 16, 5)), 1u << sz, polynomial));
    return NEXT;
}

EXEC(crc32_aarch64_instrs_integer_crc) { return crc_step(cpu, word, 0xedb88320); }
EXEC(crc32c_aarch64_instrs_integer_crc) { return crc_step(cpu, word, 0x82f63b78); }

/* CCMN: the flags of an addition if the condition holds, else those given. */
static enum outcome compare_negative_if(struct cpu *cpu, uint32_t word, uint64_t y) {
    uint64_t x = x_get(cpu, field(word, 5, 5));
    unsigned added = is_64(word) ? flags_of_add(x, y) : flags_of_add(x << 32, y << 32);
    flags_set(cpu, condition_holds(cpu, field(word, 12, 4)) ? added : field(word, 0, 4));
    return NEXT;
}

EXEC(ccmn_imm_aarch64_instrs_integer_conditional_compare_immediate) {
    return compare_negative_if(cpu, word, field(word, 16, 5));
}
EXEC(ccmn_reg_aarch64_instrs_integer_conditional_compare_register) {
    return compare_negative_if(cpu, word, x_get(cpu, field(word, 16, 5)));
}
