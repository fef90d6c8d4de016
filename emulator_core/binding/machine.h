// The machine as Python holds it: its members by subject are machine_memory.cpp, machine_registers.cpp,
// machine_run.cpp, machine_served.cpp and machine_state.cpp.
#pragma once

#include "served.h"
#include "values.h"

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

// What was saved of a machine; owned by Python.
struct Snapshot {
    struct emu_snapshot *state;
    explicit Snapshot(struct emu_snapshot *s) : state(s) {}
    Snapshot(const Snapshot &) = delete;
    ~Snapshot() { emu_snapshot_free(state); }

    nb::bytes changes(const Snapshot *base) const;
    nb::bytes pages(const std::vector<uint64_t> &addresses) const;
    nb::list regions() const;
    nb::dict threads() const;
};

// Owns the machine. While one thread is in run(), only interrupt() may be called from another.
class Machine {
    struct emu *emu = emu_new();
    std::atomic<bool> busy{false};
    std::vector<struct emu_crossing> drained =
        std::vector<struct emu_crossing>(256); // on their way to Python
    Served served;

    void check_thread(int thread) const;
    static void check_register(int reg);
    void check_idle() const;
    static void check_range(int result);
    void check_mapped(uint64_t address, uint64_t size) const;
    static void check_granule(uint64_t address);

  public:
    Machine() = default;
    Machine(const Machine &) = delete;
    ~Machine() { emu_free(emu); }

    void map(uint64_t address, uint64_t size, unsigned prot);
    void unmap(uint64_t address, uint64_t size);
    void protect(uint64_t address, uint64_t size, unsigned prot);
    void map_device(uint64_t address, uint64_t size);
    void set_absent(uint64_t address, uint64_t size, bool absent);
    nb::list regions() const;
    nb::bytes read(uint64_t address, size_t size) const;
    void write(uint64_t address, nb::bytes content);
    nb::bytes read_tags(uint64_t address, uint64_t size) const;
    nb::tuple read_capability(uint64_t address) const;
    void write_capability(uint64_t address, nb::int_ raw, bool tag);

    int add_thread(nb::handle mode);
    void remove_thread(int thread);
    nb::list threads() const;
    nb::int_ get(int thread, int reg) const;
    void set(int thread, int reg, nb::int_ value);
    nb::tuple registers(int thread) const;
    void set_word(int thread, int reg, uint64_t value);
    nb::tuple words(int thread) const;
    nb::int_ get_sysreg(int thread, const char *name) const;
    void set_sysreg(int thread, const char *name, nb::int_ value);
    bool translates(int thread) const;
    std::optional<uint64_t> translate(int thread, uint64_t address) const;
    nb::list mappings(int thread) const;

    struct emu_stop run(int thread, uint64_t max_ticks);
    nb::object run_call(int thread, uint64_t max_ticks);
    nb::tuple run_until_changed(int thread, int reg, bool bounds, uint64_t max_ticks);
    void interrupt();
    uint64_t ticks() const;
    void set_ticks(uint64_t ticks);
    void use_step_engine(int thread, bool on);
    const char *engine() const;
    void set_engine(const char *name);
    uint64_t translations() const;
    void add_breakpoint(uint64_t address);
    void remove_breakpoint(uint64_t address);
    nb::list breakpoints() const;
    int add_watchpoint(uint64_t address, uint64_t size, unsigned access);
    void remove_watchpoint(int id);
    void set_ring_limit(size_t crossings);
    nb::list crossings();
    nb::bytes crossings_packed();
    int answer(int thread, uint64_t value);
    nb::tuple take_served();

    void put_regions(const std::vector<std::tuple<uint64_t, uint64_t, unsigned, bool>> &list);
    void put_thread(int thread, nb::dict values);
    void put_pages(const std::vector<uint64_t> &addresses, nb::bytes content);
    void follow_touched(bool on);
    nb::bytes take_touched();
    std::unique_ptr<Snapshot> save();
    void load(const Snapshot &snapshot);
    nb::bytes digest() const;
};

using MachineClass = nb::class_<Machine>;

void bind_machine_memory(MachineClass &c);
void bind_machine_registers(MachineClass &c);
void bind_machine_run(MachineClass &c);
void bind_machine_served(MachineClass &c);
void bind_machine_state(MachineClass &c);
