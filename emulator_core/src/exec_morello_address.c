/* Pages of data, and conversions between pointers and capabilities. */
#include "exec_morello.h"

/*   31 30  29 28   24 23 22            5 4    0
 *  |op|immlo | 10000 |P |    immhi      |  Rd  |   P = 0 in C64: an unsigned number of pages from the data
 * base */
EXEC(ADRDP_C_ID_C) {
    uint64_t pages = field(word, 5, 18) << 2 | field(word, 29, 2);
    struct cap base = cctlr_get(cpu) & CCTLR_ADRDPB ? c_get(cpu, 28) : ddc_get(cpu);
    c_set(cpu, rd(word), capop_adrp(base, pages << 12));
    return NEXT;
}

/* Capability to pointer: Xd is Cn relative to base; the flags say whether Cn was tagged and whether Xd is
 * zero. */
static enum outcome to_pointer(struct cpu *cpu, uint32_t word, struct cap base, uint32_t base_offset) {
    bool relative = cctlr_get(cpu) & base_offset;
    struct value_nzcv pointer = capop_cvt_to_pointer(c_get_sp(cpu, rn(word)), base, relative);
    flags_set(cpu, pointer.nzcv);
    x_set(cpu, rd(word), pointer.value);
    return NEXT;
}

EXEC(CVT_R_CC_C) {
    if (!caps_enabled(cpu)) return FAULT;
    return to_pointer(cpu, word, c_get(cpu, rm(word)), CCTLR_DDCBO);
}

EXEC(CVTD_R_C_C) {
    if (!caps_enabled(cpu)) return FAULT;
    return to_pointer(cpu, word, ddc_get(cpu), CCTLR_DDCBO);
}

EXEC(CVTP_R_C_C) {
    if (!caps_enabled(cpu)) return FAULT;
    return to_pointer(cpu, word, pcc_get(cpu), CCTLR_PCCBO);
}

/* Pointer to capability: Cd is base moved to the pointer. The Z forms make zero the null capability. */
typedef struct cap convert(struct cap base, uint64_t pointer, bool base_offset);

static enum outcome to_ddc_cap(struct cpu *cpu, uint32_t word, convert *op) {
    if (!caps_enabled(cpu)) return FAULT;
    c_set(cpu, rd(word), op(ddc_get(cpu), x_get(cpu, rn(word)), cctlr_get(cpu) & CCTLR_DDCBO));
    return NEXT;
}

static enum outcome to_pcc_cap(struct cpu *cpu, uint32_t word, convert *op) {
    if (!caps_enabled(cpu)) return FAULT;
    c_set(cpu, rd(word), op(pcc_get(cpu), x_get(cpu, rn(word)), cctlr_get(cpu) & CCTLR_PCCBO));
    return NEXT;
}

static enum outcome to_cap(struct cpu *cpu, uint32_t word, convert *op) {
    if (!caps_enabled(cpu)) return FAULT;
    struct cap base = c_get_sp(cpu, rn(word));
    c_set(cpu, rd(word), op(base, x_get(cpu, rm(word)), cctlr_get(cpu) & CCTLR_DDCBO));
    return NEXT;
}

EXEC(CVTD_C_R_C) { return to_ddc_cap(cpu, word, capop_cvt); }
EXEC(CVTDZ_C_R_C) { return to_ddc_cap(cpu, word, capop_cvtz); }
EXEC(CVTP_C_R_C) { return to_pcc_cap(cpu, word, capop_cvt); }
EXEC(CVTPZ_C_R_C) { return to_pcc_cap(cpu, word, capop_cvtz); }
EXEC(CVT_C_CR_C) { return to_cap(cpu, word, capop_cvt); }
EXEC(CVTZ_C_CR_C) { return to_cap(cpu, word, capop_cvtz); }
