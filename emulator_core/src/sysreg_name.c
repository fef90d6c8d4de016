/* System registers by their architectural names: for people and tests. */
#include "exec.h"

#include <string.h>

enum { NONE = SYSCAP_NONE };
struct named {
    const char *name;
    uint16_t word;
    uint8_t cap; /* a word that is the low half of a capability */
};
static const struct named words[] = {
#define REG(name, op0, op1, crn, crm, op2, read, write, gates, trap, cap) {#name, SYS_##name, SYSCAP_##cap},
#include "sysreg.inc"
#undef REG
};

/* By enum sys_cap. */
static const char *const caps[SYSCAP_COUNT] = {
    "CSP_EL0",    "CSP_EL1",    "CSP_EL2",     "CSP_EL3",      "RCSP_EL0",   "DDC_EL0",
    "DDC_EL1",    "DDC_EL2",    "DDC_EL3",     "RDDC_EL0",     "CTPIDR_EL0", "CTPIDR_EL1",
    "CTPIDR_EL2", "CTPIDR_EL3", "RCTPIDR_EL0", "CTPIDRRO_EL0", "CID_EL0",    "CELR_EL1",
    "CELR_EL2",   "CELR_EL3",   "CVBAR_EL1",   "CVBAR_EL2",    "CVBAR_EL3",
};

static int find_cap(const char *name) {
    for (int i = 0; i < SYSCAP_COUNT; i++)
        if (!strcmp(caps[i], name)) return i;
    return -1;
}

static const struct named *find_word(const char *name) {
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (!strcmp(words[i].name, name)) return &words[i];
    return NULL;
}

/* The capability that holds the register of this name, or -1. */
static int cap_of(const char *name, const struct named **word) {
    int cap = find_cap(name);
    *word = cap < 0 ? find_word(name) : NULL;
    if (cap < 0 && *word && (*word)->cap < SYSCAP_COUNT) cap = (*word)->cap;
    return cap;
}

static struct cpu *thread_of(struct emu *emu, int thread) {
    return emu_thread_exists(emu, thread) ? emu->threads[thread] : NULL;
}

int emu_get_sysreg(struct emu *emu, int thread, const char *name, struct emu_cap *out) {
    struct cpu *cpu = thread_of(emu, thread);
    const struct named *word;
    int cap = cap_of(name, &word);
    if (!cpu || (cap < 0 && !word)) return -1;
    struct cap value = cap < 0 ? (struct cap){cpu->sys.word[word->word], 0, false} : sys_cap_get(cpu, cap);
    *out = word ? (struct emu_cap){value.lo, 0, 0} : (struct emu_cap){value.lo, value.hi, value.tag};
    return 0;
}

int emu_set_sysreg(struct emu *emu, int thread, const char *name, struct emu_cap value) {
    struct cpu *cpu = thread_of(emu, thread);
    const struct named *word;
    int cap = cap_of(name, &word);
    if (!cpu || (cap < 0 && !word)) return -1;
    if (cap < 0)
        cpu->sys.word[word->word] = value.lo;
    else
        sys_cap_set(cpu, cap,
                    word ? (struct cap){value.lo, 0, false} : (struct cap){value.lo, value.hi, value.tag});
    cpu_refresh(cpu);
    return 0;
}
