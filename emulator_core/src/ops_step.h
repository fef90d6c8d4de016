/* The language of slots.h for the step engine: state in struct cpu, one op a call, every check in full. */
#define OP(name) void step_##name(struct cpu *cpu, const struct slot *s)

#define NEXT                                                                                                 \
    do {                                                                                                     \
        cpu->slot = s + 1;                                                                                   \
        return;                                                                                              \
    } while (0)
#define FAULT_OUT return

#define WHEN(condition) if (0 && (condition))
#define OTHERWISE       else

#define RD    (s->rd)
#define RN    (s->rn)
#define RM    (s->rm)
#define X     (s->x)
#define IMM   ((int64_t)s->imm)
#define LO(r) (cpu->lo[r])
#define SETX(r, v)                                                                                           \
    do {                                                                                                     \
        uint64_t v_ = (v);                                                                                   \
        reg_set_x(cpu, r, v_);                                                                               \
    } while (0)
#define SETW(r, v)          SETX(r, (uint32_t)(v))
#define IS_CAP(r)           (cpu->cv >> (r) & 1)
#define VLO(r)              (cpu->v[r][0])
#define VHI(r)              (cpu->v[r][1])
#define SETV(r, l, h)       v_set(cpu, r, (struct vector){l, h})
#define WITHIN(r, v)        step_within(cpu, r, v)
#define MOVE(d, r, v)       step_move(cpu, d, r, v)
#define COPY(d, r)          step_move(cpu, d, r, cpu->lo[r])
#define SET_CAP(r, l, h, t) reg_set(cpu, r, (struct cap){l, h, t})

#define FLAGS_SUB64(a, b) flags_set(cpu, flags_of_sub(a, b))
#define FLAGS_SUB32(a, b) FLAGS_SUB64((uint64_t)(a) << 32, (uint64_t)(b) << 32)
#define FLAGS_NZCV(n)     flags_set(cpu, n)
#define HOLDS(cond)       condition_holds(cpu, cond)
#define NZCV              flags_get(cpu)
#define PC_HERE           pc_get(cpu)

/* The authority of an access and its absolute address. */
#define VA_DDC(a)     va_by_ddc(cpu, a)
#define VA_DDCSP(a)   va_by_ddc(cpu, a)
#define VA_CAP(a)     va_by_register(cpu, RN, a)
#define VA_CAPSP(a)   va_by_register(cpu, R_SP, a)
#define VA_PC(a)      va_by_register(cpu, R_PCC, a)
#define SP_GOOD_DDC   true
#define SP_GOOD_CAP   true
#define SP_GOOD_PC    true
#define SP_GOOD_DDCSP sp_aligned(cpu, 31)
#define SP_GOOD_CAPSP sp_aligned(cpu, 31)
/* Leave behind what lets the fast engine do the same access. */
#define CACHE_DDC(va)   access_cache_ddc(cpu, va.address)
#define CACHE_DDCSP(va) access_cache_ddc(cpu, va.address)
#define CACHE_CAP(va)   bounds_cache(cpu, RN)
#define CACHE_CAPSP(va) bounds_cache(cpu, R_SP)
#define CACHE_PC(va)    (void)0

#define ACCESS(VIA, address, access)                                                                         \
    do {                                                                                                     \
        if (!SP_GOOD_##VIA) return;                                                                          \
        struct va va_ = VA_##VIA(address);                                                                   \
        if (!(access)) return;                                                                               \
        CACHE_##VIA(va_);                                                                                    \
    } while (0)
#define LOAD(type, var, VIA, address)                                                                        \
    type var;                                                                                                \
    do {                                                                                                     \
        uint64_t got_;                                                                                       \
        ACCESS(VIA, address, mem_load(cpu, va_, sizeof(type), &got_, ACCESS_PLAIN));                         \
        var = (type)got_;                                                                                    \
    } while (0)
#define LOAD2(type, a, b, VIA, address)                                                                      \
    type a, b;                                                                                               \
    do {                                                                                                     \
        uint64_t got_[2];                                                                                    \
        ACCESS(VIA, address, mem_load_pair(cpu, va_, sizeof(type), got_, ACCESS_PLAIN));                     \
        a = (type)got_[0], b = (type)got_[1];                                                                \
    } while (0)
#define STORE(type, value, VIA, address)                                                                     \
    ACCESS(VIA, address, mem_store(cpu, va_, sizeof(type), (type)(value), ACCESS_PLAIN))
#define STORE2(type, a, b, VIA, address)                                                                     \
    ACCESS(VIA, address,                                                                                     \
           mem_store_pair(cpu, va_, sizeof(type), (const uint64_t[]){(type)(a), (type)(b)}, ACCESS_PLAIN))
#define LOAD_CAP(l, h, t, VIA, address)                                                                      \
    uint64_t l, h;                                                                                           \
    uint8_t t;                                                                                               \
    do {                                                                                                     \
        struct cap got_;                                                                                     \
        ACCESS(VIA, address, mem_load_cap(cpu, va_, &got_, ACCESS_PLAIN));                                   \
        l = got_.lo, h = got_.hi, t = got_.tag;                                                              \
    } while (0)
#define STORE_CAP(r, VIA, address)                                                                           \
    ACCESS(VIA, address, mem_store_cap(cpu, va_, reg_get(cpu, r), ACCESS_PLAIN))

#define LOAD_CAP2(l, h, t, l2, h2, t2, VIA, address)                                                         \
    uint64_t l, h, l2, h2;                                                                                   \
    uint8_t t, t2;                                                                                           \
    do {                                                                                                     \
        struct cap got_[2];                                                                                  \
        ACCESS(VIA, address, mem_load_cap_pair(cpu, va_, got_, ACCESS_PLAIN));                               \
        l = got_[0].lo, h = got_[0].hi, t = got_[0].tag;                                                     \
        l2 = got_[1].lo, h2 = got_[1].hi, t2 = got_[1].tag;                                                  \
    } while (0)
#define STORE_CAP2(r, r2, VIA, address)                                                                      \
    do {                                                                                                     \
        struct cap put_[2] = {reg_get(cpu, r), reg_get(cpu, r2)};                                            \
        ACCESS(VIA, address, mem_store_cap_pair(cpu, va_, put_, ACCESS_PLAIN));                              \
    } while (0)

#define BRANCH_NEAR(slots)                                                                                   \
    do {                                                                                                     \
        int64_t by_ = (slots);                                                                               \
        cpu->slot = s + by_;                                                                                 \
        cpu->T += 1 - by_;                                                                                   \
        return;                                                                                              \
    } while (0)
#define BRANCH_FAR(target)                                                                                   \
    do {                                                                                                     \
        step_far(cpu, target);                                                                               \
        return;                                                                                              \
    } while (0)
#define FAR_READY(target) true
#define BRANCH_REGISTER(x)                                                                                   \
    do {                                                                                                     \
        step_register(cpu, x);                                                                               \
        return;                                                                                              \
    } while (0)
