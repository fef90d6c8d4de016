"""The story that a log tells, line by line: each known line changes what is known."""

from __future__ import annotations

from collections.abc import Callable

from cvmdbg.guests.intravisor.imported.forms import Values
from cvmdbg.guests.intravisor.imported.known import (
    MONITOR,
    NULL,
    CvmTold,
    Entering,
    ModuleTold,
    RelocationTold,
    Segment,
    ThreadTold,
)
from cvmdbg.guests.intravisor.imported.text import Line
from sessions.event import Call, ModuleLoad, Observation, Output

MAX_TOLD = 4096
"""cVMs, segments of one, threads, modules: a log with more of them is not believed further."""
JOINS = -1
"""``wait`` of a cVM after which the monitor starts the next one only when this one has ended."""
PAGE = 0x1000


class Story:
    """What is known after some lines. Lines are taken in order; there is no way back, only another Story."""

    def __init__(self) -> None:
        self.cvms: dict[int, CvmTold] = {}
        self.threads: list[ThreadTold] = []
        self.modules: list[ModuleTold] = []
        self.relocations: list[RelocationTold] = []
        self.links: list[tuple[int, int]] = []
        self.died = False
        self.spoken_of = -1  # the thread that a line told of last
        self._cvm: CvmTold | None = None
        self._entering: list[Entering] = []
        self._pthread: int | None = None
        self._on: dict[str, Callable[[int, Values], None]] = {
            name.removeprefix("_on_").replace("_", "-"): getattr(self, name)
            for name in dir(self)
            if name.startswith("_on_")
        }

    def take(self, line: Line) -> tuple[Observation, ...]:
        """One line; what it says was observed."""
        if line.known is None:
            return (self._output(line, "guest", ""),)
        known = line.known
        act = self._on.get(known.form.name)
        if act is not None:
            act(line.number, known.values)
        return (self._output(line, known.form.source, self._who(known.form.source, known.values)), *self._more(line))

    # ---- what was observed -----------------------------------------------------------------------------------------

    def _output(self, line: Line, source: str, badge: str) -> Output:
        return Output(line.number, -1, badge, source, line.content + b"\n")

    def _who(self, source: str, values: Values) -> str:
        """Who printed it, as far as the line proves it."""
        if source == "monitor":
            return "M"
        slot = values.get("slot")
        owner = self._owner(slot) if isinstance(slot, int) else None
        return owner.badge if owner is not None else ""

    def _more(self, line: Line) -> tuple[Observation, ...]:
        """A load or a hostcall that the line tells of."""
        assert line.known is not None
        name, values = line.known.form.name, line.known.values
        if name in ("load", "load-named", "app-base") and self.modules:
            module = self.modules[-1]
            badge = module.cvm.badge if module.cvm is not None else ""
            return (ModuleLoad(line.number, module.path, module.path, module.base or 0, module.size, badge),)
        call = _HOSTCALLS.get(name)
        if call is None:
            return ()
        number, called, arguments = call[0], call[1], call[2](values)
        return (Call(line.number, -1, f"{self._caller()}→M", number, called, arguments, "?"),)

    def _caller(self) -> str:
        """The cVM that runs, when there is only one."""
        running = {t.cvm.badge for t in self.threads if t.cvm is not None and not t.ended}
        return running.pop() if len(running) == 1 else "?"

    # ---- deploying -------------------------------------------------------------------------------------------------

    def _on_deploy(self, line: int, values: Values) -> None:
        cid = int(values["cid"])
        if len(self.cvms) < MAX_TOLD:
            self._cvm = self.cvms[cid] = CvmTold(cid, str(values["name"]))

    def _on_building(self, line: int, values: Values) -> None:
        base, size = int(values["base"]), int(values["size"])
        if self._cvm is None or self._cvm.base is not None:
            self._on_deploy(line, {"cid": base // max(size, 1), "name": values["name"]})
        cvm = self._cvm
        if cvm is None or not size or base + size > 1 << 64:
            return
        cvm.base, cvm.size, cvm.begin, cvm.end = base, size, int(values["begin"]), int(values["end"])
        cvm.runtime, cvm.wait = str(values["runtime"]), int(values["wait"])
        cvm.callback_in = "" if values["cb_in"] == NULL else str(values["cb_in"])
        cvm.callback_out = MONITOR if values["cb_out"] == NULL else str(values["cb_out"])

    def _on_segment(self, line: int, values: Values) -> None:
        if self._cvm is not None and len(self._cvm.segments) < MAX_TOLD:
            size, writable = int(values["memsz"]), self._cvm.read_only_ended
            self._cvm.segments.append(Segment(int(values["index"]), int(values["address"]), size, writable))

    def _on_read_only(self, line: int, values: Values) -> None:
        if self._cvm is not None:
            self._cvm.read_only_ended = True

    def _on_image(self, line: int, values: Values) -> None:
        if self._cvm is not None:
            self._cvm.image_size, self._cvm.entry = int(values["size"]), int(values["entry"])

    def _on_return(self, line: int, values: Values) -> None:
        if self._cvm is not None:
            self._cvm.returns = int(values["entry"])

    def _on_purecap(self, line: int, values: Values) -> None:
        if self._cvm is not None:
            self._cvm.pure = True

    def _on_stacks(self, line: int, values: Values) -> None:
        """The line behind which a purecap file would have been named one."""
        if self._cvm is not None:
            self._cvm.stacks = int(values["begin"]), int(values["end"])
            self._cvm.pure = bool(self._cvm.pure)

    def _on_heap(self, line: int, values: Values) -> None:
        if self._cvm is not None:
            self._cvm.heap = int(values["begin"]), int(values["end"])

    def _on_gate(self, line: int, values: Values) -> None:
        if self._cvm is not None:
            self._cvm.gate = int(values["entry"])

    def _on_deployed(self, line: int, values: Values) -> None:
        cvm = self.cvms.get(int(values["cid"]))
        if cvm is not None:
            cvm.sha256 = str(values.get("sha256", ""))
        self._cvm = None

    def _on_inner(self, line: int, values: Values) -> None:
        self.links.append((int(values["outer"]), int(values["inner"])))

    # ---- threads begin ---------------------------------------------------------------------------------------------

    def _on_thread(self, line: int, values: Values) -> None:
        bottom, top = int(values["bottom"]), int(values["top"])
        cvm = next((c for c in self.cvms.values() if c.holds(bottom)), None)
        size = top - bottom
        slot = (cvm.base + cvm.size - top) // size if cvm is not None and cvm.base is not None and size > 0 else None
        self._cvm = None
        self._others_ended(cvm)
        number = self._begin(ThreadTold(len(self.threads), cvm, slot, (bottom, top), {}, "begins"))
        if number is not None:
            self._entering.append(Entering(number, cvm))

    def _others_ended(self, cvm: CvmTold | None) -> None:
        """The monitor waits for a cVM with ``wait = -1s`` before it starts the next one."""
        for thread in self.threads:
            if thread.cvm is not None and thread.cvm is not cvm and thread.cvm.wait == JOINS and not thread.ended:
                thread.ended, thread.said = True, "ended (derived: wait = -1s)"

    def _begin(self, thread: ThreadTold) -> int | None:
        if len(self.threads) >= MAX_TOLD:
            return None
        self.threads.append(thread)
        self.spoken_of = thread.number
        return thread.number

    def _on_capability(self, line: int, values: Values) -> None:
        for entering in self._entering:
            entering.capabilities.title(line, values)

    def _on_flags(self, line: int, values: Values) -> None:
        for entering in self._entering:
            entering.capabilities.flags(line, values)

    def _on_bounds(self, line: int, values: Values) -> None:
        """Given to the thread that is entering; when several are, to the one whose cVM it lies in."""
        several = len(self._entering) > 1
        for entering in self._entering:
            printed = entering.capabilities.bounds(line, values)
            cvm = entering.cvm
            if printed is None or cvm is None or len(cvm.capabilities) >= MAX_TOLD:
                continue
            first = all(p.number != printed.number for p in cvm.capabilities)
            if first and (not several or cvm.holds(int(values["base"]))):
                cvm.capabilities.append(printed)

    def _on_tp_words(self, line: int, values: Values) -> None:
        """The words say which cVM enters."""
        cvm = self.cvms.get(int(values["cid"]))
        store = int(values["store"])
        if cvm is not None and cvm.holds(store):
            cvm.store = store
        for entering in self._entering:
            entering.words |= entering.cvm is cvm and cvm is not None

    def _on_entered(self, line: int, values: Values) -> None:
        ready = [e for e in self._entering if e.words] or self._entering[:1]
        if ready:
            self._entering.remove(ready[0])
            self.threads[ready[0].number].said = "entered"
            self.spoken_of = ready[0].number

    # ---- the guest -------------------------------------------------------------------------------------------------

    def _alone(self) -> ThreadTold | None:
        """The thread that runs, when there is only one."""
        running = [t for t in self.threads if not t.ended]
        return running[0] if len(running) == 1 else None

    def _owner(self, address: int) -> CvmTold | None:
        return next((c for c in self.cvms.values() if c.holds(address)), None)

    def _absolute(self, address: int) -> tuple[int | None, CvmTold | None]:
        """An address that may count from a hybrid cVM's begin; None when it cannot be told from which."""
        owner = self._owner(address)
        if owner is not None:
            return address, owner
        hybrid = [c for c in self.cvms.values() if c.pure is False and address < c.end - c.begin]
        return (address + hybrid[0].begin, hybrid[0]) if len(hybrid) == 1 else (None, None)

    def _on_tid(self, line: int, values: Values) -> None:
        self._identify("tid", int(values["tid"]))

    def _on_main_thread(self, line: int, values: Values) -> None:
        self._identify("pthread", int(values["pthread"]))

    def _identify(self, kind: str, number: int) -> None:
        thread = self._alone()
        if thread is not None:
            thread.ids.setdefault(kind, number)

    def _on_load(self, line: int, values: Values) -> None:
        self._mapped("", int(values["base"]), int(values["size"]))

    def _on_load_named(self, line: int, values: Values) -> None:
        self._mapped(str(values["path"]), int(values["base"]), 0)

    def _on_load_begin(self, line: int, values: Values) -> None:
        self._opened = str(values["path"])

    def _on_app_base(self, line: int, values: Values) -> None:
        self._mapped(self._opened, int(values["base"]), 0)

    def _on_app_start(self, line: int, values: Values) -> None:
        if self.modules:
            self.modules[-1].entry, _ = self._absolute(int(values["entry"]))

    _opened = ""

    def _mapped(self, path: str, base: int, size: int) -> None:
        if len(self.modules) < MAX_TOLD:
            absolute, cvm = self._absolute(base)
            self.modules.append(ModuleTold(path, absolute, size, cvm))

    def _on_capinit(self, line: int, values: Values) -> None:
        self._relocated("CAPINIT", line, values)

    def _on_relative(self, line: int, values: Values) -> None:
        self._relocated("RELATIVE", line, values)

    def _relocated(self, kind: str, line: int, values: Values) -> None:
        told = RelocationTold(line, kind, int(values["value"]), int(values["slot"]), bool(values["tag"]))
        self.relocations.append(told)

    def _on_pthread(self, line: int, values: Values) -> None:
        self._pthread = int(values["pthread"])

    def _on_new_thread(self, line: int, values: Values) -> None:
        ids = {"libos": int(values["tid"])}
        if self._pthread is not None:
            ids["pthread"] = self._pthread
        self._pthread = None
        cvms = {t.cvm.cid: t.cvm for t in self.threads if t.cvm is not None and not t.ended}
        cvm = next(iter(cvms.values())) if len(cvms) == 1 else None
        self._begin(ThreadTold(len(self.threads), cvm, None, None, ids, "created"))

    def _on_python_thread(self, line: int, values: Values) -> None:
        for thread in self.threads:
            if thread.ids.get("pthread") == int(values["number"]):
                state = "ended" if thread.ended else "started"
                thread.said = f"{state} (Python: Thread ID {values['number']})"
                self.spoken_of = thread.number

    def _on_thread_ends(self, line: int, values: Values) -> None:
        """Which of several ended is not told; that all have is, when there are as many such lines as threads."""
        self._unmapped += 1
        created = [t for t in self.threads if t.slot is None]
        if self._unmapped == len(created):
            for thread in created:
                thread.ended, thread.said = True, "ended (derived: as many ends as threads)"

    _unmapped = 0

    def _on_exit_thread(self, line: int, values: Values) -> None:
        main = [t for t in self.threads if t.slot is not None and not t.ended]
        if len(main) == 1:
            main[0].ended, main[0].said = True, "ended: its _Exit"
            self.spoken_of = main[0].number

    def _on_died(self, line: int, values: Values) -> None:
        self.died = True


_HOSTCALLS: dict[str, tuple[int, str, Callable[[Values], tuple[str, ...]]]] = {
    "file-size": (900, "get_file_size", lambda v: (f'"{v["name"]}"',)),
    "copy-file": (901, "copy_file", lambda v: (f'"{v["name"]}"', f"{v['where']:x}", str(v["size"]))),
    "timer": (26, "timer_alloc", lambda v: ("?",)),
    "tls": (17, "tls_alloc", lambda v: (f"{v['destructor']:x}",)),
}
"""Lines that hostcalls print: number, name, arguments as far as they are printed."""
