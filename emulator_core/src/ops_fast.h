/* The language of slots.h for the fast engine: six arguments in host registers, every op ends in a jump. */
#define OP(name)                                                                                             \
    void fast_##name(struct cpu *cpu, const struct slot *s, int64_t T, uint64_t cv, uint64_t fa, uint64_t fb)

#define ARGUMENTS cpu, s, T, cv, fa, fb
#define GO                                                                                                   \
    do {                                                                                                     \
        s->run(ARGUMENTS);                                                                                   \
        return;                                                                                              \
    } while (0)
#define NEXT                                                                                                 \
    do {                                                                                                     \
        s++;                                                                                                 \
        GO;                                                                                                  \
    } while (0)
#define MISS                                                                                                 \
    do {                                                                                                     \
        fast_miss(ARGUMENTS);                                                                                \
        return;                                                                                              \
    } while (0)
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)

#define WHEN(condition)                                                                                      \
    if (UNLIKELY(!(condition)))                                                                              \
        MISS;                                                                                                \
    else
#define OTHERWISE if (0)
#define FAULT_OUT MISS

#define RD    (s->rd)
#define RN    (s->rn)
#define RM    (s->rm)
#define X     (s->x)
#define IMM   ((int64_t)s->imm)
#define LO(r) (cpu->lo[r])
/* The value is there before the index of where it goes: so few host registers are live that no op has to save
 * one. */
#define SETX(r, v)                                                                                           \
    do {                                                                                                     \
        uint64_t v_ = (v);                                                                                   \
        __asm__ volatile("" : "+r"(v_) : : "memory");                                                        \
        unsigned r_ = (r);                                                                                   \
        cpu->lo[r_] = v_;                                                                                    \
        cv &= ~bit(r_);                                                                                      \
    } while (0)
#define SETW(r, v) SETX(r, (uint32_t)(v))
#define IS_CAP(r)  (cv >> (r) & 1)
#define VLO(r)     (cpu->v[r][0])
#define VHI(r)     (cpu->v[r][1])
#define SETV(r, l, h)                                                                                        \
    do {                                                                                                     \
        uint64_t l_ = (l), h_ = (h);                                                                         \
        cpu->v[r][0] = l_, cpu->v[r][1] = h_;                                                                \
    } while (0)

#define BOUND(r) (cpu->top_load[r] | cpu->top_store[r])
#define WITHIN(r, v)                                                                                         \
    (IS_CAP(r) && BOUND(r) && LO(r) >= cpu->base[r] && LO(r) <= BOUND(r) && (v) >= cpu->base[r] &&           \
     (v) <= BOUND(r))
#define MOVE(d, r, v)                                                                                        \
    do {                                                                                                     \
        unsigned d_ = (d), r_ = (r);                                                                         \
        cpu->lo[d_] = (v);                                                                                   \
        cpu->hi[d_] = cpu->hi[r_];                                                                           \
        cpu->base[d_] = cpu->base[r_];                                                                       \
        cpu->top_load[d_] = cpu->top_load[r_];                                                               \
        cpu->top_store[d_] = cpu->top_store[r_];                                                             \
        cpu->tg = (cpu->tg & ~bit(d_)) | (cpu->tg >> r_ & 1) << d_;                                          \
        cv = (cv & ~bit(d_)) | (cv >> r_ & 1) << d_;                                                         \
    } while (0)
#define COPY(d, r) MOVE(d, r, cpu->lo[r_])
#define SET_CAP(r, l, h, t)                                                                                  \
    do {                                                                                                     \
        unsigned r_ = (r);                                                                                   \
        cpu->lo[r_] = (l);                                                                                   \
        cpu->hi[r_] = (h);                                                                                   \
        cpu->top_load[r_] = cpu->top_store[r_] = 0;                                                          \
        cpu->tg = (cpu->tg & ~bit(r_)) | (uint64_t)(t) << r_;                                                \
        cv |= bit(r_);                                                                                       \
    } while (0)

#define FLAGS_SUB64(a, b)                                                                                    \
    do {                                                                                                     \
        uint64_t a_ = (a), b_ = (b);                                                                         \
        fa = a_, fb = b_;                                                                                    \
        cv &= ~FLAGS_NIBBLE;                                                                                 \
    } while (0)
#define FLAGS_SUB32(a, b) FLAGS_SUB64((uint64_t)(a) << 32, (uint64_t)(b) << 32)
#define FLAGS_NZCV(n)                                                                                        \
    do {                                                                                                     \
        fb = (n);                                                                                            \
        cv |= FLAGS_NIBBLE;                                                                                  \
    } while (0)
#define HOLDS(cond) flags_hold(cond, cv, fa, fb)
#define NZCV        flags_nibble(cv, fa, fb)
#define PC_HERE     slot_pc(cpu->page, s)

/* Guest memory is not aligned. */
#define AT(type, address) (((struct { type v; } __attribute__((packed, may_alias)) *)(address))->v)
#define TAG_AT(a)         AT(uint8_t, e_->tags + ((a) >> 4))

/* Memory: the page's TLB entry says yes by one comparison, which an access across its end fails too. */
#define TLB_SLOT(tlb, a)                                                                                     \
    ((const struct tlb_entry *)((const char *)cpu->tlb +                                                     \
                                ((a) >> (PAGE_BITS - TLB_ENTRY_BITS) & ((TLB_SIZE - 1) << TLB_ENTRY_BITS))))
#define LAST_PAGE(a, size) (((a) + (size) - 1) & PAGE_MASK)

/* Where the page is watched: does the access stay clear of what is? Reading the tag anew and one difference
 * for two comparisons leave so few host registers live that no op has to save one. */
static inline bool is_clear(const uint64_t *tag, const struct watch_span *w, uint64_t a, uint64_t size) {
    __asm__ volatile("" : : : "memory");
    if (*tag != (LAST_PAGE(a, size) | TLB_WATCHED)) return false;
    uint64_t ahead = w->start - a;
    __asm__("" : "+r"(ahead));
    return ahead >= size && 0 - ahead >= w->size;
}
#define WATCH_DISTANCE (offsetof(struct cpu, watch_ddc) - offsetof(struct cpu, tlb_ddc))
_Static_assert(WATCH_DISTANCE == offsetof(struct cpu, watch_va) - offsetof(struct cpu, tlb_va),
               "the same for both");
#define WATCH_OF(e) ((const struct tlb_watch *)((const char *)(e) + WATCH_DISTANCE))
#define ENTRY_ALLOWS(a, size, tag)                                                                           \
    if (UNLIKELY(e_->tag != LAST_PAGE(a, size)) && !is_clear(&e_->tag, &WATCH_OF(e_)->tag, a, size)) MISS
#define ENTRY_DDC(a, size, tag, top)                                                                         \
    const struct tlb_entry *e_ = TLB_SLOT(tlb_ddc, a);                                                       \
    ENTRY_ALLOWS(a, size, tag)
#define ENTRY_VA(r, a, size, tag, top)                                                                       \
    const struct tlb_entry *e_ = TLB_SLOT(tlb_va, a);                                                        \
    if (UNLIKELY(!IS_CAP(r) || a < cpu->base[r] || a + (size) > cpu->top[r])) MISS;                          \
    ENTRY_ALLOWS(a, size, tag)
#define ENTRY_CAP(a, size, tag, top) ENTRY_VA(RN, a, size, tag, top)
#define ENTRY_PC(a, size, tag, top)  ENTRY_VA(R_PCC, a, size, tag, top)
#define ENTRY_DDCSP(a, size, tag, top)                                                                       \
    if (UNLIKELY(LO(R_SP) & cpu->sp_mask)) MISS;                                                             \
    ENTRY_DDC(a, size, tag, top)
#define ENTRY_CAPSP(a, size, tag, top)                                                                       \
    if (UNLIKELY(LO(R_SP) & cpu->sp_mask)) MISS;                                                             \
    ENTRY_VA(R_SP, a, size, tag, top)
#define CLEAR_TAGS(a, size)                                                                                  \
    do {                                                                                                     \
        TAG_AT(a) = 0;                                                                                       \
        if ((size) > 1) TAG_AT((a) + (size) - 1) = 0;                                                        \
    } while (0)

#define LOAD(type, var, VIA, address)                                                                        \
    type var;                                                                                                \
    do {                                                                                                     \
        uint64_t at_ = (address);                                                                            \
        ENTRY_##VIA(at_, sizeof(type), rtag, top_load);                                                      \
        var = AT(type, e_->host + at_);                                                                      \
    } while (0)
#define LOAD2(type, a, b, VIA, address)                                                                      \
    type a, b;                                                                                               \
    do {                                                                                                     \
        uint64_t at_ = (address);                                                                            \
        ENTRY_##VIA(at_, 2 * sizeof(type), rtag, top_load);                                                  \
        a = AT(type, e_->host + at_);                                                                        \
        b = AT(type, e_->host + at_ + sizeof(type));                                                         \
    } while (0)
#define STORE(type, value, VIA, address)                                                                     \
    do {                                                                                                     \
        uint64_t at_ = (address);                                                                            \
        ENTRY_##VIA(at_, sizeof(type), wtag, top_store);                                                     \
        AT(type, e_->host + at_) = (type)(value);                                                            \
        CLEAR_TAGS(at_, sizeof(type));                                                                       \
    } while (0)
#define STORE2(type, a, b, VIA, address)                                                                     \
    do {                                                                                                     \
        uint64_t at_ = (address);                                                                            \
        ENTRY_##VIA(at_, 2 * sizeof(type), wtag, top_store);                                                 \
        AT(type, e_->host + at_) = (type)(a);                                                                \
        AT(type, e_->host + at_ + sizeof(type)) = (type)(b);                                                 \
        CLEAR_TAGS(at_, 2 * sizeof(type));                                                                   \
    } while (0)

/* Capabilities. What a load squashes and a store demands besides is the authority's: register A. */
#define AUTHORITY_DDC       R_DDC
#define AUTHORITY_DDCSP     R_DDC
#define AUTHORITY_CAP       RN
#define AUTHORITY_CAPSP     R_SP
#define AUTHORITY_PC        R_PCC
#define HAS_PERMS(r, perms) (((uint64_t)(perms) << 46 & ~cpu->hi[r]) == 0)
/* A tagged capability in register r that is not Global needs StoreLocal too. */
#define STORE_NEEDS(r) (CAP_PERM_STORE_CAP | (cpu->hi[r] >> 46 & CAP_PERM_GLOBAL ? 0 : CAP_PERM_STORE_LOCAL))
#define LOAD_CAP(l, h, t, VIA, address)                                                                      \
    uint64_t l, h;                                                                                           \
    uint8_t t;                                                                                               \
    do {                                                                                                     \
        uint64_t at_ = (address);                                                                            \
        ENTRY_##VIA(at_, 16, rtag, top_load);                                                                \
        if (UNLIKELY(at_ & 15)) MISS;                                                                        \
        l = AT(uint64_t, e_->host + at_);                                                                    \
        h = AT(uint64_t, e_->host + at_ + 8);                                                                \
        t = TAG_AT(at_);                                                                                     \
        if (t && UNLIKELY(!HAS_PERMS(AUTHORITY_##VIA, CAP_PERM_LOAD_CAP | CAP_PERM_MUTABLE_LOAD))) MISS;     \
    } while (0)
#define STORE_CAP(r, VIA, address)                                                                           \
    do {                                                                                                     \
        uint64_t at_ = (address);                                                                            \
        unsigned c_ = (r);                                                                                   \
        ENTRY_##VIA(at_, 16, wtag, top_store);                                                               \
        uint64_t whole_ = IS_CAP(c_), tag_ = whole_ & cpu->tg >> c_;                                         \
        if (UNLIKELY(at_ & 15)) MISS;                                                                        \
        if (tag_ && UNLIKELY(!HAS_PERMS(AUTHORITY_##VIA, STORE_NEEDS(c_)))) MISS;                            \
        AT(uint64_t, e_->host + at_) = cpu->lo[c_];                                                          \
        AT(uint64_t, e_->host + at_ + 8) = whole_ ? cpu->hi[c_] : 0;                                         \
        TAG_AT(at_) = (uint8_t)tag_;                                                                         \
    } while (0)

#define LOAD_CAP2(l, h, t, l2, h2, t2, VIA, address)                                                         \
    uint64_t l, h, l2, h2;                                                                                   \
    uint8_t t, t2;                                                                                           \
    do {                                                                                                     \
        uint64_t at_ = (address);                                                                            \
        ENTRY_##VIA(at_, 32, rtag, top_load);                                                                \
        if (UNLIKELY(at_ & 15)) MISS;                                                                        \
        l = AT(uint64_t, e_->host + at_), h = AT(uint64_t, e_->host + at_ + 8);                              \
        l2 = AT(uint64_t, e_->host + at_ + 16), h2 = AT(uint64_t, e_->host + at_ + 24);                      \
        t = TAG_AT(at_), t2 = TAG_AT(at_ + 16);                                                              \
        if ((t | t2) && UNLIKELY(!HAS_PERMS(AUTHORITY_##VIA, CAP_PERM_LOAD_CAP | CAP_PERM_MUTABLE_LOAD)))    \
            MISS;                                                                                            \
    } while (0)
#define STORE_CAP2(r, r2, VIA, address)                                                                      \
    do {                                                                                                     \
        uint64_t at_ = (address);                                                                            \
        unsigned c_ = (r), d_ = (r2);                                                                        \
        ENTRY_##VIA(at_, 32, wtag, top_store);                                                               \
        uint64_t whole_ = IS_CAP(c_), whole2_ = IS_CAP(d_);                                                  \
        uint64_t tag_ = whole_ & cpu->tg >> c_, tag2_ = whole2_ & cpu->tg >> d_;                             \
        if (UNLIKELY(at_ & 15)) MISS;                                                                        \
        if (tag_ && UNLIKELY(!HAS_PERMS(AUTHORITY_##VIA, STORE_NEEDS(c_)))) MISS;                            \
        if (tag2_ && UNLIKELY(!HAS_PERMS(AUTHORITY_##VIA, STORE_NEEDS(d_)))) MISS;                           \
        AT(uint64_t, e_->host + at_) = cpu->lo[c_];                                                          \
        AT(uint64_t, e_->host + at_ + 8) = whole_ ? cpu->hi[c_] : 0;                                         \
        AT(uint64_t, e_->host + at_ + 16) = cpu->lo[d_];                                                     \
        AT(uint64_t, e_->host + at_ + 24) = whole2_ ? cpu->hi[d_] : 0;                                       \
        TAG_AT(at_) = (uint8_t)tag_, TAG_AT(at_ + 16) = (uint8_t)tag2_;                                      \
    } while (0)

#define FAR_READY(target)  far_ready(cpu, target)
#define BRANCH_REGISTER(x) (void)(x)
static inline const struct code_entry *far_entry(const struct cpu *cpu, uint64_t to) {
    return &cpu->code[to >> PAGE_BITS & (CODE_CACHE_SIZE - 1)];
}
static inline bool far_ready(const struct cpu *cpu, uint64_t to) {
    const struct code_entry *c = far_entry(cpu, to);
    return c->key == ((to & ~(uint64_t)CODE_KEY_DROPS) | cpu->c64_key) && c->base == cpu->base[R_PCC] &&
           c->top == cpu->pcc_top;
}

/* A taken branch adds the tick that going straight would have left to the slot's index, and looks at the
 * budget. */
#define TAKEN                                                                                                \
    do {                                                                                                     \
        if (UNLIKELY(T > atomic_load_explicit(&cpu->soft, memory_order_relaxed))) {                          \
            fast_leave(ARGUMENTS);                                                                           \
            return;                                                                                          \
        }                                                                                                    \
        GO;                                                                                                  \
    } while (0)
#define BRANCH_NEAR(slots)                                                                                   \
    do {                                                                                                     \
        int64_t by_ = (slots);                                                                               \
        s += by_;                                                                                            \
        T += 1 - by_;                                                                                        \
        TAKEN;                                                                                               \
    } while (0)
#define BRANCH_FAR(target) BRANCH_BEHIND(target, 1)
/* retired: does the op that goes there count as an instruction? */
#define BRANCH_BEHIND(target, retired)                                                                       \
    do {                                                                                                     \
        uint64_t to_ = (target);                                                                             \
        if (UNLIKELY(!far_ready(cpu, to_))) MISS;                                                            \
        struct code_page *page_ = far_entry(cpu, to_)->page;                                                 \
        unsigned index_ = to_ >> 2 & (PAGE_SLOTS - 1);                                                       \
        T += (s - cpu->page->slot) + (retired) - index_;                                                     \
        cpu->page = page_;                                                                                   \
        s = &page_->slot[index_];                                                                            \
        TAKEN;                                                                                               \
    } while (0)
