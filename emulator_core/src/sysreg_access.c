/* Who may touch a system register: its gates, and the traps of higher exception levels. */
#include "sysreg_rows.h"

#include <stdlib.h>

enum trap {
    TRAP_NONE,
    TRAP_VM,
    TRAP_TID1,
    TRAP_TID2,
    TRAP_TID3,
    TRAP_ACTLR,
    TRAP_CPAC,
    TRAP_DEBUG,
    TRAP_DEBUG_ROM,
    TRAP_OSLOCK,
    TRAP_ERR,
    TRAP_UCT,
    TRAP_UMA,
    TRAP_VCT,
    TRAP_PCT,
    TRAP_FRQ,
    TRAP_VT,
    TRAP_PT,
    TRAP_PS,
};
enum { EC_SYSTEM_REGISTER = 0x18, EC_CAPABILITY_REGISTER = 0x2a };

#define KEY(op0, op1, crn, crm, op2) (op0 << 14 | op1 << 11 | crn << 7 | crm << 3 | op2)
const struct sys_row sys_rows[SYS_WORD_COUNT] = {
#define REG(name, op0, op1, crn, crm, op2, read, write, gates, trap, cap)                                    \
    {KEY(op0, op1, crn, crm, op2), gates, read, write, TRAP_##trap, SYSCAP_##cap},
#include "sysreg.inc"
#undef REG
};

/* How HCR_EL2 has EL2 stand to EL0 and EL1: E2H clear (or no EL2), E2H alone, E2H and TGE. */
enum regime { GUEST = 1, HYBRID = 2, HOST = 4, ANY = 7 };
enum { AT0 = 1 << EL0, AT1 = 1 << EL1, AT2 = 1 << EL2 };

/* An access from one of els is trapped to target while (word & mask) != 0 equals set. */
struct trap_rule {
    uint8_t trap, direction, els, regimes, target;
    uint16_t reg;
    uint64_t mask;
    bool set;
};
#define BIT(n) ((uint64_t)1 << (n))
static const struct trap_rule trap_rules[] = {
    {TRAP_VM, READ, AT1, ANY, EL2, SYS_HCR_EL2, BIT(30), true},  /* TRVM */
    {TRAP_VM, WRITE, AT1, ANY, EL2, SYS_HCR_EL2, BIT(26), true}, /* TVM */
    {TRAP_TID1, BOTH, AT1, ANY, EL2, SYS_HCR_EL2, BIT(16), true},
    {TRAP_TID2, BOTH, AT1, ANY, EL2, SYS_HCR_EL2, BIT(17) | BIT(49), true}, /* TID2, TID4 */
    {TRAP_TID3, BOTH, AT1, ANY, EL2, SYS_HCR_EL2, BIT(18), true},
    {TRAP_ACTLR, BOTH, AT1, ANY, EL2, SYS_HCR_EL2, BIT(21), true}, /* TACR */
    {TRAP_CPAC, BOTH, AT1, ANY, EL2, SYS_CPTR_EL2, BIT(31), true}, /* TCPAC */
    {TRAP_CPAC, BOTH, AT1 | AT2, ANY, EL3, SYS_CPTR_EL3, BIT(31), true},
    {TRAP_DEBUG, BOTH, AT1, ANY, EL2, SYS_MDCR_EL2, BIT(8) | BIT(9), true}, /* TDE, TDA */
    {TRAP_DEBUG, BOTH, AT1 | AT2, ANY, EL3, SYS_MDCR_EL3, BIT(9), true},
    {TRAP_DEBUG_ROM, BOTH, AT1, ANY, EL2, SYS_MDCR_EL2, BIT(8) | BIT(11), true}, /* TDE, TDRA */
    {TRAP_DEBUG_ROM, BOTH, AT1 | AT2, ANY, EL3, SYS_MDCR_EL3, BIT(9), true},
    {TRAP_OSLOCK, BOTH, AT1, ANY, EL2, SYS_MDCR_EL2, BIT(8) | BIT(10), true}, /* TDE, TDOSA */
    {TRAP_OSLOCK, BOTH, AT1 | AT2, ANY, EL3, SYS_MDCR_EL3, BIT(10), true},
    {TRAP_ERR, BOTH, AT1, ANY, EL2, SYS_HCR_EL2, BIT(36), true}, /* TERR */
    {TRAP_ERR, BOTH, AT1 | AT2, ANY, EL3, SYS_SCR_EL3, BIT(15), true},
    {TRAP_UCT, BOTH, AT0, GUEST | HYBRID, EL1, SYS_SCTLR_EL1, BIT(15), false},
    {TRAP_UCT, BOTH, AT0, HOST, EL2, SYS_SCTLR_EL2, BIT(15), false},
    {TRAP_UCT, BOTH, AT0, GUEST | HYBRID, EL2, SYS_HCR_EL2, BIT(17), true}, /* TID2 */
    {TRAP_UCT, BOTH, AT1, ANY, EL2, SYS_HCR_EL2, BIT(17), true},
    {TRAP_UMA, BOTH, AT0, GUEST | HYBRID, EL1, SYS_SCTLR_EL1, BIT(9), false},
    {TRAP_UMA, BOTH, AT0, HOST, EL2, SYS_SCTLR_EL1, 0, false},
    {TRAP_VCT, BOTH, AT0, GUEST | HYBRID, EL1, SYS_CNTKCTL_EL1, BIT(1), false}, /* EL0VCTEN */
    {TRAP_VCT, BOTH, AT0, HOST, EL2, SYS_CNTHCTL_EL2, BIT(1), false},
    {TRAP_PCT, BOTH, AT0, GUEST | HYBRID, EL1, SYS_CNTKCTL_EL1, BIT(0), false}, /* EL0PCTEN */
    {TRAP_PCT, BOTH, AT0, HOST, EL2, SYS_CNTHCTL_EL2, BIT(0), false},
    {TRAP_PCT, BOTH, AT0 | AT1, GUEST, EL2, SYS_CNTHCTL_EL2, BIT(0), false}, /* EL1PCTEN */
    {TRAP_PCT, BOTH, AT0 | AT1, HYBRID, EL2, SYS_CNTHCTL_EL2, BIT(10), false},
    {TRAP_FRQ, READ, AT0, GUEST | HYBRID, EL1, SYS_CNTKCTL_EL1, BIT(0) | BIT(1), false},
    {TRAP_FRQ, READ, AT0, HOST, EL2, SYS_CNTHCTL_EL2, BIT(0) | BIT(1), false},
    {TRAP_VT, BOTH, AT0, GUEST | HYBRID, EL1, SYS_CNTKCTL_EL1, BIT(8), false}, /* EL0VTEN */
    {TRAP_VT, BOTH, AT0, HOST, EL2, SYS_CNTHCTL_EL2, BIT(8), false},
    {TRAP_PT, BOTH, AT0, GUEST | HYBRID, EL1, SYS_CNTKCTL_EL1, BIT(9), false}, /* EL0PTEN */
    {TRAP_PT, BOTH, AT0, HOST, EL2, SYS_CNTHCTL_EL2, BIT(9), false},
    {TRAP_PT, BOTH, AT0 | AT1, GUEST, EL2, SYS_CNTHCTL_EL2, BIT(1), false},   /* EL1PCEN */
    {TRAP_PT, BOTH, AT0 | AT1, HYBRID, EL2, SYS_CNTHCTL_EL2, BIT(11), false}, /* EL1PTEN */
    {TRAP_PS, BOTH, AT1, ANY, EL3, SYS_SCR_EL3, BIT(11), false},              /* ST */
};

/* ---- who may ------------------------------------------------------------------------------------------- */

static int by_key(const void *key, const void *row) {
    return (int)*(const uint16_t *)key - (int)((const struct sys_row *)row)->key;
}

const struct sys_row *sys_row_find(uint32_t word) {
    uint16_t key = 1 << 15 | field(word, 5, 15);
    return bsearch(&key, sys_rows, SYS_WORD_COUNT, sizeof *sys_rows, by_key);
}

bool el2_is_extended(struct cpu *cpu) { return cpu->sys.word[SYS_HCR_EL2] >> 34 & 1; }

bool el2_enabled(struct cpu *cpu) { return cpu->sys.word[SYS_SCR_EL3] & 1; }

unsigned el1_or_host(struct cpu *cpu) {
    return el2_enabled(cpu) && cpu->sys.word[SYS_HCR_EL2] >> 27 & 1 ? EL2 : EL1;
}

bool system_permitted(struct cpu *cpu) {
    return cap_check_permissions(pcc_get(cpu), CAP_PERM_SYSTEM | CAP_PERM_EXECUTE);
}

/* ESR of a trapped access: exception class, then
 *
 *    21 20 19  17 16  14 13  10 9   5 4    1  0
 *   | op0 | op2  | op1  | CRn  | Rt  | CRm  | is it a read | */
uint32_t system_syndrome(unsigned class, uint32_t word, bool read) {
    return class << 26 | 1u << 25 | field(word, 19, 2) << 20 | field(word, 5, 3) << 17 |
           field(word, 16, 3) << 14 | field(word, 12, 4) << 10 | field(word, 0, 5) << 5 |
           field(word, 8, 4) << 1 | read;
}

static uint32_t syndrome(unsigned class, uint32_t word, unsigned direction) {
    /* Of a capability access bit 20 is the direction; the register's op0 is 2 or 3. */
    return system_syndrome(class, word | (class == EC_CAPABILITY_REGISTER) << 20, direction == READ);
}

bool el2_hosts(struct cpu *cpu) {
    return el2_enabled(cpu) && el2_is_extended(cpu) && cpu->sys.word[SYS_HCR_EL2] >> 27 & 1;
}

static enum regime regime(struct cpu *cpu) {
    if (!el2_enabled(cpu) || !el2_is_extended(cpu)) return GUEST;
    return el2_hosts(cpu) ? HOST : HYBRID;
}

static bool trapped(struct cpu *cpu, const struct sys_row *row, unsigned direction) {
    for (size_t i = 0; i < sizeof trap_rules / sizeof *trap_rules; i++) {
        const struct trap_rule *rule = &trap_rules[i];
        if (rule->trap != row->trap || !(rule->direction & direction) || !(rule->els >> el_get(cpu) & 1))
            continue;
        if (!(rule->regimes & regime(cpu)) || (rule->target == EL2 && !el2_enabled(cpu))) continue;
        if (((cpu->sys.word[rule->reg] & rule->mask) != 0) != rule->set) continue;
        trap_to(cpu, rule->target == EL1 ? el1_or_host(cpu) : rule->target,
                syndrome(EC_SYSTEM_REGISTER, cpu->word, direction));
        return true;
    }
    return false;
}

/* UNDEFINED whatever the controls say: the EL is too low, the name does not exist here. */
static bool exists(struct cpu *cpu, const struct sys_row *row, unsigned direction) {
    unsigned lowest = direction == READ ? row->read_el : row->write_el;
    if (el_get(cpu) < lowest || lowest == NO) return false;
    if (row->gates & H && !(el2_is_extended(cpu) && (el_get(cpu) == EL2 || el2_enabled(cpu)))) return false;
    if (row->gates & Z && el_get(cpu) != EL3 && (el_get(cpu) == EL2 || el2_enabled(cpu))) return false;
    if (row->gates & P && !(cpu->pstate & PSTATE_SP)) return false;
    return !(row->gates & X) || is_executive(cpu);
}

static bool needs_system(struct cpu *cpu, const struct sys_row *row) {
    return row->gates & S || (row->gates & Z && el_get(cpu) == EL3) ||
           (row->gates & V && !(cctlr_get(cpu) & CCTLR_PERMVCT));
}

bool sys_row_allows(struct cpu *cpu, const struct sys_row *row, unsigned direction, bool capability) {
    if (!row || !exists(cpu, row, direction) || (capability ? row->cap == SYSCAP_NONE : row->gates & O)) {
        undefined(cpu);
        return false;
    }
    if (needs_system(cpu, row) && !system_permitted(cpu)) {
        system_access(cpu);
        cpu->fault.esr = capability ? syndrome(EC_CAPABILITY_REGISTER, cpu->word, direction)
                                    : syndrome(EC_SYSTEM_REGISTER, cpu->word, direction);
        return false;
    }
    if (trapped(cpu, row, direction)) return false;
    if (row->gates & F && !fp_enabled(cpu)) return false;
    return !(capability || row->gates & C) || caps_enabled(cpu);
}
