"""What the debugger shows, as frozen values: one class per pane, safe to hand to another thread.

Addresses are absolute 64-bit numbers, sizes are bytes, capabilities are 129 bits (tag, high word, low word). ``None``
is "not known". Every row has a ``text``: what batch prints and what a copy of the row is.
"""

from __future__ import annotations

from dataclasses import dataclass

from cvmdbg.forms import capability_columns, hexa, minted_text, size_text, tick_text


@dataclass(frozen=True, slots=True)
class Status:
    """Where the session stands.

    ``state``: ``none`` (no guest yet), ``stop``, ``run``, ``fault``, ``wait`` (for standard input), ``exit``, ``lost``.
    ``place`` is the compartment of PCC as ``16 libos``; ``entered`` the badge and name it was entered from, or None.
    """

    session: str
    target: str
    state: str
    reason: str
    place: str
    entered: str | None
    thread: str
    tick: int | None
    exit_status: int | None = None

    @property
    def text(self) -> str:
        """One line, as the status row has it."""
        place = f"{self.place} ← {self.entered}" if self.entered else self.place
        tick = "" if self.tick is None else f"tick {tick_text(self.tick)}"
        return "  ".join(part for part in (self.state.upper(), self.reason, place, self.thread, tick) if part)


@dataclass(frozen=True, slots=True)
class MapRow:
    """A compartment (``depth`` 0) or a part of one. ``key`` is stable between snapshots, ``parent`` the key above.

    ``now`` holds the letters of what points here: P PCC, D DDC, S CSP, T CTPIDR of the selected thread.
    ``kind``: monitor, cvm, segment, heap, store, slots, slot, guard, tp, stack, module, code, gap.
    """

    key: str
    parent: str | None
    depth: int
    badge: str
    name: str
    kind: str
    flags: str
    address: int | None
    size: int | None
    now: str
    note: str
    foldable: bool
    folded: bool

    @property
    def text(self) -> str:
        """Fold mark, badge or permissions, name, address, size, letters, note."""
        fold = ("▸" if self.folded else "▾") if self.foldable else " "
        label = f"{self.badge:>2} {self.name}" if self.depth == 0 else f"{'  ' * self.depth}{self.flags} {self.name}"
        address = "" if self.address is None else hexa(self.address)
        unknown = "?" if self.depth else ""
        size = unknown if self.size is None else size_text(self.size)
        return f"{fold} {label:<30} {address:>12} {size:>6} {self.now:<4} {self.note}".rstrip()


@dataclass(frozen=True, slots=True)
class RegisterRow:
    """A register. ``value`` is whole (129 bits for capabilities); ``changed`` is 0 now, 1 the stop before, None longer.

    ``tag`` is None for integers; ``badge`` is the compartment the value points into; ``points_at`` says at what.
    """

    name: str
    kind: str
    value: int
    tag: bool | None
    badge: str
    points_at: str
    changed: int | None

    @property
    def text(self) -> str:
        """Change mark, name, tag, value, permissions, bounds, seal, badge, object."""
        mark = {0: "*", 1: "+"}.get(self.changed if self.changed is not None else -1, " ")
        body = capability_columns(self.value) if self.kind == "capability" else f"  {hexa(self.value):>16}"
        return f"{mark} {self.name:<6} {body} {self.badge:>2} {self.points_at}".rstrip()


@dataclass(frozen=True, slots=True)
class CodeRow:
    """A line of source (``kind`` source) or an instruction (``kind`` code), or bytes that are none (``data``).

    ``margin``: ``●`` an enabled breakpoint, ``○`` a disabled one, or empty. ``current`` is the PC of the running frame,
    ``selected`` the PC of the selected frame when that is another one.
    """

    kind: str
    address: int
    word: int | None = None
    mnemonic: str = ""
    operands: str = ""
    comment: str = ""
    margin: str = ""
    current: bool = False
    selected: bool = False
    line: int | None = None
    source: str = ""

    @property
    def text(self) -> str:
        """As the Code pane has it."""
        if self.kind == "source":
            return f"   {self.line:>9} {self.source}".rstrip()
        arrow = "▶" if self.current else "▷" if self.selected else " "
        word = f"{self.word:08x}" if self.word is not None else "????????" if self.kind == "data" else ""
        comment = f"  ; {self.comment}" if self.comment else ""
        head = f"{self.margin or ' '}{arrow} {hexa(self.address):>12} {word}"
        return f"{head} {self.mnemonic:<7} {self.operands}{comment}".rstrip()


@dataclass(frozen=True, slots=True)
class Code:
    """A stretch of code around a place: ``title`` names compartment, function and mode (A64, C64)."""

    title: str
    mode: str
    rows: tuple[CodeRow, ...]


@dataclass(frozen=True, slots=True)
class ThreadRow:
    """A thread with its ids in the four spaces; ``badge`` is where it runs, ``-`` stands for an unknown id."""

    number: int
    name: str
    host: str
    libos: str
    pthread: str
    state: str
    badge: str
    stack: str
    note: str
    selected: bool

    @property
    def text(self) -> str:
        """Selection, name, ids, state, compartment, stack, note."""
        mark = "▶" if self.selected else " "
        ids = f"{self.name:<6} {self.host:<7} {self.libos:<7} {self.pthread:<10}"
        return f"{mark} {ids} {self.state:<16} {self.badge:>2}  {self.stack} {self.note}".rstrip()


@dataclass(frozen=True, slots=True)
class FrameRow:
    """A frame. ``crossing`` is the line that stands above it when the frame below (younger) was entered by crossing.

    ``sure`` is False when the frame was found without CFI or a frame record.
    """

    number: int
    badge: str
    function: str
    address: int
    module: str
    source: str
    crossing: str | None
    selected: bool
    sure: bool

    @property
    def text(self) -> str:
        """Selection, number, badge, function+offset, address, module, source line."""
        mark = "▶" if self.selected else " "
        doubt = "" if self.sure else "?"
        head = f"{mark}{self.number:>3} {self.badge:>2} {self.function + doubt:<26} {hexa(self.address):>12}"
        return f"{head} {self.module} {self.source}".rstrip()


@dataclass(frozen=True, slots=True)
class LocalRow:
    """A variable of a frame; ``kind`` is ``argument`` or ``local``."""

    name: str
    type: str
    value: str
    kind: str

    @property
    def text(self) -> str:
        """``name = value``."""
        return f"{self.name} = {self.value}"


@dataclass(frozen=True, slots=True)
class BreakpointRow:
    """A logical breakpoint, watchpoint or catchpoint with its sites. ``kind`` as gdb names it."""

    number: int
    kind: str
    enabled: bool
    where: str
    badge: str
    sites: tuple[int, ...]
    condition: str
    hits: int
    ignore: int
    commands: tuple[str, ...]
    temporary: bool
    pending: str

    @property
    def text(self) -> str:
        """Number, kind, keep or del, enabled, where, sites, and what refines it."""
        keep = "del" if self.temporary else "keep"
        sites = " ".join(hexa(site) for site in self.sites) or (f"<{self.pending}>" if self.pending else "")
        extra = [f"if {self.condition}"] if self.condition else []
        extra += [f"ignore {self.ignore}"] if self.ignore else []
        extra += [f"{self.hits} hit{'s' if self.hits > 1 else ''}"] if self.hits else []
        head = f"{self.number:<3} {self.kind:<14} {keep:<4} {'y' if self.enabled else 'n'} {sites:<12}"
        return f"{head} {self.badge:>2} {self.where} {' '.join(extra)}".rstrip()


@dataclass(frozen=True, slots=True)
class MemoryRow:
    """One granule: 16 bytes from a 16-aligned address; None where nothing can be read, ``shown`` says why.

    ``tag`` None is "not read".
    """

    address: int
    content: bytes | None
    tag: bool | None
    capability: int | None
    shown: str

    @property
    def text(self) -> str:
        """Address, tag, bytes, then the capability or the text."""
        if self.content is None:
            return f"{hexa(self.address):>12}   {self.shown}"
        mark = {True: "●", False: "○", None: "?"}[self.tag]
        return f"{hexa(self.address):>12} {mark} {self.content.hex(' ', 4)}  {self.shown}"


@dataclass(frozen=True, slots=True)
class ModuleRow:
    """An ELF file in memory. ``symbols`` says what is known of it: ``dwarf``, ``symbols``, ``none``.

    ``segments`` as ``r-x``, ``needs`` the names of its libraries, ``relocations`` how many slots it has to be filled.
    """

    name: str
    base: int
    size: int
    badge: str
    path: str
    symbols: str
    state: str
    segments: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    relocations: int = 0

    @property
    def text(self) -> str:
        """Name, base, size, compartment, symbols, path, state."""
        size = size_text(self.size) if self.size else "?"
        place = f"{hexa(self.base):>12} {size:>6} {self.badge:>2}"
        return f"{self.name:<16} {place} {self.symbols:<8} {self.path} {self.state}".rstrip()


@dataclass(frozen=True, slots=True)
class ArgumentRow:
    """One argument of a call: register, name, kind (fd, pointer, string …), the value as text, what it points at."""

    register: str
    name: str
    kind: str
    value: str
    meaning: str
    captured: bytes | None = None

    @property
    def text(self) -> str:
        """Register, name, value, meaning."""
        return f"{self.register:<3} {self.name:<8} {self.value}  {self.meaning}".rstrip()


@dataclass(frozen=True, slots=True)
class TraceRow:
    """A call that crossed a boundary. ``layer`` 0 is the outermost call, inner layers follow their parent.

    ``path`` is in badges (``17→16``); ``result`` is empty while inside; ``ticks`` is what it took, None while inside.
    ``origin``, ``target`` are absolute addresses of the branch and of where it landed, None for host calls.
    """

    number: int
    layer: int
    parent: int | None
    tick: int
    thread: int
    thread_name: str
    path: str
    name: str
    call: str
    result: str
    ticks: int | None
    failed: bool
    inside: bool
    origin: int | None
    target: int | None
    arguments: tuple[ArgumentRow, ...]
    checks: str

    @property
    def text(self) -> str:
        """Mark, number, tick, thread, path, call, result, ticks inside."""
        mark = "✗" if self.failed else "▶" if self.inside else " "
        result = "▶ inside" if self.inside else self.result
        place = (self.number, self.layer, self.tick, self.thread_name, self.path)
        return trace_text(place, self.call, result, self.ticks, mark)


def trace_text(place: tuple[int, int, int, str, str], call: str, result: str, ticks: int | None, mark: str) -> str:
    """A call on one line; ``place``: its number, layer, tick, thread, path."""
    number, layer, tick, thread, path = place
    counted = f"{number:>5}" if layer == 0 else f"{'└':>{4 + layer}}"
    inside = "·" if ticks is None else tick_text(ticks)
    head = f"{mark}{counted} {tick_text(tick):>11} {thread:<5} {'  ' * layer}{path:<7}"
    return f"{head} {call:<50} {result:<12} {inside}".rstrip()


@dataclass(frozen=True, slots=True)
class PrintedRelocation:
    """A relocation that a guest's loader printed: the slot got a capability (or number) to ``value``.

    ``tag`` is what the loader found behind it, False where nothing was minted; ``points_at`` names what is there.
    """

    number: int
    module: str
    kind: str
    slot: int
    value: int
    tag: bool
    badge: str
    points_at: str
    tick: int | None

    @property
    def text(self) -> str:
        """Number, module, kind, slot ← value, what was minted, what it points at."""
        minted = "●" if self.tag else "✗ no tag: the loader spins after it"
        where = f"{hexa(self.slot):>10} ← {hexa(self.value):<10} {minted}"
        return f"{self.number:>4}  {self.module:<10} {self.kind:<8} {where} {self.badge:>2} {self.points_at}".rstrip()


@dataclass(frozen=True, slots=True)
class SummaryRow:
    """Counts and costs of one call by layer: ticks inside finished calls."""

    path: str
    name: str
    calls: int
    failed: int
    ticks: int
    average: int
    maximum: int

    @property
    def text(self) -> str:
        """As strace -c."""
        costs = f"{self.ticks:>12} {self.average:>9} {self.maximum:>9}"
        return f"{self.path:<7} {self.name:<18} {self.calls:>6} {self.failed:>6} {costs}"


@dataclass(frozen=True, slots=True)
class TimeCell:
    """A stretch of time. ``badge`` is the deepest compartment in it, ``depth`` 1 the monitor, 2 outer, 3 inner.

    ``calls``, ``loads``, ``stops`` count what happened; ``breaks`` crossings at which a breakpoint that is enabled now
    stops, reached or not; ``threads`` are ``+17/0``, ``-16/0``; ``mark`` a mark's name.
    """

    badge: str
    depth: int
    calls: int = 0
    failed: bool = False
    loads: int = 0
    threads: tuple[str, ...] = ()
    stops: int = 0
    mark: str = ""
    breaks: int = 0


@dataclass(frozen=True, slots=True)
class TimeRow:
    """The time of a run from ``begin`` to ``end`` in cells; ``first``, ``now`` and ``last`` are of the whole recording.

    ``unit`` is what positions count: ``tick``, ``line``. ``where``: ``live``, ``past``, ``diverted``. ``call`` of
    ``calls`` had begun.
    """

    unit: str
    where: str
    first: int
    now: int
    last: int
    begin: int
    end: int
    cells: tuple[TimeCell, ...]
    marks: tuple[tuple[int, str], ...]
    call: int
    calls: int

    @property
    def share(self) -> float:
        """How much of the recording lies before now, 0 … 1."""
        return (self.now - self.first) / max(1, self.last - self.first)

    @property
    def text(self) -> str:
        """Where it stands."""
        return f"{self.unit} {tick_text(self.now)} of {tick_text(self.last)}  {100 * self.share:.1f}%  {self.where}"


@dataclass(frozen=True, slots=True)
class MarkRow:
    """A named moment; ``share`` is how much of the recording lies before it; ``here``: the target stands at it."""

    name: str
    tick: int
    share: float
    note: str
    here: bool

    @property
    def text(self) -> str:
        """Where it is, name, tick, share, note."""
        sign = "▶" if self.here else " "
        return f"{sign} {self.name:<12} {tick_text(self.tick):>15} {100 * self.share:>5.1f}%  {self.note}".rstrip()


@dataclass(frozen=True, slots=True)
class OutputRow:
    """A line of the console. ``source``: guest, monitor, debugger, prompt. ``whole`` is False while no newline came.

    ``line`` has its tabs spread, for a pane; ``printed`` keeps them.
    """

    tick: int | None
    thread: int
    badge: str
    source: str
    line: str
    whole: bool = True
    printed: str = ""

    @property
    def text(self) -> str:
        """The line, as printed."""
        return self.printed or self.line


@dataclass(frozen=True, slots=True)
class Bar:
    """A level of the capability inspector: a range drawn to scale inside the level above."""

    name: str
    address: int
    limit: int
    note: str


@dataclass(frozen=True, slots=True)
class Inspection:
    """All of one capability. ``bars`` go from the compartment inward to the bounds; ``facts`` are labelled lines."""

    title: str
    value: int
    bars: tuple[Bar, ...]
    facts: tuple[tuple[str, str], ...]

    @property
    def lines(self) -> tuple[str, ...]:
        """The plain text of it."""
        bars = [f" {bar.name:<14} {hexa(bar.address):>12}-{hexa(bar.limit)} {bar.note}".rstrip() for bar in self.bars]
        return (self.title, *bars, *(f" {label:<12} {text}" for label, text in self.facts))


@dataclass(frozen=True, slots=True)
class Check:
    """One condition that an instruction asks, and whether it held: ``holds`` None means it was not asked."""

    name: str
    register: str
    holds: bool | None
    found: str

    @property
    def text(self) -> str:
        """Register, condition, outcome."""
        mark = {True: "✓", False: "✗", None: "·"}[self.holds]
        return f"   {self.register:<4} {self.name:<24} {mark} {self.found}".rstrip()


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why the guest stopped. ``kind``, ``register``, ``capability``, ``function`` are the facts tests compare.

    ``address`` is the faulting address, ``pc`` the instruction that stopped; ``cause`` the instruction that made it
    so when that is another one; the offsets count from their functions. ``failed_checks`` are those of a BLRS, by the
    target's names; ``immediate`` is a BRK's. ``basis`` says what the sentences rest on: ``recorded``, ``derived`` or
    ``guess``.
    """

    title: str
    kind: str
    access: str
    address: int | None
    size: int | None
    pc: int
    function: str
    compartment: str
    register: str | None
    capability: int | None
    cause: int | None
    cause_function: str
    sentences: tuple[str, ...]
    checks: tuple[Check, ...]
    next: tuple[str, ...]
    basis: str
    failed_checks: tuple[str, ...] = ()
    immediate: int | None = None
    offset: int = 0
    cause_offset: int | None = None

    @property
    def lines(self) -> tuple[str, ...]:
        """The plain text of it."""
        after = ("Next  " + "   ".join(self.next),) if self.next else ()
        return (self.title, *self.sentences, *(check.text for check in self.checks), *after)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A completion: what replaces the word before the cursor, what kind of thing it is, and one line about it."""

    text: str
    kind: str
    about: str = ""


@dataclass(frozen=True, slots=True)
class DisplayRow:
    """An expression shown at every stop."""

    number: int
    expression: str
    value: str

    @property
    def text(self) -> str:
        """``number: expression = value``, as gdb."""
        return f"{self.number}: {self.expression} = {self.value}"


@dataclass(frozen=True, slots=True)
class RelocationRow:
    """One relocation: the slot that it fills, and what stands there now.

    ``value`` is the address that the slot holds or is to hold; ``minted`` the 129 bits of the slot when it is a
    capability that has been made, else None. ``state``: done, expected, lazy (bound at its first call), failed.
    ``provider`` is the module that has the symbol, with its badge; ``note`` says why it failed, or what is wide.
    ``filled`` is the tick of the write that filled it, where that was asked for and is recorded.
    """

    number: int
    module: str
    badge: str
    kind: str
    slot: int
    value: int | None
    minted: int | None
    symbol: str
    provider: str
    state: str
    note: str
    filled: int | None = None

    @property
    def text(self) -> str:
        """Number, module, type, slot ← value, what was minted, symbol and its provider, state."""
        value = "" if self.value is None else hexa(self.value)
        made = minted_text(self.minted) if self.minted is not None else ""
        mark = {"done": "✓", "failed": "✗"}.get(self.state, "·")
        head = f"{mark}{self.number:>5} {self.module:<14} {self.kind:<10} {hexa(self.slot):>12} ← {value:<12}"
        state = "" if self.state == "done" else self.state
        when = "" if self.filled is None else f"tick {self.filled:,}"
        tail = " ".join(part for part in (self.symbol, self.provider, state, self.note, when) if part)
        return f"{head} {made:<28} {tail}".rstrip()


@dataclass(frozen=True, slots=True)
class LoadRow:
    """A step of loading: ``kind`` open, tried, read, map, needs, relocate, init, jump; ``tick`` None when not traced.

    ``call`` is the number of the call that did it, 0 for none; ``state``: done, failed, now, expected.
    """

    kind: str
    module: str
    badge: str
    what: str
    state: str
    tick: int | None = None
    call: int = 0
    address: int | None = None

    @property
    def text(self) -> str:
        """Mark, tick, module, kind, what."""
        mark = {"done": "✓", "failed": "✗", "now": "▶"}.get(self.state, "·")
        tick = "" if self.tick is None else tick_text(self.tick)
        return f"{mark} {tick:>11} {self.badge:>2} {self.module:<14} {self.kind:<9} {self.what}".rstrip()
