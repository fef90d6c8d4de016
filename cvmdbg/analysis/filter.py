"""The filter of the trace: ``call=open* class=file thread=17/0 path=16>M layer>0 err=ENOENT ticks>1000 tick=2M``."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable

from cvmdbg.analysis.crossings import Entry
from cvmdbg.guests.linux.facts import CLASSES
from cvmdbg.target import UserError

KEYS = "call class path file cvm thread nr layer ticks tick err inside ptr"
_UNITS = {"": 1, "k": 10**3, "K": 10**3, "M": 10**6, "G": 10**9}
_TERM = re.compile(r"(?P<not>!?)(?P<key>[a-z]+)(?:(?P<op>>=|<=|=|>|<)(?P<value>.*))?$")


def number(text: str) -> int:
    """``2M``, ``1000``, ``0x10``."""
    match = re.fullmatch(r"(0x[0-9a-fA-F]+|\d+)([kKMG]?)", text)
    if match is None:
        raise UserError(f"{text!r} is no number (123, 0x7b, 2M)")
    return int(match[1], 0) * _UNITS[match[2]]


class Filter:
    """Words joined by space: all must hold; ``!`` negates one."""

    def __init__(self, text: str, thread_name: Callable[[int], str]) -> None:
        self._thread_name = thread_name
        self._tests = [self._test(word) for word in text.split()]

    def takes(self, entry: Entry) -> bool:
        """Does an entry pass?"""
        return all(test(entry) for test in self._tests)

    def _test(self, word: str) -> Callable[[Entry], bool]:
        match = _TERM.match(word)
        if match is None or (match["op"] is None and match["key"] not in ("err", "inside")):
            pattern = f"*{word.lstrip('!')}*"
            plain = self._glob(pattern)
            return (lambda e: not plain(e)) if word.startswith("!") else plain
        test = self._keyed(match["key"], match["op"] or "=", match["value"] or "")
        return (lambda e: not test(e)) if match["not"] else test

    def _glob(self, pattern: str) -> Callable[[Entry], bool]:
        return lambda e: fnmatch.fnmatchcase(e.call, pattern)

    def _keyed(self, key: str, op: str, value: str) -> Callable[[Entry], bool]:
        match key:
            case "call":
                return lambda e: any(fnmatch.fnmatchcase(e.name, p) for p in value.split(","))
            case "path":
                wanted = value.replace(">", "→")
                return lambda e: fnmatch.fnmatchcase(e.path, wanted)
            case "thread":
                return lambda e: value in (str(e.thread), self._thread_name(e.thread))
            case "cvm":
                return lambda e: e.path.partition("→")[0] in value.split(",")
            case "class":
                if value not in CLASSES:
                    raise UserError(f"there is no class {value}; classes are {' '.join(CLASSES)}")
                return lambda e: value in e.entry.classes
            case "file":
                return lambda e: any(value in a.value for a in e.arguments if a.kind == "path")
            case "err":
                return lambda e: e.failed and (not value or e.result.endswith(value))
            case "inside":
                return lambda e: e.inside
            case "ptr":
                return lambda e: any(value in a.value or value in a.meaning for a in e.arguments)
            case "nr" | "layer" | "ticks" | "tick":
                return _numeric(key, op, value)
        raise UserError(
            f"the filter knows no {key}; it knows call class path file cvm thread nr layer ticks tick err inside ptr"
        )


def _numeric(key: str, op: str, value: str) -> Callable[[Entry], bool]:
    get: dict[str, Callable[[Entry], int | None]] = {
        "nr": lambda e: e.nr,
        "layer": lambda e: e.layer,
        "tick": lambda e: e.tick,
        "ticks": lambda e: None if e.ended is None else e.ended - e.tick,
    }
    read = get[key]
    if ".." in value:
        low, high = (number(part) for part in value.split("..", 1))
        return lambda e: (n := read(e)) is not None and low <= n <= high
    bound = number(value)
    tests: dict[str, Callable[[int], bool]] = {
        "=": lambda n: n == bound,
        ">": lambda n: n > bound,
        "<": lambda n: n < bound,
        ">=": lambda n: n >= bound,
        "<=": lambda n: n <= bound,
    }
    test = tests[op]
    return lambda e: (n := read(e)) is not None and test(n)
