/* Traps of floating point and of capabilities: CPACR_EL1, CPTR_EL2 and CPTR_EL3. */
#include "exec.h"
#include "fault.h"

enum { EL0, EL1, EL2, EL3, OPEN };
enum { HCR_TGE = 27, HCR_E2H = 34 };
enum { ESR_FP = 0x07u << 26 | 1 << 25 | 0x1e << 20, ESR_CAPS = 0x29u << 26 | 1 << 25 };

static uint64_t word(struct cpu *cpu, unsigned name) { return cpu->sys.word[name]; }
static bool hcr(struct cpu *cpu, unsigned bit) { return word(cpu, SYS_HCR_EL2) >> bit & 1; }

/* Two bits as CPACR_EL1 has them: x0 closes both ELs, 01 closes EL0. */
static bool closed(uint64_t control, unsigned lsb, bool at_el0) {
    unsigned bits = control >> lsb & 3;
    return !(bits & 1) || (bits == 1 && at_el0);
}

/* The EL that stops the use of a register file, or OPEN. cpacr: lsb of its field in CPACR_EL1 (and in
 * CPTR_EL2 while E2H); cptr: its bit in CPTR_EL2. */
static unsigned gate(struct cpu *cpu, unsigned cpacr, unsigned cptr, bool closed_by_el3) {
    unsigned el = cpu_el(cpu);
    bool host = el2_enabled(cpu) && hcr(cpu, HCR_E2H) && hcr(cpu, HCR_TGE);
    uint64_t cptr_el2 = word(cpu, SYS_CPTR_EL2);
    if (el <= EL1 && !host && closed(word(cpu, SYS_CPACR_EL1), cpacr, el == EL0)) return EL1;
    if (el <= EL2 && el2_enabled(cpu)) {
        bool to_el2 = hcr(cpu, HCR_E2H) ? closed(cptr_el2, cpacr, el == EL0 && hcr(cpu, HCR_TGE))
                                        : cptr_el2 >> cptr & 1;
        if (to_el2) return EL2;
    }
    return closed_by_el3 ? EL3 : OPEN;
}

static unsigned caps_gate(struct cpu *cpu) { return gate(cpu, 18, 9, !(word(cpu, SYS_CPTR_EL3) >> 9 & 1)); }

bool caps_closed(struct cpu *cpu) { return caps_gate(cpu) != OPEN; }

bool caps_enabled(struct cpu *cpu) {
    unsigned target = caps_gate(cpu);
    if (target == OPEN) return true;
    if (target == EL1 && el2_enabled(cpu) && hcr(cpu, HCR_TGE)) target = EL2;
    trap_to(cpu, target, ESR_CAPS);
    return false;
}

static unsigned fp_gate(struct cpu *cpu) { return gate(cpu, 20, 10, word(cpu, SYS_CPTR_EL3) >> 10 & 1); }

bool fp_closed(struct cpu *cpu) { return fp_gate(cpu) != OPEN; }

bool fp_enabled(struct cpu *cpu) {
    if (cpu->mode == EMU_MODE_USER) return true; /* its modelled kernel keeps it open */
    unsigned target = fp_gate(cpu);
    if (target == OPEN) return true;
    bool to_host = target == EL1 && el2_enabled(cpu) && hcr(cpu, HCR_TGE);
    trap_to(cpu, to_host ? EL2 : target, to_host ? (uint32_t)1 << 25 : (uint32_t)ESR_FP);
    return false;
}
