/* The waist of the machine: what anything outside emulator_core/src may call.
 *
 * A machine is tagged memory and several guest threads (register contexts); run() executes one of them.
 * A tick is a retired instruction, counted exactly over all threads: an SVC, a hostcall trap and a taken
 * branch count, a faulting instruction does not. run() never calls back.
 */
#ifndef CVMDBG_EMU_H
#define CVMDBG_EMU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct emu;

enum { EMU_PAGE = 4096, EMU_GRANULE = 16 };

/* Page protection bits. */
enum { EMU_PROT_R = 1, EMU_PROT_W = 2, EMU_PROT_X = 4 };

/* Two engines that do the same: each instruction by a function of its own, or what is hot by host code made
 * of it. */
enum emu_engine { EMU_ENGINE_INTERP, EMU_ENGINE_JIT };

/* How exceptions of a thread are delivered. */
enum emu_mode {
    EMU_MODE_USER,   /* EL0 under a modelled kernel: SVC and faults stop the run */
    EMU_MODE_SYSTEM, /* bare metal from EL3: exceptions vector; a fault stops first only if caught */
};

enum emu_stop_kind {
    EMU_STOP_BUDGET,      /* max_ticks retired */
    EMU_STOP_INTERRUPT,   /* emu_interrupt() */
    EMU_STOP_SYSCALL,     /* SVC retired (user mode) */
    EMU_STOP_HOSTCALL,    /* HLT #EMU_HOSTCALL_HLT retired: the monitor's one trap */
    EMU_STOP_FAULT,       /* pc is at the instruction that did not retire */
    EMU_STOP_BREAKPOINT,  /* pc is at the breakpoint, not executed */
    EMU_STOP_WATCHPOINT,  /* the access retired */
    EMU_STOP_RING_FULL,   /* the crossing ring must be drained */
    EMU_STOP_DEVICE,      /* a store to a device page retired: address, size, value */
    EMU_STOP_UNSUPPORTED, /* an architectural instruction that this engine does not execute: its clause */
    EMU_STOP_HALT,        /* WFI with nothing to wake it, or HLT */
    EMU_STOP_ABSENT,      /* an access met an absent page: address, physical; nothing retired */
};
enum { EMU_HOSTCALL_HLT = 0xc0de };

enum emu_fault_kind {
    EMU_FAULT_NONE,
    EMU_FAULT_UNMAPPED,        /* translation fault */
    EMU_FAULT_PAGE_PERMISSION, /* the page forbids it */
    EMU_FAULT_ALIGNMENT,
    EMU_FAULT_PC_ALIGNMENT,
    EMU_FAULT_SP_ALIGNMENT,
    EMU_FAULT_CAP_TAG,
    EMU_FAULT_CAP_SEALED,
    EMU_FAULT_CAP_BOUNDS,
    EMU_FAULT_CAP_PERMISSION,
    EMU_FAULT_UNDEFINED,
    EMU_FAULT_BRK,
    EMU_FAULT_SYSTEM_ACCESS, /* a system register or instruction that the capability or EL forbids */
    EMU_FAULT_CAP_PAGE,      /* translation forbids capability loads or stores */
};
enum emu_access { EMU_FETCH, EMU_READ, EMU_WRITE, EMU_READ_CAP, EMU_WRITE_CAP };

/* Registers, one numbering for read, write, faults and effects. 129-bit ones are capabilities. */
enum emu_reg {
    EMU_C0 = 0, /* C0..C30 are 0..30: the whole register, tag included */
    EMU_CSP = 31,
    EMU_PCC = 32,
    EMU_DDC = 33,
    EMU_CTPIDR = 34,
    EMU_RCSP = 35,
    EMU_RDDC = 36,
    EMU_RCTPIDR = 37,
    EMU_CID = 38,
    EMU_CTPIDRRO = 39,
    EMU_CAP_COUNT = 40,
    EMU_NZCV = 40, /* bits 31..28, 64-bit registers from here */
    EMU_CPSR = 41, /* PSTATE as SPSR holds it, C64 at bit 26 */
    EMU_CCTLR = 42,
    EMU_FPCR = 43,
    EMU_FPSR = 44,
    EMU_EL = 45,
    EMU_V0 = 64, /* V0..V31: 128 bits */
    EMU_REG_END = 96,
};
/* Where a fault's capability stood when it was none of the above. */
enum { EMU_REG_NONE = -1 };

struct emu_cap {
    uint64_t lo, hi;
    uint8_t tag;
};

struct emu_region {
    uint64_t address, size;
    unsigned prot;
    bool device;
};

struct emu_fault {
    enum emu_fault_kind kind;
    enum emu_access access;
    uint64_t address;   /* virtual, absolute */
    uint32_t size;      /* bytes of the access */
    int reg;            /* enum emu_reg: which register's capability failed */
    struct emu_cap cap; /* that capability as the check saw it */
    uint32_t needed;    /* permission bits that the access needed */
    uint32_t esr;       /* syndrome as the architecture would report it */
    uint32_t immediate; /* of BRK */
};

struct emu_stop {
    enum emu_stop_kind kind;
    int thread;
    uint64_t tick; /* after the run */
    uint64_t pc;   /* absolute virtual address */
    struct emu_fault fault;
    int watch;        /* id of the watchpoint */
    uint64_t address; /* of the watched access; of the device access, physical; of the absent page */
    uint32_t size;
    uint64_t value;         /* device: the stored value; syscall: its immediate */
    uint64_t instruction;   /* watchpoint: pc of the access */
    enum emu_access access; /* watchpoint: what it did */
    uint32_t clause;        /* unsupported: CLAUSE_… */
};

/* One sealed-branch transfer: BLRS pair, branch through an RB/LPB/LB sentry that leaves the compartment, or a
 * failed one. */
enum emu_crossing_kind { EMU_CROSSING_PAIR, EMU_CROSSING_SENTRY, EMU_CROSSING_FAILED };
struct emu_crossing {
    uint64_t tick;
    int32_t thread;
    uint8_t kind;
    uint8_t cn, cm;                     /* register numbers in the instruction; cm 255 when it has none */
    uint8_t failed;                     /* bits of enum emu_pair_check that did not hold */
    uint64_t from, to;                  /* pc of the branch; target address */
    struct emu_cap target, paired, pcc; /* Cn, Cm as they were; PCC before */
    struct emu_cap number;              /* C14 */
    struct emu_cap result;              /* C0 */
    struct emu_cap argument[6];         /* C0..C5 */
};
enum emu_pair_check {
    EMU_PAIR_CN_TAG = 1,
    EMU_PAIR_CM_TAG = 2,
    EMU_PAIR_CN_SEALED = 4,
    EMU_PAIR_CM_SEALED = 8,
    EMU_PAIR_OTYPE = 16,
    EMU_PAIR_BSP = 32,
    EMU_PAIR_EXECUTE = 64,
    EMU_PAIR_EXECUTIVE = 128,
};

struct emu *emu_new(void);
void emu_free(struct emu *);

/* Memory. Addresses and sizes are multiples of EMU_PAGE. Untouched pages cost nothing. 0, or -1 when the
 * range is bad. */
int emu_map(struct emu *, uint64_t address, uint64_t size, unsigned prot);
int emu_unmap(struct emu *, uint64_t address, uint64_t size);
int emu_protect(struct emu *, uint64_t address, uint64_t size, unsigned prot);
int emu_map_device(struct emu *, uint64_t address, uint64_t size);
size_t emu_regions(struct emu *, struct emu_region *out, size_t capacity); /* how many there are */
/* Say of a physical range that what is not mapped of it is absent: an access stops the run instead of
 * faulting, and is made again by the next run. With absent false it faults again. No part of a snapshot. */
int emu_set_absent(struct emu *, uint64_t address, uint64_t size, bool absent);
/* A debugger's access: page protection is ignored, a data write clears tags. Bytes done; short where
 * unmapped. */
size_t emu_read(struct emu *, uint64_t address, void *out, size_t size);
size_t emu_write(struct emu *, uint64_t address, const void *in, size_t size);
uint64_t emu_mapped(struct emu *, uint64_t address,
                    uint64_t size); /* bytes from address on that are mapped */
size_t emu_read_tags(struct emu *, uint64_t address, uint8_t *out, size_t granules);
int emu_write_cap(struct emu *, uint64_t address, struct emu_cap);

/* Threads. */
int emu_thread_new(struct emu *, enum emu_mode);
void emu_thread_free(struct emu *, int thread);
bool emu_thread_exists(struct emu *, int thread);
int emu_thread_limit(struct emu *); /* above all thread numbers */
struct emu_cap emu_get(struct emu *, int thread,
                       enum emu_reg); /* 64-bit registers in lo, V registers in lo and hi */
int emu_set(struct emu *, int thread, enum emu_reg, struct emu_cap);

/* A system register by its architectural name. -1: no such name. */
int emu_get_sysreg(struct emu *, int thread, const char *name, struct emu_cap *out);
int emu_set_sysreg(struct emu *, int thread, const char *name, struct emu_cap value);

/* Is stage 1 on where the thread stands? What its regime makes of an address, permissions apart: false where
 * the tables have no answer. The thread exists; nothing changes. */
bool emu_translates(struct emu *, int thread);
bool emu_translate(struct emu *, int thread, uint64_t va, uint64_t *pa);

/* What stage 1 maps where the thread stands, by virtual address: as far as the physical side is mapped,
 * pieces that go on from each other put together. */
struct emu_mapping {
    uint64_t address, size, physical;
    unsigned prot;     /* EMU_PROT_… of the thread's privilege and of the region */
    unsigned cap_prot; /* EMU_CAP_… */
    bool device;
};
/* A load sees a tag, or faults on one (neither: it sees none); one may be stored. */
enum { EMU_CAP_LOAD = 1, EMU_CAP_LOAD_FAULT = 2, EMU_CAP_STORE = 4 };
enum { EMU_MAPPINGS_SEARCHED = 1 << 22 }; /* pages, blocks and gaps that are looked at */
/* How many there are; SIZE_MAX when the tables go on beyond what is searched. Nothing changes. */
size_t emu_mappings(struct emu *, int thread, struct emu_mapping *out, size_t capacity);

/* Running. max_ticks 0 returns at once; UINT64_MAX is no budget. */
void emu_run(struct emu *, int thread, uint64_t max_ticks, struct emu_stop *out);
void emu_interrupt(struct emu *); /* from any thread */
uint64_t emu_ticks(struct emu *);
void emu_set_ticks(struct emu *, uint64_t ticks);
/* Which engine runs at full speed; -1 where the translator is missing. */
int emu_set_engine(struct emu *, enum emu_engine);
enum emu_engine emu_engine(struct emu *);
/* What machines made from now on have; look: ticks between looks at what is hot, at first. */
int emu_set_default_engine(enum emu_engine, int64_t look);
enum emu_engine emu_default_engine(void);
uint64_t emu_translations(struct emu *);                     /* how often a page of code was translated */
const char *emu_jit_missing(void);                           /* why there is no translator here, or NULL */
void emu_use_step_engine(struct emu *, int thread, bool on); /* the reference runs the thread, slowly */

/* Step until a register differs from what it was, at most max_ticks: true, and the pc of the instruction that
 * changed it. Only the high word and the tag count with bounds. */
bool emu_run_until_changed(struct emu *, int thread, enum emu_reg, bool bounds, uint64_t max_ticks,
                           uint64_t *pc);

/* Stops. A watchpoint is a range; access is a set of the bits below. */
enum { EMU_WATCH_READ = 1, EMU_WATCH_WRITE = 2, EMU_WATCH_TAG = 4 };
int emu_break_add(struct emu *, uint64_t address);
int emu_break_remove(struct emu *, uint64_t address);
size_t emu_breakpoints(struct emu *, uint64_t *out, size_t capacity);              /* how many there are */
int emu_watch_add(struct emu *, uint64_t address, uint64_t size, unsigned access); /* id, or -1 */
int emu_watch_remove(struct emu *, int id);
size_t emu_crossings(struct emu *, struct emu_crossing *out, size_t capacity); /* drains */
/* How many crossings the ring holds before EMU_STOP_RING_FULL: 1 stops just after every crossing; 4096 at
 * first. */
void emu_set_ring_limit(struct emu *, size_t crossings);

/* Whole state: memory with tags, registers, ticks. A snapshot shares pages copy-on-write. */
struct emu_snapshot *emu_save(struct emu *);
void emu_load(struct emu *, const struct emu_snapshot *);
void emu_snapshot_free(struct emu_snapshot *);
void emu_digest(struct emu *, uint8_t out[32]);
uint64_t emu_snapshot_ticks(const struct emu_snapshot *);

/* Snapshots as values that leave the program. None of these touches a machine, so they may run beside it. */
enum { EMU_PAGE_BYTES = EMU_PAGE + EMU_PAGE / EMU_GRANULE / 8 }; /* the bytes, then a bit for each tag */
/* Pages that may differ from those of base (NULL: from zero), ascending; how many there are. */
size_t emu_snapshot_changes(const struct emu_snapshot *, const struct emu_snapshot *base, uint64_t *out,
                            size_t capacity);
void emu_snapshot_page(const struct emu_snapshot *, uint64_t address, uint8_t out[EMU_PAGE_BYTES]);
size_t emu_snapshot_regions(const struct emu_snapshot *, struct emu_region *out, size_t capacity);
/* A thread's saved state by name, all of it; false where there is no thread. */
struct emu_named {
    const char *name;
    struct emu_cap value; /* numbers in lo, vectors in lo and hi */
};
int emu_snapshot_thread_limit(const struct emu_snapshot *);
bool emu_snapshot_thread(const struct emu_snapshot *, int thread, struct emu_named *out, size_t capacity);
size_t emu_named_count(void); /* how many a thread has */

/* The way back. Mappings change what is where, and no page; -1: a bad range, an unknown name. What is not
 * named is zero. */
int emu_put_regions(struct emu *, const struct emu_region *, size_t count);
int emu_put_thread(struct emu *, int thread, const struct emu_named *, size_t count);
int emu_put_pages(struct emu *, const uint64_t *addresses, const uint8_t *in, size_t count);

/* Pages that were accessed since the last call; how many. With capacity 0 nothing is taken. on begins to
 * follow them, and costs nothing per access. */
void emu_follow_touched(struct emu *, bool on);
size_t emu_take_touched(struct emu *, uint64_t *out, size_t capacity);

#ifdef __cplusplus
}
#endif

#endif
