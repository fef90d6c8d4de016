/* Memory, stops and exact ticks of the machine. */
#include "check.h"
#include "guest.h"

/* ---- memory -------------------------------------------------------------------------------------------- */

static void test_regions(void) {
    struct emu *e = emu_new();
    struct emu_region r[8];
    CHECK(emu_map(e, 0x1000, 0x3000, EMU_PROT_R) == 0);
    CHECK(emu_map(e, 0x4000, 0x1000, EMU_PROT_R) == 0);
    CHECK(emu_regions(e, r, 8) == 1 && r[0].address == 0x1000 && r[0].size == 0x4000);
    CHECK(emu_protect(e, 0x2000, 0x1000, EMU_PROT_W) == 0);
    CHECK(emu_regions(e, r, 8) == 3 && r[1].prot == EMU_PROT_W && r[2].address == 0x3000);
    CHECK(emu_unmap(e, 0x2000, 0x2000) == 0);
    CHECK(emu_regions(e, r, 8) == 2 && r[1].address == 0x4000);
    CHECK(emu_protect(e, 0x1000, 0x4000, EMU_PROT_R) == -1);
    CHECK(emu_map(e, 0x1001, 0x1000, EMU_PROT_R) == -1);
    CHECK(emu_map(e, 0, (uint64_t)1 << 49, EMU_PROT_R) == -1);
    CHECK(emu_mapped(e, 0x1800, 0x10000) == 0x800);
    CHECK(emu_mapped(e, 0x5000, 16) == 0);
    emu_free(e);
}

static void test_a_terabyte_costs_nothing(void) {
    struct emu *e = emu_new();
    uint8_t byte = 1;
    CHECK(emu_map(e, 0, (uint64_t)1 << 40, EMU_PROT_R | EMU_PROT_W) == 0);
    CHECK(emu_read(e, 0x123456789, &byte, 1) == 1 && byte == 0);
    byte = 7;
    CHECK(emu_write(e, ((uint64_t)1 << 40) - 1, &byte, 1) == 1);
    CHECK(emu_unmap(e, 0, (uint64_t)1 << 40) == 0);
    CHECK(emu_read(e, 0, &byte, 1) == 0);
    emu_free(e);
}

static void test_a_write_clears_the_tags_it_touches(void) {
    struct emu *e = emu_new();
    uint8_t tags[4], byte[2] = {1, 2};
    emu_map(e, 0, 0x2000, EMU_PROT_R | EMU_PROT_W);
    for (uint64_t at = 0xff0 - 32; at < 0x1010; at += 16)
        CHECK(emu_write_cap(e, at, (struct emu_cap){1, 2, 1}) == 0);
    CHECK(emu_write(e, 0xfff, byte, 2) == 2);
    CHECK(emu_read_tags(e, 0xfe0, tags, 3) == 3);
    CHECK(tags[0] == 1 && tags[1] == 0 && tags[2] == 0);
    CHECK(emu_write_cap(e, 0x8, (struct emu_cap){0, 0, 1}) == -1);
    CHECK(emu_write(e, 0x1fff, byte, 2) == 1);
    emu_free(e);
}

static void test_mapping_again_gives_zeros(void) {
    struct emu *e = emu_new();
    uint64_t word = 5;
    emu_map(e, 0, 0x1000, EMU_PROT_R);
    emu_write_cap(e, 0, (struct emu_cap){5, 5, 1});
    emu_map(e, 0, 0x1000, EMU_PROT_R);
    uint8_t tag = 9;
    CHECK(emu_read(e, 0, &word, 8) == 8 && word == 0);
    CHECK(emu_read_tags(e, 0, &tag, 1) == 1 && tag == 0);
    emu_free(e);
}

/* ---- ticks and stops ----------------------------------------------------------------------------------- */

static void code(struct guest g, uint64_t at, const uint32_t *words, size_t count) {
    emu_write(g.emu, at, words, count * 4);
}
#define CODE_AT(g, at, ...)                                                                                  \
    do {                                                                                                     \
        const uint32_t words_[] = {__VA_ARGS__};                                                             \
        code(g, at, words_, sizeof words_ / 4);                                                              \
    } while (0)

/* A loop over two pages with calls, loads and stores. */
static struct guest busy_guest(void) {
    struct guest g = guest_new();
    CODE_AT(g, CODE, ADD_X0_1, STR_X0_X2, bl(1023), LDR_X3_X2, SUBS_X1_1, b_ne(-5), b(-6));
    CODE_AT(g, CODE + 0x1000 + 4, ADD_X0_1, RET);
    CODE_AT(g, CODE + 0xffc + 12, ADD_X0_1, ADD_X0_1, RET);
    guest_set_x(g, 1, 1000);
    guest_set_x(g, 2, AREA + 4);
    return g;
}

static void digest(struct guest g, uint8_t out[32]) { emu_digest(g.emu, out); }

static void test_budgets_are_exact(void) {
    enum { TICKS = 30000 };
    uint8_t whole[32], part[32];
    struct guest one = busy_guest();
    CHECK(guest_run(one, TICKS).kind == EMU_STOP_BUDGET && emu_ticks(one.emu) == TICKS);
    digest(one, whole);
    uint64_t seed = 1;
    for (int round = 0; round < 6; round++) {
        struct guest g = busy_guest();
        if (round == 0) emu_use_step_engine(g.emu, g.thread, true);
        while (emu_ticks(g.emu) < TICKS) {
            uint64_t want = 1 + random_u64(&seed) % (round & 1 ? 10 : 9000), left = TICKS - emu_ticks(g.emu);
            uint64_t before = emu_ticks(g.emu), ticks = want < left ? want : left;
            CHECK(guest_run(g, ticks).tick == before + ticks);
        }
        digest(g, part);
        CHECK(!memcmp(whole, part, 32));
        emu_free(g.emu);
    }
    emu_free(one.emu);
}

static void test_no_ticks_is_no_run(void) {
    struct guest g = busy_guest();
    struct emu_stop s = guest_run(g, 0);
    CHECK(s.kind == EMU_STOP_BUDGET && s.tick == 0 && s.pc == CODE);
    emu_free(g.emu);
}

static void test_a_syscall_counts_and_moves_on(void) {
    struct guest g = guest_new();
    CODE_AT(g, CODE, ADD_X0_1, SVC_0);
    struct emu_stop s = guest_run(g, 10000);
    CHECK(s.kind == EMU_STOP_SYSCALL && s.tick == 2 && s.pc == CODE + 8);
    emu_free(g.emu);
}

static void test_a_fault_does_not_count(void) {
    struct guest g = guest_new();
    CODE_AT(g, CODE, ADD_X0_1, STR_X0_X2);
    guest_set_x(g, 2, 0x999000);
    struct emu_stop s = guest_run(g, 10000);
    CHECK(s.kind == EMU_STOP_FAULT && s.tick == 1 && s.pc == CODE + 4);
    CHECK(s.fault.kind == EMU_FAULT_UNMAPPED && s.fault.address == 0x999000 && s.fault.access == EMU_WRITE);
    emu_free(g.emu);
}

static void test_breakpoints(void) {
    struct guest g = busy_guest();
    CHECK(emu_break_add(g.emu, CODE + 12) == 0 && emu_break_add(g.emu, CODE + 12) == -1);
    for (uint64_t loop = 1; loop < 20; loop++) {
        struct emu_stop s = guest_run(g, 1000000);
        CHECK(s.kind == EMU_STOP_BREAKPOINT && s.pc == CODE + 12);
        CHECK(guest_x(g, 1) == 1001 - loop);
    }
    CHECK(emu_break_remove(g.emu, CODE + 12) == 0);
    CHECK(guest_run(g, 5000).kind == EMU_STOP_BUDGET);
    emu_free(g.emu);
}

static void test_watchpoints(void) {
    struct guest g = busy_guest();
    int id = emu_watch_add(g.emu, AREA + 8, 1, EMU_WATCH_WRITE);
    struct emu_stop s = guest_run(g, 100000);
    CHECK(s.kind == EMU_STOP_WATCHPOINT && s.watch == id && s.address == AREA + 4 && s.size == 8);
    CHECK(s.instruction == CODE + 4 && s.pc == CODE + 8 && s.tick == 2);
    CHECK(emu_watch_remove(g.emu, id) == 0 && emu_watch_remove(g.emu, id) == -1);
    id = emu_watch_add(g.emu, AREA, 16, EMU_WATCH_TAG);
    CHECK(guest_run(g, 100).kind == EMU_STOP_BUDGET);
    emu_write_cap(g.emu, AREA, (struct emu_cap){1, 2, 1});
    CHECK(guest_run(g, 100).kind == EMU_STOP_WATCHPOINT);
    CHECK(guest_run(g, 100).kind == EMU_STOP_BUDGET);
    emu_free(g.emu);
}

/* Code that writes the instruction it runs next, in its own page and slot by slot. */
static void test_self_modifying_code(void) {
    struct guest g = guest_new();
    CODE_AT(g, CODE, STR_W0_X2_POST4, NOP, NOP, SUBS_X1_1, b_ne(-4), SVC_0);
    guest_set_x(g, 0, ADD_X0_1);
    guest_set_x(g, 1, 1);
    guest_set_x(g, 2, CODE + 4);
    struct emu_stop s = guest_run(g, 100000);
    CHECK(s.kind == EMU_STOP_SYSCALL && guest_x(g, 0) == ADD_X0_1 + 1);
    emu_free(g.emu);
}

static void test_a_debuggers_write_to_code_is_seen(void) {
    struct guest g = guest_new();
    CODE_AT(g, CODE, NOP, b(-1));
    CHECK(guest_run(g, 20000).kind == EMU_STOP_BUDGET);
    CODE_AT(g, CODE, SVC_0, SVC_0);
    CHECK(guest_run(g, 20000).kind == EMU_STOP_SYSCALL);
    emu_free(g.emu);
}

static void test_protection_of_running_code(void) {
    struct guest g = guest_new();
    CODE_AT(g, CODE, NOP, b(-1));
    guest_run(g, 20000);
    emu_protect(g.emu, CODE, EMU_PAGE, EMU_PROT_R);
    struct emu_stop s = guest_run(g, 20000);
    CHECK(s.kind == EMU_STOP_FAULT && s.fault.kind == EMU_FAULT_PAGE_PERMISSION &&
          s.fault.access == EMU_FETCH);
    emu_free(g.emu);
}

static void test_straight_line_crosses_pages(void) {
    struct guest g = guest_new();
    uint32_t add = ADD_X0_1;
    for (uint64_t at = CODE; at < CODE + 3 * EMU_PAGE; at += 4) emu_write(g.emu, at, &add, 4);
    CODE_AT(g, CODE + 3 * EMU_PAGE, SVC_0);
    CHECK(guest_run(g, UINT64_MAX).kind == EMU_STOP_SYSCALL);
    CHECK(guest_x(g, 0) == 3 * 1024 && emu_ticks(g.emu) == 3 * 1024 + 1);
    emu_free(g.emu);
}

/* ---- snapshots ----------------------------------------------------------------------------------------- */

static void test_snapshots(void) {
    uint8_t before[32], after[32], again[32];
    struct guest g = busy_guest();
    guest_run(g, 12345);
    struct emu_snapshot *s = emu_save(g.emu);
    CHECK(emu_snapshot_ticks(s) == 12345);
    digest(g, before);
    guest_run(g, 9999);
    CODE_AT(g, CODE, NOP);
    digest(g, after);
    CHECK(memcmp(before, after, 32) != 0);
    for (int i = 0; i < 3; i++) {
        emu_load(g.emu, s);
        digest(g, again);
        CHECK(!memcmp(before, again, 32));
        guest_run(g, 9999);
    }
    emu_snapshot_free(s);
    digest(g, again);
    emu_free(g.emu);
    struct guest fresh = busy_guest();
    guest_run(fresh, 12345 + 9999);
    digest(fresh, after);
    CHECK(!memcmp(after, again, 32));
    emu_free(fresh.emu);
}

/* What a page of zeros costs and when it was made do not show. */
static void test_digest_sees_content_only(void) {
    uint8_t a[32], b[32];
    uint64_t zero = 0, one = 1;
    struct guest g = guest_new(), h = guest_new();
    emu_write(g.emu, AREA, &zero, 8);
    digest(g, a), digest(h, b);
    CHECK(!memcmp(a, b, 32));
    emu_write(g.emu, AREA, &one, 8);
    emu_write(g.emu, AREA + EMU_PAGE, &one, 8);
    emu_write(h.emu, AREA + EMU_PAGE, &one, 8);
    emu_write(h.emu, AREA, &one, 8);
    digest(g, a), digest(h, b);
    CHECK(!memcmp(a, b, 32));
    emu_write_cap(h.emu, AREA, (struct emu_cap){1, 0, 1});
    digest(h, b);
    CHECK(memcmp(a, b, 32) != 0);
    emu_free(g.emu), emu_free(h.emu);
}

static void test_threads_come_and_go_with_a_snapshot(void) {
    struct guest g = guest_new();
    struct emu_snapshot *s = emu_save(g.emu);
    int second = emu_thread_new(g.emu, EMU_MODE_USER);
    emu_set(g.emu, second, EMU_C0, plain_number(7));
    struct emu_snapshot *two = emu_save(g.emu);
    emu_load(g.emu, s);
    CHECK(!emu_thread_exists(g.emu, second));
    emu_load(g.emu, two);
    CHECK(emu_thread_exists(g.emu, second) && emu_get(g.emu, second, EMU_C0).lo == 7);
    emu_snapshot_free(s), emu_snapshot_free(two);
    emu_free(g.emu);
}

int main(void) {
    test_regions();
    test_a_terabyte_costs_nothing();
    test_a_write_clears_the_tags_it_touches();
    test_mapping_again_gives_zeros();
    test_budgets_are_exact();
    test_no_ticks_is_no_run();
    test_a_syscall_counts_and_moves_on();
    test_a_fault_does_not_count();
    test_breakpoints();
    test_watchpoints();
    test_self_modifying_code();
    test_a_debuggers_write_to_code_is_seen();
    test_protection_of_running_code();
    test_straight_line_crosses_pages();
    test_snapshots();
    test_digest_sees_content_only();
    test_threads_come_and_go_with_a_snapshot();
    return check_status();
}
