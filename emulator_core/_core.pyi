"""The C core: capabilities, instructions, the machine. Types only; the code is src/ and binding/.

Addresses are absolute virtual addresses. A capability register's value is one 129-bit integer:
tag << 128 | high word << 64 | low word; NZCV to EL are 64-bit, V registers 128-bit integers.
"""

import enum
from collections.abc import Sequence
from typing import final

# ---- machine ---------------------------------------------------------------------------------------------

PAGE: int
"""Bytes of a page; mappings are multiples of it."""
GRANULE: int
"""Bytes that share one tag."""
HOSTCALL_HLT: int
"""The immediate of the HLT that stops with StopKind.HOSTCALL."""

class Prot(enum.IntFlag):
    R = 1
    W = 2
    X = 4

class CapProt(enum.IntFlag):
    """What a page's descriptor lets tags do: a load sees one, or faults on one (neither: it sees none); a store."""

    LOAD = 1
    LOAD_FAULT = 2
    STORE = 4

class Watch(enum.IntFlag):
    READ = 1
    WRITE = 2
    TAG = 4

class Mode(enum.IntEnum):
    USER = 0
    SYSTEM = 1

class StopKind(enum.IntEnum):
    BUDGET = 0
    INTERRUPT = 1
    SYSCALL = 2
    HOSTCALL = 3
    FAULT = 4
    BREAKPOINT = 5
    WATCHPOINT = 6
    RING_FULL = 7
    DEVICE = 8
    UNSUPPORTED = 9
    HALT = 10
    ABSENT = 11

class FaultKind(enum.IntEnum):
    NONE = 0
    UNMAPPED = 1
    PAGE_PERMISSION = 2
    ALIGNMENT = 3
    PC_ALIGNMENT = 4
    SP_ALIGNMENT = 5
    CAP_TAG = 6
    CAP_SEALED = 7
    CAP_BOUNDS = 8
    CAP_PERMISSION = 9
    UNDEFINED = 10
    BRK = 11
    SYSTEM_ACCESS = 12
    CAP_PAGE = 13

class Access(enum.IntEnum):
    FETCH = 0
    READ = 1
    WRITE = 2
    READ_CAP = 3
    WRITE_CAP = 4

class CrossingKind(enum.IntEnum):
    PAIR = 0
    SENTRY = 1
    FAILED = 2

class PairCheck(enum.IntFlag):
    """The conditions of BLRS C29, Cn, Cm that did not hold."""

    CN_TAG = 1
    CM_TAG = 2
    CN_SEALED = 4
    CM_SEALED = 8
    OTYPE = 16
    BSP = 32
    EXECUTE = 64
    EXECUTIVE = 128

class Unmapped(Exception):
    """A debugger's access met an unmapped page; args[0] is the first address that is not mapped."""

    @property
    def address(self) -> int: ...

@final
class Fault:
    """Why an instruction did not retire."""

    @property
    def kind(self) -> FaultKind: ...
    @property
    def access(self) -> Access: ...
    @property
    def address(self) -> int:
        """Virtual address of the access (or of the instruction, for a fetch)."""
    @property
    def size(self) -> int:
        """Bytes of the access."""
    @property
    def reg(self) -> int:
        """Index in register_names() of the register whose capability failed, or -1."""
    @property
    def cap(self) -> int:
        """That capability as the check saw it (129 bits)."""
    @property
    def needed(self) -> int:
        """Permission bits that the access needed."""
    @property
    def esr(self) -> int:
        """The syndrome register's value for this fault."""
    @property
    def immediate(self) -> int:
        """The immediate of BRK."""

@final
class Stop:
    """Why and where a run ended."""

    @property
    def kind(self) -> StopKind: ...
    @property
    def thread(self) -> int: ...
    @property
    def tick(self) -> int:
        """Retired instructions of all threads, after the run."""
    @property
    def pc(self) -> int: ...
    @property
    def fault(self) -> Fault | None:
        """Present when kind is FAULT."""
    @property
    def watch(self) -> int:
        """Id of the watchpoint."""
    @property
    def address(self) -> int:
        """Address of the watched or device access; ABSENT: the page that is missing, physical."""
    @property
    def size(self) -> int: ...
    @property
    def value(self) -> int:
        """DEVICE: the value stored; SYSCALL and HALT: the instruction's immediate."""
    @property
    def instruction(self) -> int:
        """WATCHPOINT: address of the instruction that made the access."""
    @property
    def access(self) -> Access: ...
    @property
    def clause(self) -> int:
        """UNSUPPORTED: number of the clause that this engine does not execute."""

@final
class Crossing:
    """One sealed branch between compartments, or one that failed. Capabilities are 129-bit integers."""

    @property
    def tick(self) -> int: ...
    @property
    def thread(self) -> int: ...
    @property
    def kind(self) -> CrossingKind: ...
    @property
    def cn(self) -> int: ...
    @property
    def cm(self) -> int:
        """255 when the instruction has no Cm."""
    @property
    def failed(self) -> PairCheck: ...
    @property
    def origin(self) -> int:
        """Address of the branch (`from` in emu.h)."""
    @property
    def to(self) -> int:
        """Address of the target."""
    @property
    def target(self) -> int: ...
    @property
    def paired(self) -> int: ...
    @property
    def pcc(self) -> int: ...
    @property
    def number(self) -> int:
        """C14."""
    @property
    def result(self) -> int:
        """C0."""
    @property
    def argument(self) -> tuple[int, ...]:
        """C0..C5."""

@final
class Snapshot:
    """Whole state of a machine at one tick; pages are shared until written."""

    @property
    def ticks(self) -> int: ...
    def changes(self, base: Snapshot | None) -> bytes:
        """Addresses of pages that may differ from those of base (None: from zero), as 64-bit numbers."""

    def pages(self, addresses: list[int]) -> bytes:
        """4128 bytes for each page: its content, then a bit for each granule's tag."""

    def regions(self) -> list[tuple[int, int, int, bool]]: ...
    def threads(self) -> dict[int, dict[str, int]]:
        """By thread: everything that is saved and is not zero, by name."""

@final
class Machine:
    def __init__(self) -> None: ...

    # Memory. Addresses and sizes of mappings are multiples of PAGE; ValueError when a range is bad.
    def map(self, address: int, size: int, prot: int) -> None:
        """Map zeroed memory over whatever was there. Untouched pages cost nothing."""
    def unmap(self, address: int, size: int) -> None: ...
    def protect(self, address: int, size: int, prot: int) -> None: ...
    def map_device(self, address: int, size: int) -> None:
        """A range whose stores stop the run with StopKind.DEVICE and whose loads give zero."""
    def set_absent(self, address: int, size: int, absent: bool) -> None:
        """What is not mapped of a physical range is absent (or no longer): an access to it ends the run with
        StopKind.ABSENT instead of faulting, and is made again by the next run. No part of a snapshot."""
    def regions(self) -> list[tuple[int, int, int, bool]]:
        """(address, size, prot, device), sorted by address; neighbours that agree are one."""
    def read(self, address: int, size: int) -> bytes:
        """A debugger's read: protection is ignored. Raises Unmapped."""
    def write(self, address: int, content: bytes) -> None:
        """A debugger's write: protection is ignored, tags are cleared. Unmapped: nothing was written."""
    def read_tags(self, address: int, size: int) -> bytes:
        """One byte (0 or 1) for each granule that [address, address + size) touches. Raises Unmapped."""
    def read_capability(self, address: int) -> tuple[int, bool]:
        """(128-bit value, tag) of the granule at address. Raises Unmapped, ValueError if unaligned."""
    def write_capability(self, address: int, raw: int, tag: bool) -> None: ...

    # Threads.
    def add_thread(self, mode: Mode | str = ...) -> int:
        """A new register context: "user" (EL0 under a modelled kernel) or "system" (bare metal at EL3)."""
    def remove_thread(self, thread: int) -> None: ...
    def threads(self) -> list[int]: ...
    def get(self, thread: int, reg: int) -> int: ...
    def set(self, thread: int, reg: int, value: int) -> None: ...
    def registers(self, thread: int) -> tuple[int, ...]:
        """All registers at once, in the order of register_names() (unused numbers are 0)."""
    def run_call(self, thread: int, max_ticks: int) -> Stop | tuple[int, ...]:
        """As run(); a system call comes as X0 to X8 instead of a Stop."""
    def set_word(self, thread: int, reg: int, value: int) -> None:
        """Write X0 to X30 as A64 code does: the upper half and the tag go."""
    def answer(self, thread: int, value: int) -> int:
        """As set_word of X0, at a system call that is kept: FORMAT.md of sessions, "Served calls".

        1 for the first that is kept since the last take_served, 2 when they must be taken now, else 0.
        """
    def take_served(self) -> tuple[int, int, int, list[int], bytes]:
        """The calls that are kept: how many, first and last tick, their numbers each once, all as columns."""
    def words(self, thread: int) -> tuple[int, ...]:
        """X0 to X8: the arguments of a system call and its number."""
    def get_sysreg(self, thread: int, name: str) -> int:
        """A system register by its architectural name ("VBAR_EL1", "CELR_EL3", …). KeyError if unknown."""
    def set_sysreg(self, thread: int, name: str, value: int) -> None: ...
    def translates(self, thread: int) -> bool:
        """Is stage 1 of address translation on where the thread stands? False too when there is no such thread."""
    def translate(self, thread: int, address: int) -> int | None:
        """The physical address that the thread's current regime makes of a virtual one, whatever may be done there;
        None when its page tables have no answer. Changes nothing."""
    def mappings(self, thread: int) -> list[tuple[int, int, int, int, int, bool]]:
        """(address, size, physical address, protection, what capabilities may do, device) of what the thread's page
        tables map, in order of virtual addresses, as far as something is mapped behind it; nothing where they are off.

        The protection is that of the thread's exception level, the fifth number a set of CapProt.
        OverflowError when the tables go on beyond 2^22 pages, blocks and gaps.
        """

    # Running.
    def run(self, thread: int, max_ticks: int) -> Stop:
        """Execute until max_ticks retired or something stops the thread; the GIL is released.

        A breakpoint at the pc where the run starts does not stop it.
        """
    @property
    def engine(self) -> str:
        """What runs at full speed: ``interp``, or ``jit``, which makes host code of what is hot. Both do the same.

        Setting it raises ValueError for another name, and for ``jit`` with the reason where that is missing.
        """
    @engine.setter
    def engine(self, name: str) -> None: ...
    @property
    def translations(self) -> int:
        """How often a page of code was translated to host code."""
    def use_step_engine(self, thread: int, on: bool) -> None:
        """Let the reference engine run this thread: slow, the same results."""
    def run_until_changed(self, thread: int, reg: int, bounds: bool, max_ticks: int) -> tuple[bool, int]:
        """Step until a register changes (with bounds: all but its low word); whether it did, and the pc that did it."""

    def interrupt(self) -> None:
        """End a run from another thread within about a millisecond; a pending one ends the next run."""
    @property
    def ticks(self) -> int: ...
    @ticks.setter
    def ticks(self, value: int) -> None: ...

    # Stops.
    def add_breakpoint(self, address: int) -> None: ...
    def remove_breakpoint(self, address: int) -> None: ...
    def breakpoints(self) -> list[int]: ...
    def add_watchpoint(self, address: int, size: int, access: int) -> int:
        """Stop after an access of the kinds in access (Watch) to the range; returns its id."""
    def remove_watchpoint(self, watch: int) -> None: ...
    def crossings(self) -> list[Crossing]:
        """Drain the ring of crossings, oldest first."""
    def set_ring_limit(self, crossings: int) -> None:
        """How many crossings the ring holds before StopKind.RING_FULL; 1 stops just after every crossing."""

    # Whole state.
    def crossings_packed(self) -> bytes:
        """The same, drained as bytes: FORMAT.md of sessions, "Crossings"."""

    def put_regions(self, regions: list[tuple[int, int, int, bool]]) -> None:
        """Replace all mappings; pages stay as they are."""

    def put_thread(self, thread: int, values: dict[str, int]) -> None:
        """Replace a thread by what Snapshot.threads gave; what is not named is zero."""

    def put_pages(self, addresses: list[int], content: bytes) -> None: ...
    def follow_touched(self, on: bool) -> None:
        """Keep the set of pages that are accessed, or stop."""

    def take_touched(self) -> bytes:
        """Pages that were accessed since the last call, as 64-bit numbers."""

    def save(self) -> Snapshot: ...
    def load(self, snapshot: Snapshot) -> None: ...
    def digest(self) -> bytes:
        """32 bytes over memory contents, tags, mappings, all registers and ticks."""

def jit_missing() -> str | None:
    """Why there is no ``jit`` here, or None."""

def default_engine() -> str:
    """The engine that new machines have: ``jit`` where there is one, until another is set."""

def set_default_engine(name: str, look: int = 4096) -> None:
    """New machines have this engine; ``jit`` looks at what is hot every so many ticks, while something is.

    Raises ValueError as Machine.engine does.
    """

def register_names() -> Sequence[str]:
    """Names by register number: c0..c30 csp pcc ddc ctpidr rcsp rddc rctpidr cid ctpidrro, nzcv cpsr cctlr
    fpcr fpsr el, v0..v31 from 64 on; numbers that name nothing are empty strings."""

# ---- capabilities ----

@final
class Capability:
    """One Morello capability: 128 bits and a tag. A frozen value; every change returns a new one.

    Bounds are the specification's (CapGetBounds): ``base`` 64 bits, ``limit`` and ``length`` 65 bits. Values,
    offsets, increments are 64-bit numbers; a length is 0 to 2^64 (ValueError), perms are the 18 bits of
    CapGetPermissions, ``flags`` the top 8 bits of the value.
    """

    def __init__(self, bits: int = 0) -> None:
        """From 129 bits: tag, high word, low word. ValueError if it is not such a number."""

    @staticmethod
    def from_words(low: int, high: int, tag: bool = False) -> Capability: ...
    @staticmethod
    def from_bytes(content: bytes, tag: bool = False) -> Capability:
        """From a granule as it stands in memory: 16 little-endian bytes, else ValueError."""

    @staticmethod
    def null() -> Capability: ...
    @staticmethod
    def almighty() -> Capability:
        """Tagged, all permissions, all of the address space, value 0."""

    def to_bytes(self) -> bytes:
        """The 16 bytes in memory; the tag stands apart."""

    def __eq__(self, other: object) -> bool: ...
    def __hash__(self) -> int: ...
    @property
    def bits(self) -> int:
        """129 bits: tag, high word, low word."""

    @property
    def raw(self) -> int:
        """128 bits: high word, low word."""

    @property
    def low(self) -> int: ...
    @property
    def high(self) -> int: ...
    @property
    def tag(self) -> bool: ...
    @property
    def value(self) -> int: ...
    @property
    def flags(self) -> int: ...
    @property
    def base(self) -> int: ...
    @property
    def limit(self) -> int: ...
    @property
    def length(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def perms(self) -> int: ...
    @property
    def otype(self) -> int: ...
    @property
    def exponent(self) -> int: ...
    @property
    def internal_exponent(self) -> bool: ...
    @property
    def valid(self) -> bool:
        """Is the exponent one that bounds can have? (CapGetBounds' third result.)"""

    @property
    def sealed(self) -> bool: ...
    @property
    def executive(self) -> bool: ...
    @property
    def local(self) -> bool: ...
    @property
    def in_bounds(self) -> bool:
        """base <= value < limit."""

    @property
    def base_above_limit(self) -> bool: ...
    def is_range_in_bounds(self, start: int, length: int) -> bool: ...
    def is_subset_of(self, other: Capability) -> bool:
        """Bounds and permissions within the other's; tags and seals do not count (CapIsSubSetOf)."""

    def bounds_equal(self, other: Capability) -> bool: ...
    def is_representable(self, value: int) -> bool:
        """The precise rule: do the bounds stay the same with this value?"""

    def is_representable_fast(self, increment: int) -> bool:
        """The fast rule, of ADD, SUB and SCOFF."""

    def has_perms(self, mask: int) -> bool: ...
    def with_tag(self, tag: bool) -> Capability: ...
    def set_value(self, value: int) -> Capability: ...
    def add(self, increment: int) -> Capability: ...
    def set_offset(self, offset: int) -> Capability: ...
    def set_flags(self, flags: int) -> Capability:
        """``flags``: 8 bits."""

    def set_object_type(self, otype: int) -> Capability: ...
    def unseal(self) -> Capability: ...
    def clear_perms(self, mask: int) -> Capability: ...
    def set_bounds(self, length: int, exact: bool = False) -> Capability: ...
    def set_bounds_is_exact(self, length: int) -> bool:
        """Would set_bounds keep both bounds as asked, without rounding?"""

    def squash_post_load(self, base: Capability) -> Capability:
        """What a load through ``base`` leaves of this capability (CapSquashPostLoadCap)."""

# The Morello data-processing instructions on values; src/capability_ops.h says what each operand is. Flags are
# NZCV in bits 3..0.

def capop_add(cn: Capability, xm: int) -> Capability: ...
def capop_sub(cn: Capability, imm: int) -> Capability: ...
def capop_scvalue(cn: Capability, xm: int) -> Capability: ...
def capop_scoff(cn: Capability, xm: int) -> Capability: ...
def capop_cpyvalue(cn: Capability, cm: Capability) -> Capability: ...
def capop_alignd(cn: Capability, bits: int) -> Capability: ...
def capop_alignu(cn: Capability, bits: int) -> Capability: ...
def capop_adrp(base: Capability, imm: int) -> Capability: ...
def capop_scbnds(cn: Capability, xm: int) -> Capability: ...
def capop_scbndse(cn: Capability, xm: int) -> Capability: ...
def capop_rrlen(xn: int) -> int: ...
def capop_rrmask(xn: int) -> int: ...
def capop_clrperm(cn: Capability, xm: int) -> Capability: ...
def capop_clrperm_imm(cn: Capability, perm: int) -> Capability: ...
def capop_clrtag(cn: Capability) -> Capability: ...
def capop_sctag(cn: Capability, xm: int, may_set: bool) -> Capability: ...
def capop_scflgs(cn: Capability, xm: int) -> Capability: ...
def capop_bicflgs(cn: Capability, mask: int) -> Capability: ...
def capop_eorflgs(cn: Capability, mask: int) -> Capability: ...
def capop_orrflgs(cn: Capability, mask: int) -> Capability: ...
def capop_seal_imm(cn: Capability, form: int) -> Capability: ...
def capop_seal(cn: Capability, cm: Capability) -> Capability: ...
def capop_unseal(cn: Capability, cm: Capability) -> Capability: ...
def capop_cseal(cn: Capability, cm: Capability) -> tuple[Capability, int]: ...
def capop_build(cn: Capability, cm: Capability) -> Capability: ...
def capop_cpytype(cn: Capability, cm: Capability) -> Capability: ...
def capop_chkeq(cn: Capability, cm: Capability) -> int: ...
def capop_chkss(cn: Capability, cm: Capability) -> int: ...
def capop_chkssu(cn: Capability, cm: Capability) -> tuple[Capability, int]: ...
def capop_chksld(cn: Capability) -> int: ...
def capop_chktgd(cn: Capability) -> int: ...
def capop_subs(cn: Capability, cm: Capability) -> tuple[int, int]: ...
def capop_gcbase(cn: Capability) -> int: ...
def capop_gcflgs(cn: Capability) -> int: ...
def capop_gclen(cn: Capability) -> int: ...
def capop_gclim(cn: Capability) -> int: ...
def capop_gcoff(cn: Capability) -> int: ...
def capop_gcperm(cn: Capability) -> int: ...
def capop_gcseal(cn: Capability) -> int: ...
def capop_gctag(cn: Capability) -> int: ...
def capop_gctype(cn: Capability) -> int: ...
def capop_gcvalue(cn: Capability) -> int: ...
def capop_cfhi(cn: Capability) -> int: ...
def capop_cthi(cn: Capability, xm: int) -> Capability: ...
def capop_cvt_to_pointer(cn: Capability, base: Capability, base_offset: bool) -> tuple[int, int]: ...
def capop_cvt(base: Capability, xn: int, base_offset: bool) -> Capability: ...
def capop_cvtz(base: Capability, xn: int, base_offset: bool) -> Capability: ...
def cap_pair_check(target: Capability, data: Capability, restricted: bool) -> int:
    """BLRS, BRS, RETS Cn, Cm: 0 if the pair unseals, else the number of the first check that fails (enum
    cap_pair_check; emulator_core.capability.PAIR_CHECKS has the words)."""

# ---- the instruction rows ----

ISA_DIGEST: int
"""Checksum of the row files that the decoder was built from."""

def isa_row(word: int, c64: bool) -> int:
    """The row that prints a 32-bit word in a mode, by its place among all rows; -1 when none does."""

def clause_name(clause: int) -> str:
    """The name of a clause by its number, as Stop.clause has it."""

def isa_clause(word: int) -> str:
    """The specification's clause that executes a 32-bit word; "UNDEFINED" when none does."""
