"""Where a value comes from: the instructions that moved and made it, back to its root, executed again.

now  c1 ◀── ldr c1, [c2]      memory 440116020      (loaded)
            └── str c0, [x3]                         (stored)
                  └── scbnds c0, c4, x1              (made from c4)
                        └── …  root: written by event "deploy 17"
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from cvmdbg.analysis.past import Decoder, Executed, executed, loaded_from
from cvmdbg.debugger import Debugger
from cvmdbg.target import Access, History, Step, TargetError, UserError
from emulator_core.disassembler import Instruction
from sessions.mark import Mark

MAX_LINKS = 64
NEAR = 2000
"""Ticks in which an instruction is looked for that wrote the value that was there already."""
NO_RESULT = re.compile(r"(cmp|cmn|tst|ccm|st|cb[nz]|tb[nz]|b$|b\.|bl?r|ret|msr|prf|fcm|chk|dc|ic|nop|svc|hlt|brk)")
VALUE = (1 << 64) - 1
REGISTER = re.compile(r"\b([cxw](?:[12]?\d|30)|csp|sp|ddc|wsp)\b")


@dataclass(frozen=True, slots=True)
class Link:
    """One step of the chain: what gave the value, where. ``root`` says that nothing lies behind it."""

    tick: int
    thread: int
    pc: int
    what: str
    instruction: str
    value: int
    root: bool = False


def origin_of(debugger: Debugger, history: History, text: str) -> list[Link]:
    """The chain of a register or of something in memory, newest link first."""
    chain = _Chain(debugger, history)
    name = re.fullmatch(r"\$(\w+)", text)
    if name is not None:
        chain.register(capability_name(name[1]), debugger.thread, history.now)
    else:
        value = debugger.evaluate(text)
        if value.address is None:
            raise UserError(f"{text} is a number: an origin have registers and what stands in memory")
        chain.memory(value.address, max(len(value.content), 1), history.now)
    return chain.links


class _Chain:
    def __init__(self, debugger: Debugger, history: History) -> None:
        self._debugger, self._history = debugger, history
        self.links: list[Link] = []
        self._decoder = Decoder(history)

    # ---- one link back ----

    def register(self, name: str, thread: int, before: Mark) -> None:
        """What gave a register its value."""
        while len(self.links) < MAX_LINKS:
            access = self._last_write(name, thread, before)
            if access is None:
                self._root(before, thread, f"{name} since the start")
                return
            if access.kind == "event":
                self._from_event(access, f"{name} set by {access.label}")
                return
            step = self._executed(access)
            found, after = step.instruction, self._value(name, thread, access.mark.tick + 1)
            if "load" in found.kinds:
                address = loaded_from(step, found, name)
                self._add(
                    access, f"{name} loaded" + (f" from {address:x}" if address is not None else ""), found, after
                )
                if address is None:
                    return
                self.memory(address, 16 if name[0] == "c" and found.operands.startswith("c") else 8, access.mark)
                return
            source = _source(found, name)
            root = source is None
            self._add(access, f"{name} made" + (f" from {source}" if source else ""), found, after, root)
            if source is None:
                return
            name, before = source, access.mark

    def _last_write(self, name: str, thread: int, before: Mark) -> Access | None:
        """The last instruction that wrote a register, one that wrote the same value again included when it is near."""
        try:
            changed = self._history.last_change(thread, name, before)
        except TargetError as error:
            raise UserError(f"{name}: {error}") from None
        first = max(before.tick - NEAR, changed.mark.tick + 1 if changed is not None else 0, self._history.first.tick)
        for step in reversed(self._history.path(first, before.tick)):
            if step.thread == thread and self._writes(step, name):
                return Access(self._history.at(step.tick, turn=True), thread, step.pc, "write")
        return changed

    def _writes(self, step: Step, name: str) -> bool:
        found = self._decoder.instruction(step)
        if NO_RESULT.match(found.mnemonic) or "store" in found.kinds:
            return False
        names = [capability_name(m) for m in REGISTER.findall(found.operands.split("[")[0])]
        return name in names[: 2 if found.mnemonic.startswith("ldp") else 1]

    def memory(self, address: int, size: int, before: Mark) -> None:
        """What was stored there."""
        if len(self.links) >= MAX_LINKS:
            return
        access = self._history.last_access(address, size, "w", before)
        if access is None:
            self._root(before, -1, f"memory {address:x} since the start")
            return
        if access.kind == "event":
            self._from_event(access, f"memory {address:x} written by {access.label}")
            return
        step = self._executed(access)
        found = step.instruction
        source = _stored(found, access.address, address)
        value = step.before.get(source, 0) if source else 0
        self._add(
            access, f"memory {address:x} stored" + (f" from {source}" if source else ""), found, value, source is None
        )
        if source is not None:
            self.register(source, access.thread, access.mark)

    # ---- facts ----

    def _executed(self, access: Access) -> Executed:
        """The instruction of an access, with the registers before it."""
        return executed(self._history.moment(access.mark.tick), access.thread)

    def _value(self, name: str, thread: int, tick: int) -> int:
        return self._history.moment(tick).registers(thread).get(name, 0)

    def _add(self, access: Access, what: str, found: Instruction, value: int, root: bool = False) -> None:
        self.links.append(Link(access.mark.tick, access.thread, access.pc, what, found.text, value, root))

    def _from_event(self, access: Access, what: str) -> None:
        self.links.append(Link(access.mark.tick, access.thread, access.pc, what, "", 0, True))

    def _root(self, mark: Mark, thread: int, what: str) -> None:
        self.links.append(Link(self._history.first.tick, thread, 0, what, "", 0, True))


def capability_name(name: str) -> str:
    """``x3`` is the low half of ``c3``."""
    if re.fullmatch(r"[xw]\d+", name):
        return "c" + name[1:]
    return {"sp": "csp", "wsp": "csp"}.get(name, name)


def _source(found: Instruction, name: str) -> str | None:
    """The register that an instruction makes another from: its first source."""
    names = [capability_name(m) for m in REGISTER.findall(found.operands)]
    if names[:1] != [name]:
        return None
    return next(iter(names[1:] or (names[:1] if "!" in found.operands else [])), None)


def _stored(found: Instruction, at: int, address: int) -> str | None:
    """The register that a store wrote to an address: the second of a pair behind the first's half."""
    names = [capability_name(m) for m in REGISTER.findall(found.operands.split("[")[0])]
    if not names:
        return None
    width = 16 if found.operands.startswith("c") else 8
    if len(names) > 1 and address >= at + width:
        return names[1]
    return names[0]
