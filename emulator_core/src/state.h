/* The state of a machine and of its threads.
 *
 * Saved state is what a snapshot keeps and a digest covers: memory, regions, ticks, and for each thread its
 * registers (struct thread_state, the canonical form). Everything else here is derived and can be dropped at
 * any time: cached bounds, lazy upper halves and flags, TLBs, predecoded code.
 */
#ifndef CVMDBG_STATE_H
#define CVMDBG_STATE_H

#include "capability.h"
#include "emu.h"
#include "sysreg.h"

#include <stdatomic.h>

struct cpu;
struct slot;
struct jit;

/* ---- memory -------------------------------------------------------------------------------------------- */

enum { PAGE_BITS = 12, GRANULES = EMU_PAGE / EMU_GRANULE };
#define PAGE_MASK (~(uint64_t)(EMU_PAGE - 1))

/* A page of physical memory. Shared when refs > 1, and then never written. Snapshots may be let go, or loaded
 * into another machine, in other threads: so references are atomic. */
struct frame {
    uint8_t data[EMU_PAGE];
    uint8_t tags[GRANULES]; /* 0 or 1 */
    _Atomic uint32_t refs;
};

/* Physical memory is a tree over bits 47..12 of the address, four levels of 9 bits; a missing child reads as
 * zero.
 *
 *   47      39 38      30 29      21 20      12 11       0
 *  | level 0  | level 1  | level 2  | level 3  |  offset  |    children of level 3 are frames
 *
 * A node with refs > 1 is shared with a snapshot and is copied before it changes, so saving costs one
 * reference. */
enum { NODE_BITS = 9, NODE_SIZE = 1 << NODE_BITS, NODE_LEVELS = 4, PHYSICAL_BITS = 48 };
struct node {
    _Atomic uint32_t refs;
    void *child[NODE_SIZE];
};

/* Where memory is: sorted, disjoint, neighbours differ. */
struct regions {
    struct emu_region *list;
    size_t count;
};

/* ---- the register file --------------------------------------------------------------------------------- */

/* Indices of the split arrays. The zero register reads R_ZERO and writes R_DUMP. */
enum { R_ZERO = 31, R_SP = 32, R_DUMP = 33, R_DDC = 34, R_PCC = 35, R_COUNT = 36 };

/* The bit of cv that says: the flags are the nibble fb, not the subtraction fa - fb. */
#define FLAGS_NIBBLE ((uint64_t)1 << 63)

/* PSTATE but for NZCV, where SPSR has its fields. */
enum {
    PSTATE_SP = 1 << 0,
    PSTATE_EL_LSB = 2,
    PSTATE_F = 1 << 6,
    PSTATE_I = 1 << 7,
    PSTATE_A = 1 << 8,
    PSTATE_D = 1 << 9,
    PSTATE_DAIF = 0xf << 6,
    PSTATE_SSBS = 1 << 12,
    PSTATE_IL = 1 << 20,
    PSTATE_SS = 1 << 21,
    PSTATE_PAN = 1 << 22,
    PSTATE_UAO = 1 << 23,
    PSTATE_C64 = 1 << 26,
};

/* The exclusive monitor of a thread. */
struct monitor {
    uint64_t address;
    uint32_t size; /* 0: open */
};

/* A thread's registers, canonical: what is saved, loaded and digested. No padding may differ, so it is zeroed
 * first. */
struct thread_state {
    struct cap c[32]; /* C0..C30; 31 unused */
    struct cap pcc;
    struct sysregs sys; /* banked CSP, DDC, CTPIDR and the rest */
    uint64_t v[32][2];
    struct monitor monitor;
    uint32_t pstate, nzcv, fpcr, fpsr;
    uint32_t mode; /* enum emu_mode */
    uint32_t present;
};

/* ---- derived ------------------------------------------------------------------------------------------- */

/* One page of a TLB. Tags are the page's address, or INVALID; host and tags are biased by it:
 * byte = host + address, tag = tags + (address >> 4).
 * rtag has the bit WATCHED where reads are watched, wtag where writes or tags are. wtag is invalid for shared
 * frames, pages with decoded code, and read-only pages. */
struct tlb_entry {
    uint64_t rtag, wtag;
    uintptr_t host, tags;
};
enum { TLB_BITS = 10, TLB_SIZE = 1 << TLB_BITS, TLB_ENTRY_BITS = 5, TLB_WATCHED = 1 };
_Static_assert(sizeof(struct tlb_entry) == 1 << TLB_ENTRY_BITS, "indexed by shifts");

/* Of a page with WATCHED in a tag: what an access must not touch to be done without a look at the
 * watchpoints. */
struct watch_span {
    uint64_t start, size;
};
struct tlb_watch {
    struct watch_span rtag, wtag;
};
_Static_assert(sizeof(struct tlb_watch) == sizeof(struct tlb_entry), "found at a distance from its entry");
#define TLB_INVALID UINT64_MAX

/* The way to decoded code for branches, valid for the PCC bounds that it was made under. key: page address |
 * CODE_KEY_C64. The key of a target keeps its two low bits, so a misaligned one never matches. */
enum { CODE_KEY_C64 = 4, CODE_KEY_DROPS = 0xffc };
struct code_entry {
    uint64_t key, base, top;
    struct code_page *page;
};
enum { CODE_CACHE_BITS = 10, CODE_CACHE_SIZE = 1 << CODE_CACHE_BITS };

/* Everything that one guest thread is while it runs.
 *
 * A register n is lo[n] and, only if bit n of cv is set, hi[n] and bit n of tg. Bounds are cached for
 * capabilities that were dereferenced: top_load / top_store are 0 unless the capability is tagged, unsealed
 * and has Load / Store, so a set cv bit and two comparisons are the whole check. R_DDC and R_PCC always have
 * their cv bit. */
struct cpu {
    uint64_t lo[R_COUNT];
    _Atomic int64_t soft; /* the fast engine leaves when T passes it; INT64_MIN asks for attention */
    struct code_page *page;
    uint64_t pcc_offset; /* what a branch of A64 adds to Xn: PCC.base if CCTLR.PCCBO, else 0 */
    uint64_t c64_key;    /* CODE_KEY_C64 in C64, else 0 */
    uint64_t link_seal;  /* bits of hi that CCTLR.SBL gives a link */
    uint64_t sp_mask;    /* bits of the stack pointer that must be 0 when it is a base */
    uint64_t hi[R_COUNT];
    uint64_t base[R_COUNT], top_load[R_COUNT], top_store[R_COUNT];
    uint64_t tg;
    uint64_t pcc_top; /* limit of PCC as a fetch sees it, 0 unless it may be fetched from */

    /* The fast engine's host registers while it is not running. slot is NULL when the pc in lo[R_PCC] has not
     * been entered; T is then the number of ticks. */
    const struct slot *slot;
    int64_t T;
    uint64_t cv, fa, fb;
    int64_t limit; /* tick at which the run ends */

    bool stepping; /* the step engine runs everything */
    bool event;    /* the run ends when this instruction has retired: stop says why */
    bool faulted;  /* this instruction does not retire: fault says why */
    bool absent;   /* because of a page that is absent: absent_page, physical */
    struct emu_stop stop;
    struct emu_fault fault;

    uint32_t pstate; /* PSTATE_…; its NZCV bits are clear, flags stand in cv, fa, fb */
    uint32_t fpcr, fpsr;
    enum emu_mode mode;
    enum sys_cap sp_bank, ddc_bank; /* whose values lo/hi[R_SP] and [R_DDC] hold; sys.cap of these is stale */
    uint64_t absent_page;
    unsigned fault_target; /* EL that takes it */
    unsigned faults_in_a_row;
    int64_t fault_tick;
    bool strict_alignment; /* SCTLR.A at this EL */
    bool translating;      /* stage 1 is on at this EL */
    bool caps_off;         /* CPACR or CPTR trap capability instructions at this EL */
    bool fp_off;           /* they trap floating point and vectors */
    bool stale_code;       /* the page that runs was decoded under other controls: enter it again */
    bool unprivileged;     /* the access under way is made as EL0: LDTR, STTR at EL1 */
    struct monitor monitor;
    uint64_t v[32][2];
    struct sysregs sys;

    struct emu *emu;
    int id;
    uint32_t word; /* of the clause that is running */

    struct tlb_entry
        tlb_ddc[TLB_SIZE]; /* by address relative to DDC (CCTLR.DDCBO); holds pages that DDC covers */
    struct tlb_entry tlb_va[TLB_SIZE]; /* by virtual address: for capabilities, which are checked before */
    struct tlb_watch watch_ddc[TLB_SIZE], watch_va[TLB_SIZE]; /* of the same entries */
    struct code_entry code[CODE_CACHE_SIZE];
    /* Of each of these tables, a bit for each of TABLE_PARTS where something may have been filled in. */
    uint64_t tlb_ddc_used, tlb_va_used, code_used;
};
enum { TABLE_PARTS = 64 };

/* ---- the machine --------------------------------------------------------------------------------------- */

struct watchpoint {
    int id;
    uint64_t address, size;
    unsigned access;
};

enum { RING_SIZE = 65536 };
struct ring {
    struct emu_crossing *entry; /* RING_SIZE of them, made when the first is pushed */
    size_t count, limit;        /* at limit the run stops until the ring is drained */
};

/* Pages that were accessed since the set was last taken: open addressing over page addresses, 0 where free
 * (page 0 is kept as 1). It is filled where the TLBs are, so it costs nothing per access. */
struct touched {
    uint64_t *page;
    size_t count, capacity; /* capacity is a power of two, or 0 while nobody asks */
    uint64_t last;
};

enum { MAX_THREADS = 4096, CODE_BUCKETS = 1024 };

struct emu {
    /* Saved. */
    struct node *memory;
    struct regions regions;
    uint64_t ticks;
    struct cpu **threads; /* by id; NULL where none is */
    int thread_count;

    /* A debugger's wishes; not part of a snapshot. */
    uint64_t *breakpoints; /* sorted */
    size_t breakpoint_count;
    struct regions absent; /* where an access to what is not mapped stops the run */
    struct watchpoint *watchpoints;
    size_t watchpoint_count;
    int next_watch;

    enum emu_engine engine;

    /* Derived, and results on their way out. */
    struct jit *jit;  /* made when something is hot */
    int64_t look;     /* ticks until the next look at what is hot, */
    int64_t soon;     /* and while hot code turns up; */
    unsigned looking; /* branches of this look that are left */
    uint64_t look_chance;
    uint64_t translations;
    struct code_page *code[CODE_BUCKETS]; /* by physical page */
    size_t code_count;
    struct ring ring;
    struct touched touched;
    _Atomic bool interrupt;
    _Atomic(struct cpu *) running;
};

/* ---- register file ------------------------------------------------------------------------------------- */

static inline uint64_t bit(unsigned n) { return (uint64_t)1 << n; }

static inline struct cap reg_get(const struct cpu *cpu, unsigned r) {
    bool whole = cpu->cv >> r & 1;
    return (struct cap){cpu->lo[r], whole ? cpu->hi[r] : 0, whole && (cpu->tg >> r & 1)};
}

/* Bounds are decoded when the register is first dereferenced. */
static inline void reg_set(struct cpu *cpu, unsigned r, struct cap value) {
    cpu->lo[r] = value.lo;
    cpu->hi[r] = value.hi;
    cpu->cv |= bit(r);
    cpu->tg = (cpu->tg & ~bit(r)) | (uint64_t)value.tag << r;
    cpu->top_load[r] = cpu->top_store[r] = 0;
}

static inline void reg_set_x(struct cpu *cpu, unsigned r, uint64_t value) {
    cpu->lo[r] = value;
    cpu->cv &= ~bit(r);
}

static inline unsigned cpu_el(const struct cpu *cpu) { return cpu->pstate >> PSTATE_EL_LSB & 3; }
/* Ticks before the running instruction; between instructions, ticks. */
uint64_t tick_get(const struct cpu *);

static inline bool cpu_c64(const struct cpu *cpu) { return cpu->pstate & PSTATE_C64; }

/* What follows from PSTATE, CCTLR, SCTLR, TCR, PCC or DDC: call it after any of them changed outside of
 * pcc_set and ddc_set. It selects the banks of CSP and DDC and drops what became invalid. */
void cpu_refresh(struct cpu *);
void cpu_flush(struct cpu *);     /* both TLBs and the code cache */
void cpu_flush_ddc(struct cpu *); /* the DDC-relative TLB */

void emu_thread_place(struct emu *, int id, enum emu_mode); /* a new thread with this free id */
void cpu_save(const struct cpu *, struct thread_state *);
void cpu_load(struct cpu *, const struct thread_state *);

#endif
