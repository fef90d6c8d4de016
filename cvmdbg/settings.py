"""What ``set`` changes: names, kinds, defaults, and the sentence for a value that does not fit."""

from __future__ import annotations

from dataclasses import dataclass, field

from cvmdbg.target import UserError


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting: ``kind`` is bool, number, text, or the words that it may be, separated by bars."""

    name: str
    kind: str
    default: str
    about: str


SETTINGS = (
    Setting("trace exact", "bool", "on", "stop at each crossing to read its arguments while they are as they were"),
    Setting("disassemble-next", "bool", "off", "show the next instruction at every stop, beside its source line"),
    Setting("print elements", "number", "200", "how many bytes of a string x/s shows"),
    Setting("explain", "auto|manual", "auto", "say why at once when the guest faults"),
    Setting("directories", "text", "", "folders in which source files are looked for, separated by colons"),
    Setting("engine", "auto|jit|interp", "auto", "jit: what is hot is translated; interp: slower; both do the same"),
    Setting("glyphs", "auto|unicode|ascii", "auto", "which characters the panes are drawn with"),
    Setting("confirm", "bool", "on", "ask before what loses something"),
    Setting("listsize", "number", "10", "how many lines list shows"),
    Setting("record limit", "number", "8192", "MiB that one recording may grow to; it ends there"),
    Setting("recorded calls", "number", "5000", "how many crossings of a recording are read when it is opened; 0: all"),
    Setting("recordings keep", "number", "40", "how many recordings are kept; the oldest go first"),
    Setting("recordings size", "number", "16384", "MiB that all recordings may take; the oldest go first"),
    Setting("theme", "text", "cvm-dark", "colours of the screen"),
    Setting("keymap", "text", "gdb", "the preset, or a file, that keys are read from"),
)


_SWITCH = {"on": "on", "1": "on", "yes": "on", "": "on", "off": "off", "0": "off", "no": "off"}


@dataclass
class Settings:
    """The values of all settings, as text."""

    values: dict[str, str] = field(default_factory=lambda: {s.name: s.default for s in SETTINGS})

    def find(self, text: str) -> tuple[Setting, str] | None:
        """The setting that a text begins with, and the rest of the text."""
        for setting in sorted(SETTINGS, key=lambda s: -len(s.name)):
            if text == setting.name or text.startswith(setting.name + " "):
                return setting, text[len(setting.name) :].strip()
        return None

    def change(self, setting: Setting, value: str) -> None:
        """Set a value; UserError says what would fit."""
        if setting.kind == "bool":
            value = {"on": "on", "1": "on", "yes": "on", "off": "off", "0": "off", "no": "off", "": "on"}.get(
                value, "?"
            )
            if value == "?":
                raise UserError(f"{setting.name} is on or off")
        elif setting.kind == "number" and not value.isdigit():
            raise UserError(f"{setting.name} is a number")
        elif "|" in setting.kind and value not in setting.kind.split("|"):
            raise UserError(f"{setting.name} is one of: {', '.join(setting.kind.split('|'))}")
        self.values[setting.name] = value

    def on(self, name: str) -> bool:
        """Is a switch on?"""
        return self.values[name] == "on"

    def number(self, name: str) -> int:
        """A number."""
        return int(self.values[name])

    def text(self, name: str) -> str:
        """A text."""
        return self.values[name]
