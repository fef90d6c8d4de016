"""``cvmdbg doctor``: what this installation is, and whether each part of it works."""

from __future__ import annotations

import importlib
import importlib.metadata
import locale
import os
import platform
import sys
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: what was looked at, whether it is good (None: only a fact), what was found, what to do."""

    name: str
    good: bool | None
    found: str
    advice: str = ""

    @property
    def text(self) -> str:
        """As printed."""
        mark = {True: "✓", False: "✗", None: "·"}[self.good]
        advice = f"\n    {self.advice}" if self.advice and self.good is False else ""
        return f"{mark} {self.name:<12} {self.found}{advice}"


def examine() -> list[Finding]:
    """All findings, in the order in which they depend on each other."""
    found = [_version(), _python()]
    for name, check in _CHECKS.items():
        try:
            found.append(check())
        except Exception as error:  # a diagnosis reports whatever breaks
            found.append(Finding(name, False, f"{type(error).__name__}: {error}", "reinstall with: pip install ."))
    return found


def _version() -> Finding:
    return Finding("cvmdbg", None, importlib.metadata.version("cvmdbg"))


def _python() -> Finding:
    good = sys.version_info >= (3, 11)
    text = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    return Finding("python", good, text, "Python 3.11 or newer is needed")


def _core() -> Finding:
    core = importlib.import_module("emulator_core._core")
    facts = getattr(core, "build_info", None)
    return Finding("core", True, str(facts()) if callable(facts) else f"loaded, {len(core.register_names())} registers")


def _machine() -> Finding:
    core = importlib.import_module("emulator_core._core")
    machine = core.Machine()
    machine.map(0x10000, 0x1000, 5)
    thread = machine.add_thread("system")
    machine.write(0x10000, (0xD503201F).to_bytes(4, "little") * 8)
    machine.set(thread, 32, core.Capability.almighty().set_value(0x10000).bits)
    machine.run(thread, 4)
    return Finding("engine", machine.ticks == 4, f"ran {machine.ticks} of 4 instructions")


def _translator() -> Finding:
    core = importlib.import_module("emulator_core._core")
    missing = core.jit_missing()
    there = "--engine interp or jit chooses" if missing is None else f"jit is missing: {missing}"
    return Finding("translator", None, f"{core.default_engine()} runs guests; {there}")


def _disassembler() -> Finding:
    module = importlib.import_module("emulator_core.disassembler")
    text = module.disassemble(0xC29B412B, 0, "c64").text
    return Finding("disassembler", text.split() == ["mrs", "c11,", "ddc"], text)


def _demo() -> Finding:
    launch = importlib.import_module("cvmdbg.launch")
    session = launch.emulated("demo:")
    session.connect()
    session.close()
    return Finding("demo", True, f"{session.launch.title} deploys")


def _dwarf() -> Finding:
    version = importlib.metadata.version("pyelftools")
    return Finding("symbols", True, f"pyelftools {version}")


def _screen() -> Finding:
    version = importlib.metadata.version("textual")
    return Finding("screen", True, f"textual {version}")


def _terminal() -> Finding:
    if not sys.stdout.isatty():
        return Finding("terminal", None, "standard output is no terminal: commands run in batch form")
    size = os.get_terminal_size()
    good = size.columns >= 80 and size.lines >= 24
    text = f"{os.environ.get('TERM', 'unknown')} {size.columns} by {size.lines}"
    return Finding("terminal", good, text, "the screen is made for 80 by 24 and more; make the window larger")


def _encoding() -> Finding:
    name = locale.getpreferredencoding(False)
    good = name.lower().replace("-", "") == "utf8"
    return Finding("locale", good or None, name if good else f"{name}: panes are drawn in ASCII")


def _folders() -> Finding:
    platformdirs = importlib.import_module("platformdirs")
    folder = platformdirs.user_state_dir("cvmdbg")
    parent = folder
    while parent and not os.path.isdir(parent):  # noqa: PTH112  # the folder need not exist yet
        parent = os.path.dirname(parent)  # noqa: PTH120
    good = os.access(parent or "/", os.W_OK)
    return Finding("state", good, folder, "prompt history is not kept; make the folder writable")


_CHECKS: dict[str, Callable[[], Finding]] = {
    "core": _core,
    "engine": _machine,
    "translator": _translator,
    "disassembler": _disassembler,
    "symbols": _dwarf,
    "screen": _screen,
    "demo": _demo,
    "terminal": _terminal,
    "locale": _encoding,
    "state": _folders,
}


def main(as_json: bool) -> int:
    """Print the findings; 0 when nothing is broken, else 1."""
    found = examine()
    if as_json:
        import json

        rows = [{"name": f.name, "good": f.good, "found": f.found, "advice": f.advice} for f in found]
        print(json.dumps({"command": "doctor", "ok": True, "result": rows}, ensure_ascii=False))
    else:
        for finding in found:
            print(finding.text)
    return 1 if any(f.good is False for f in found) else 0
