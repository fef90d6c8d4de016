"""A short look back: scratch copies of the guest at earlier ticks, and where a capability lost its tag.

What went before a fault is not guessed: the recording is played into a scratch machine up to a tick, and that one is
stepped. Nothing of the live guest changes. A target without history has no past.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from cvmdbg.frames import C64, DDCBO
from cvmdbg.target import History, Moment, Step, TargetError
from emulator_core.capability import Capability
from emulator_core.disassembler import Instruction, disassemble

WINDOWS = (500, 20_000, 400_000)
"""How many ticks to look back, shortest first."""
TAG = 1 << 128
VALUE = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Past:
    """Moments of a recorded run."""

    history: History

    def at(self, tick: int) -> Moment:
        """The guest at a tick; TargetError when that is not kept."""
        return self.history.moment(tick)


@dataclass(frozen=True, slots=True)
class Executed:
    """An instruction of a thread and the registers before it; ``edited`` when the user changed something behind it."""

    tick: int
    pc: int
    word: int
    mode: str
    before: dict[str, int]
    edited: bool = False

    @property
    def instruction(self) -> Instruction:
        """Decoded."""
        return disassemble(self.word, self.pc, "c64" if self.mode == "c64" else "a64")


class Decoder:
    """What was executed at the steps of a path; an address is read once."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._known: dict[int, Instruction] = {}

    def instruction(self, step: Step) -> Instruction:
        """Decoded."""
        found = self._known.get(step.pc)
        if found is None:
            moment = self._history.moment(step.tick)
            word = int.from_bytes(moment.read(step.pc, 4), "little")
            c64 = moment.registers(step.thread)["cpsr"] & C64
            found = self._known[step.pc] = disassemble(word, step.pc, "c64" if c64 else "a64")
        return found


@dataclass(frozen=True, slots=True)
class Loss:
    """Where a tag was lost: the instruction, and one sentence of how."""

    executed: Executed
    how: str


def steps_before(past: Past, thread: int, tick: int, window: int) -> list[Executed]:
    """What a thread executed in the last ``window`` ticks before a tick."""
    moment = past.at(max(0, tick - window))
    found: list[Executed] = []
    while moment.tick < tick:
        here = executed(moment, thread) if moment.thread == thread else None
        moment.step()
        if here is not None:
            found.append(replace(here, edited=True) if moment.edited else here)
    return found


def executed(moment: Moment, thread: int) -> Executed:
    """The instruction that a thread is about to execute."""
    registers = moment.registers(thread)
    pc = registers["pcc"] & VALUE
    word = int.from_bytes(moment.read(pc, 4), "little")
    return Executed(moment.tick, pc, word, "c64" if registers["cpsr"] & C64 else "a64", registers)


def last_instruction(past: Past, thread: int, tick: int) -> Executed | None:
    """The last instruction that a thread retired before a tick."""
    for window in WINDOWS[:2]:
        steps = steps_before(past, thread, tick, window)
        if steps:
            return steps[-1]
        if window >= tick:
            break
    return None


def find_loss(past: Past, thread: int, tick: int, register: str, now: dict[str, int]) -> Loss | None:
    """Where the capability that a register holds at ``tick`` lost its tag; None when it is not within the windows."""
    for window in WINDOWS:
        steps = steps_before(past, thread, tick, window)
        loss = _Chain(past, steps, now, max(0, tick - window)).follow(register)
        if loss is not None or window >= tick:
            return loss
    return None


class _Chain:
    """Follows an untagged value back through registers and memory."""

    def __init__(self, past: Past, steps: list[Executed], now: dict[str, int], start: int) -> None:
        self.past, self.steps, self.now, self.start = past, steps, now, start

    def follow(self, register: str) -> Loss | None:
        """From the end of the steps."""
        end = len(self.steps)
        for _ in range(64):
            index = self._writer(register, end)
            if index is None:
                return None
            step = self.steps[index]
            if step.edited:
                return None  # what the user set comes from no instruction
            found = step.instruction
            if "load" in found.kinds:
                return self._memory(step, found, register)
            source = self._source(step, found, register)
            if source is None:
                return Loss(step, _how(found, register))
            register, end = source, index
        return None

    def _after(self, index: int) -> dict[str, int]:
        return self.steps[index + 1].before if index + 1 < len(self.steps) else self.now

    def _writer(self, register: str, end: int) -> int | None:
        """The last step before ``end`` that changed the register."""
        for index in range(end - 1, -1, -1):
            if self.steps[index].before.get(register) != self._after(index).get(register):
                return index
        return None

    def _source(self, step: Executed, found: Instruction, register: str) -> str | None:
        """The capability operand that had no tag already; None when all had one, so the tag went here."""
        names = _capabilities(found.operands)
        if not names or names[0] != register:
            return None  # an integer write: it clears the upper half and the tag
        for name in names[1:2] or names[:1]:
            if not step.before.get(name, TAG) & TAG:
                return name
        return None

    def _memory(self, step: Executed, found: Instruction, register: str) -> Loss | None:
        """The value came from memory without its tag: look for the write that took it."""
        address = loaded_from(step, found, register)
        if address is None:
            return None
        granule = address & ~15
        moment = self.past.at(self.start)
        lost: Executed | None = None
        by_tick = {s.tick: s for s in self.steps}
        had = _tag(moment, granule)
        while moment.tick < step.tick:
            here = by_tick.get(moment.tick)
            moment.step()
            has = _tag(moment, granule)
            if had and not has:
                lost = here
            had = has
        if lost is None:
            return None
        return Loss(lost, f"it writes into {granule:x}, and a data write clears the granule's tag")


def _tag(moment: Moment, granule: int) -> bool:
    try:
        return moment.tag(granule)
    except TargetError:
        return False


def _capabilities(operands: str) -> list[str]:
    """Capability registers in the order of the text."""
    return re.findall(r"\b(c(?:[12]?\d|30)|csp|ddc)\b", operands)


_ADDRESS = re.compile(r"\[(?P<base>[cx]\d+|sp|csp)(?:, #(?P<offset>-?(?:0x)?[0-9a-f]+))?\](?P<pre>!?)")


def loaded_from(step: Executed, found: Instruction, register: str) -> int | None:
    """The absolute address from which a load takes a register; None for forms with a register offset."""
    match = _ADDRESS.search(found.operands)
    if match is None:
        return None
    base = match["base"]
    whole = step.before.get("csp" if base in ("sp", "csp") else "c" + base[1:], 0)
    address = (whole & VALUE) + int(match["offset"] or "0", 0)
    if base[0] == "x" or base == "sp":
        ddc = Capability(step.before["ddc"])
        address += ddc.base if step.before["cctlr"] & DDCBO else 0
    names = [n for n in found.operands.split("[")[0].replace(" ", "").split(",") if n]
    index = next((i for i, n in enumerate(names) if n[1:] == register[1:]), 0)
    width = 16 if names and names[0][0] == "c" else 8
    return address + index * width & VALUE


_REASONS: dict[str, str] = {
    "scvalue": "the new value is outside of what the bounds can represent",
    "scoff": "the new value is outside of what the bounds can represent",
    "add": "the new value is outside of what the bounds can represent",
    "sub": "the new value is outside of what the bounds can represent",
    "seal": "the sealing capability may not seal (it lacks Seal, has no tag, or the type is out of its bounds)",
    "unseal": "the unsealing capability may not unseal it",
    "scbnds": "the asked bounds are not within the old ones, or it is sealed",
    "scbndse": "the asked bounds are not exact or not within the old ones",
    "clrtag": "that is what CLRTAG is for",
    "clrperm": "the capability is sealed",
    "build": "what is asked for is not within the authority",
}


def _how(found: Instruction, register: str) -> str:
    names = _capabilities(found.operands)
    if not names or names[0] != register:
        return f"it writes x{register[1:]}, which clears the upper half and the tag of {register}"
    return _REASONS.get(found.mnemonic, "its operands do not allow a tagged result")
