"""Names, registers and memory of a frame, as expressions see them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cvmdbg import x86
from cvmdbg.dwarf.expression import locate
from cvmdbg.dwarf.functions import FunctionInfo, Variable
from cvmdbg.elf import careful
from cvmdbg.forms import VALUE
from cvmdbg.frames import Frame
from cvmdbg.symbols import Loaded
from cvmdbg.target import UserError
from cvmdbg.types_c import (
    CAPABILITY,
    LONG,
    ULONG,
    VOID,
    Base,
    CapabilityType,
    CType,
    Function,
    Pointer,
    bare,
)
from cvmdbg.values import Value, integer, load

if TYPE_CHECKING:
    from cvmdbg.debugger import Debugger

_ALIASES = {"fp": "x29", "lr": "x30", "tp": "ctpidr", "clr": "c30", "cfp": "c29", "cpc": "pcc"}
_UINT128 = Base("unsigned __int128", 16, "unsigned")
_INT32 = Base("unsigned int", 4, "unsigned")


class FrameScope:
    """The scope of one frame. Everything is read when it is asked for."""

    def __init__(self, debugger: Debugger, frame: Frame) -> None:
        self.debugger, self.frame = debugger, frame

    # ---- memory ----

    def read(self, address: int, size: int) -> bytes:
        """Bytes; the sentence of a failure names what the address is."""
        return self.debugger.read(address, size)

    def read_capability(self, address: int) -> int | None:
        """A granule with its tag."""
        power = self.debugger.target.capabilities
        return power.read(address) if power is not None else None

    def name(self, address: int) -> str:
        """``symbol+4``, only where a symbol covers the address."""
        named = self.debugger.symbols.name_at(address)
        if named is None or (named.size and named.offset >= named.size):
            return ""
        return named.text

    def badge(self, address: int) -> str:
        """The compartment of an address."""
        return self.debugger.places.badge(address)

    def span(self, base: int) -> int:
        """How far pointers from a base reach."""
        for compartment in self.debugger.places.compartments:
            if compartment.begin == base:
                return compartment.end - compartment.begin
        return 1 << 64

    def relative(self, where: str, address: int) -> int:
        """The absolute address that a number means in a compartment."""
        compartment = self.debugger.places.named(where)
        if compartment is None:
            raise UserError(f"there is no compartment {where}")
        if compartment.base <= address < compartment.base + compartment.size:
            return address
        if address < compartment.end - compartment.begin:
            return compartment.begin + address
        raise UserError(f"{address:#x} is neither an address of {where} nor an offset in it")

    def base_at(self, address: int) -> int:
        """What pointers count from that lie at an address."""
        compartment = self.debugger.places.at(address)
        return compartment.begin if compartment is not None and not compartment.pure else 0

    # ---- registers and history ----

    def dollar(self, name: str) -> Value:
        """``$x0``, ``$c1``, ``$pc``, ``$sp``, ``$_``, ``$3``, ``$``, ``$$2``, a convenience variable."""
        if name == "" or name.isdigit() or re.fullmatch(r"\$\d*", name):
            return self.debugger.history_value(name)
        if name in self.debugger.convenience:
            return self.debugger.convenience[name]
        return self.register(_ALIASES.get(name.lower(), name.lower()))

    def register(self, name: str) -> Value:
        """A register of the frame; integers of hybrid code count from its DDC.base."""
        if name == "pc":
            return integer(self.frame.pc, Pointer(VOID))
        if name == "sp" and self.frame.mode == "x86":
            return self._whole("rsp")
        if name in ("sp", "wsp"):
            return self._integer("csp", name, 64)
        match = re.fullmatch(r"([xw])(\d{1,2}|zr)", name)
        if match is not None:
            if match[2] == "zr":
                return integer(0, LONG)
            return self._integer(f"c{int(match[2])}", name, 32 if match[1] == "w" else 64)
        return self._whole(name)

    def _integer(self, capability: str, name: str, bits: int) -> Value:
        whole = self._bits(capability)
        number = whole & (VALUE if bits == 64 else 0xFFFFFFFF)
        base = self.frame.ddc_base if self.frame.mode == "a64" else 0
        ctype: CType = Pointer(VOID) if name == "sp" else LONG if bits == 64 else _INT32
        found = integer(number, ctype, base=base)
        return Value(found.type, found.content, register=name, base=base)

    def _whole(self, name: str) -> Value:
        known = {r.name: r for r in self.debugger.target.registers}
        if name not in known:
            raise UserError(f"there is no register or value ${name}")
        bits = self._bits(name)
        if known[name].kind == "capability":
            content = (bits & (1 << 128) - 1).to_bytes(16, "little")
            return Value(CAPABILITY, content, register=name, bits=bits)
        ctype = _UINT128 if known[name].bits == 128 else ULONG
        return Value(ctype, bits.to_bytes(ctype.size, "little"), register=name)

    def _bits(self, name: str) -> int:
        if name == "pcc" and not self.frame.live:
            raise UserError(f"PCC of frame {self.frame.number} is not kept; $pc is its address")
        bits = self.debugger.frame_register(self.frame, name)
        if bits is None:
            raise UserError(f"the value of {name} in frame {self.frame.number} is not known")
        return bits

    # ---- names ----

    def symbol(self, name: str, where: str) -> Value:
        """A local, a file variable, a function, a constant or a bare symbol."""
        if not where:
            local = self._local(name)
            if local is not None:
                return local
        among = self._among(where)
        value = self._global(name, among)
        if value is not None:
            return value
        raise UserError(f"no symbol {name!r} in {where}" if where else self.debugger.no_symbol(name))

    def _among(self, where: str) -> list[Loaded]:
        if where:
            return self.debugger.select_modules(where)
        here = self.debugger.symbols.module_at(self.frame.place)
        others = [e for e in self.debugger.symbols.loaded if e is not here]
        return [here, *others] if here is not None else others

    def function(self) -> tuple[FunctionInfo, Loaded] | None:
        """The DWARF function of the frame."""
        return self.debugger.symbols.function_at(self.frame.place)

    def variables(self) -> list[Variable]:
        """Arguments and locals visible at the frame's pc."""
        found = self.function()
        return found[0].visible(self.frame.place - found[1].bias) if found is not None else []

    def _local(self, name: str) -> Value | None:
        for variable in reversed(self.variables()):
            if variable.name == name:
                return self.variable_value(variable)
        return None

    def variable_value(self, variable: Variable) -> Value:
        """What a local or argument holds; UserError says why it cannot be known."""
        found = self.function()
        assert found is not None
        function, entry = found
        if variable.constant is not None and not variable.places:
            return integer(variable.constant, variable.type)
        code = variable.expression_at(self.frame.place - entry.bias)
        if code is None and self.frame.number == 0:
            code = variable.expression_at(self.frame.pc - entry.bias)
        if not code:
            raise UserError("optimised out")
        machine = _FrameMachine(self, function, entry)
        place = careful(f"{variable.name} in {entry.module.name}", lambda: locate(code, machine))
        return self._from_place(place.kind, place.number, variable.type, machine)

    def _from_place(self, kind: str, number: int, ctype: CType, machine: _FrameMachine) -> Value:
        base = self.frame.ddc_base
        if kind == "memory":
            return load(ctype, number + base & VALUE, base, self)
        if kind == "register":
            bits = self._bits("csp" if number == 31 else f"c{number}")
            if bare(ctype).size == 16 and isinstance(bare(ctype), Pointer | CapabilityType):
                return Value(ctype, (bits & (1 << 128) - 1).to_bytes(16, "little"), bits=bits)
            raw = (bits & VALUE).to_bytes(8, "little")
            return Value(ctype, raw[: max(1, ctype.size)], register=f"x{number}", base=base)
        return integer(number, ctype, base=base)

    def _global(self, name: str, among: list[Loaded]) -> Value | None:
        for entry in among:
            variable = entry.debug.variable(name) if entry.debug is not None else None
            if variable is not None:
                return self._file_variable(variable, entry)
        for entry in among:
            if entry.debug is None or not entry.debug.present:
                continue
            for function in entry.debug.functions.named(name):
                ctype = Function(function.result, tuple(v.type for v in function.variables if v.kind == "argument"))
                return Value(ctype, b"", function.start + entry.bias)
            constant = entry.debug.functions.enumerator(name)
            if constant is not None:
                return integer(constant[1], constant[0])
        return self._bare(name, among)

    def _file_variable(self, variable: Variable, entry: Loaded) -> Value:
        if variable.constant is not None and not variable.places:
            return integer(variable.constant, variable.type)
        code = variable.places[0].expression
        base = self.base_at(entry.module.base)
        if len(code) == 9 and code[0] == 0x03:
            address = int.from_bytes(code[1:], "little") + entry.bias
            return load(variable.type, address & VALUE, base, self)
        raise UserError(f"the place of {variable.name} is not a plain address")

    def _bare(self, name: str, among: list[Loaded]) -> Value | None:
        found = self.debugger.symbols.find(name, among) or self.debugger.symbols.find(name)
        if not found:
            return None
        best = found[0]
        if best.kind == "object" and best.size in (1, 2, 4, 8):
            ctype: CType = Base({1: "char", 2: "short", 4: "int", 8: "long"}[best.size], best.size, "signed")
            return load(ctype, best.address, self.base_at(best.address), self)
        if best.kind == "object" and best.size == 16 and best.address % 16 == 0:
            return load(CAPABILITY, best.address, 0, self)
        if best.kind == "object":
            return load(LONG, best.address, self.base_at(best.address), self)
        return Value(Function(VOID), b"", best.address)

    def type_named(self, name: str, kind: str) -> CType | None:
        """A type; the frame's module first."""
        for entry in self._among(""):
            found = entry.debug.type_named(name, kind) if entry.debug is not None else None
            if found is not None:
                return found
        return None

    def is_type(self, name: str) -> bool:
        """Is a word a typedef or base type?"""
        return self.type_named(name, "") is not None

    # ---- changing ----

    def assign(self, value: Value, content: Value) -> Value:
        """Write to where a value lies."""
        if value.register is not None:
            return self._assign_register(value, content)
        if value.address is None:
            raise UserError("this is not something that can be set")
        if value.field is not None:
            raise UserError("a bit-field cannot be set")
        if value.bits is not None and content.bits is not None:
            power = self.debugger.target.capabilities
            if power is None or value.address % 16:
                raise UserError("a capability can only be stored at a multiple of 16 of a target with tags")
            power.write(value.address, content.bits)
        else:
            size = len(value.content)
            self.debugger.target.write(value.address, (content.number & (1 << 8 * size) - 1).to_bytes(size, "little"))
        self.debugger.changed()
        return load(value.type, value.address, value.base, self)

    def _assign_register(self, value: Value, content: Value) -> Value:
        assert value.register is not None
        if not self.frame.live:
            raise UserError("registers can only be set in frame 0")
        target, thread, name = self.debugger.target, self.frame.thread, value.register
        if value.bits is not None:
            bits = content.bits if content.bits is not None else content.number & VALUE
            target.write_register(thread, name, bits)
        elif name[0] == "w":
            target.write_register(thread, "x" + name[1:], content.number & 0xFFFFFFFF)
        else:
            target.write_register(thread, name, content.number & ((1 << 8 * len(value.content)) - 1))
        self.debugger.changed()
        return FrameScope(self.debugger, self.debugger.frames(1)[0]).register(name)

    def keep(self, name: str, value: Value) -> None:
        """Set a convenience variable."""
        if name in {r.name for r in self.debugger.target.registers}:
            raise UserError(f"${name} is a register")
        self.debugger.convenience[name] = value


class _FrameMachine:
    """A frame for DWARF expressions. Addresses are as the frame's code means them (relative in hybrid code)."""

    def __init__(self, scope: FrameScope, function: FunctionInfo, entry: Loaded) -> None:
        self._scope, self._function, self._entry = scope, function, entry

    def register(self, number: int) -> int:
        """A register by its DWARF number."""
        bits = self._scope.debugger.frame_register(self._scope.frame, _dwarf_name(self._scope.frame.mode, number))
        if bits is None:
            raise UserError(f"register x{number} of this frame is not known")
        return bits & VALUE

    def memory(self, address: int, size: int) -> bytes:
        """Bytes at an address of the frame's code."""
        return self._scope.read(address + self._scope.frame.ddc_base & VALUE, size)

    def frame_base(self) -> int:
        """DW_AT_frame_base: nearly always the CFA."""
        if self._function.frame_base == b"\x9c":
            return self.cfa()
        place = locate(self._function.frame_base, self)
        return self.register(place.number) if place.kind == "register" else place.number

    def cfa(self) -> int:
        """The CFA of the frame."""
        cfa = self._scope.debugger.cfa(self._scope.frame)
        if cfa is None:
            raise UserError("the frame's address is not known")
        return cfa - self._scope.frame.ddc_base & VALUE

    def relocate(self, address: int) -> int:
        """A file address as the frame's code means it."""
        return address + self._entry.bias - self._scope.frame.ddc_base & VALUE


def _dwarf_name(mode: str, number: int) -> str:
    """The register that a DWARF number means."""
    if mode == "x86":
        return x86.DWARF[number] if number < len(x86.DWARF) else "rip"
    return "csp" if number == 31 else f"c{number}"
