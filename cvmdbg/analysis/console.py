"""The console: what guest, monitor and debugger print, by line. Read from any thread, written by the owner."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from cvmdbg.forms import visible
from cvmdbg.rows import OutputRow
from sessions.event import Output

MAX_LINES = 200_000


class Console:
    """Lines in the order in which they began. Guest bytes become printable text; a carriage return starts over."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rows: list[OutputRow] = []
        self._dropped = 0
        self._cursor: int | None = None
        self._partial: dict[tuple[str, int], tuple[int, bytes]] = {}
        self.changes = 0  # grows with everything that is printed

    def rows(self, start: int = 0) -> tuple[OutputRow, ...]:
        """Lines from number ``start`` on; numbers keep counting when old lines are dropped."""
        with self._lock:
            return tuple(self._rows[max(0, start - self._dropped) :])

    def look_at(self, tick: int | None) -> None:
        """``shown`` holds nothing that was printed after a tick; None: everything."""
        with self._lock:
            self._cursor = tick

    @property
    def moment(self) -> int | None:
        """The tick that ``shown`` looks at, None at the live end."""
        with self._lock:
            return self._cursor

    def shown(self, start: int = 0) -> tuple[tuple[OutputRow, ...], int]:
        """Lines from number ``start`` on as they stood at the moment that is looked at, and how many there were."""
        with self._lock:
            if self._cursor is None:
                return tuple(self._rows[max(0, start - self._dropped) :]), self._dropped + len(self._rows)
            tick = self._cursor
            rows = [row for row in self._rows if row.tick is None or row.tick <= tick]
            return tuple(rows[start:]), len(rows)

    @property
    def oldest(self) -> int:
        """The number of the first line that is still kept."""
        with self._lock:
            return self._dropped

    def count(self) -> int:
        """How many lines there have been."""
        with self._lock:
            return self._dropped + len(self._rows)

    def output(self, output: Output) -> None:
        """Take printed bytes; a line without its newline stays open for its source and thread."""
        key = (output.source, output.thread)
        with self._lock:
            self.changes += 1
            for piece in output.text.split(b"\n")[:-1]:
                self._finish(key, output, piece, True)
            rest = output.text.rsplit(b"\n", 1)[-1]
            if rest:
                self._finish(key, output, rest, False)

    def say(self, line: str, source: str = "debugger", tick: int | None = None) -> None:
        """A line of the debugger or of the prompt."""
        with self._lock:
            self.changes += 1
            self._append(OutputRow(tick, -1, "", source, line))

    def _finish(self, key: tuple[str, int], output: Output, piece: bytes, whole: bool) -> None:
        index, before = self._partial.pop(key, (-1, b""))
        content = before + piece
        printed = _line(content)
        spread = printed.expandtabs(8)
        row = OutputRow(output.tick, output.thread, output.compartment, output.source, spread, whole, printed)
        place = index - self._dropped
        if index >= 0 and place >= 0:
            self._rows[place] = row
        else:
            index = self._append(row)
        if not whole:
            self._partial[key] = (index, content)

    def _append(self, row: OutputRow) -> int:
        self._rows.append(row)
        if len(self._rows) > MAX_LINES:
            del self._rows[: MAX_LINES // 10]
            self._dropped += MAX_LINES // 10
        return self._dropped + len(self._rows) - 1


class Unread:
    """What a reader of a console has not had yet."""

    def __init__(self, console: Console, start: int = 0) -> None:
        self._console = console
        self._next = start
        self._open: dict[int, str] = {}

    def take(self, final: bool = False) -> Iterator[tuple[OutputRow, str]]:
        """New lines, and what has grown behind what was had of an open one; open lines only when ``final``."""
        console = self._console
        for index, shown in list(self._open.items()):
            row = console.rows(index)[0] if index >= console.oldest else None
            if row is None or row.whole or final:
                yield from self._grown(index, shown, row)
        self._next = max(self._next, console.oldest)
        for row in console.rows(self._next):
            if not row.whole and not final:
                break
            if not row.whole:
                self._open[self._next] = row.text
            self._next += 1
            yield row, row.text

    def _grown(self, index: int, shown: str, row: OutputRow | None) -> Iterator[tuple[OutputRow, str]]:
        if row is None or row.whole:
            del self._open[index]
        else:
            self._open[index] = row.text
        if row is not None and row.text != shown:
            yield row, row.text.removeprefix(shown)


def _line(content: bytes) -> str:
    """What stands on the line in the end: behind the last carriage return, backspaces carried out, tabs kept."""
    kept = bytearray()
    for byte in content.removesuffix(b"\r").rsplit(b"\r", 1)[-1]:
        if byte == 8:
            del kept[-1:]
        else:
            kept.append(byte)
    return "\t".join(visible(part) for part in bytes(kept).split(b"\t"))
