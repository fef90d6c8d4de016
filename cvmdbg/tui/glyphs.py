"""Which characters reach the screen: guest text made harmless, and the ASCII set for terminals without UTF-8."""

from __future__ import annotations

import locale
import unicodedata

ASCII = {
    "●": "T",
    "○": ".",
    "▶": ">",
    "▷": ")",
    "◀": "<",
    "■": "#",
    "✗": "x",
    "✓": "+",
    "▾": "v",
    "▸": ">",
    "◆": "o",
    "…": "~",
    "│": "|",
    "─": "-",
    "━": "=",
    "╌": "-",
    "╱": "/",
    "└": "`",
    "├": "|",
    "┤": "|",
    "▐": "[",
    "▌": "]",
    "▲": "^",
    "▂": "_",
    "▄": "-",
    "▆": "=",
    "█": "#",
    "▒": ":",
    "·": ".",
    "→": ">",
    "←": "<",
    "↑": "^",
    "↓": "v",
    "⏎": "^",
    "↵": "^",
    "↳": ">",
    "≈": "~",
    "◷": "@",
    "≠": "!",
    "—": "-",
    "\u2009": " ",
}
"""One cell for one cell, so that no column moves."""

_TO_ASCII = str.maketrans(ASCII)


def wants_ascii(setting: str) -> bool:
    """Does ``set glyphs`` (auto, unicode, ascii) mean the ASCII set here? ``auto`` asks the locale."""
    if setting == "auto":
        return "utf" not in locale.getpreferredencoding(False).lower()
    return setting == "ascii"


def to_ascii(text: str) -> str:
    """The ASCII form, cell for cell; what has none becomes ``?``."""
    return text.translate(_TO_ASCII).encode("ascii", "replace").decode("ascii")


def harmless(text: str) -> str:
    """Text with everything that is not plainly printable as ``\\x1b`` forms: controls, surrogates, directions."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(character if _plain(character) else _escaped(character) for character in text)


def _plain(character: str) -> bool:
    return character == "\u2009" or (
        character.isprintable() and not "\ufe00" <= character <= "\ufe0f" and unicodedata.combining(character) == 0
    )


def _escaped(character: str) -> str:
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
