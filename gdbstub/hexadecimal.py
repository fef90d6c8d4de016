"""Numbers and bytes as packets spell them: bare hex digits, strictly. ValueError says what was expected."""

from __future__ import annotations

from binascii import unhexlify

U64 = (1 << 64) - 1
_DIGITS = b"0123456789abcdefABCDEF"


def number(text: bytes, limit: int = U64) -> int:
    """An unsigned number of hex digits, no sign, no prefix, at most ``limit``."""
    if not text or text.strip(_DIGITS):
        raise ValueError(f"expected hex digits, found {shown(text)}")
    value = int(text, 16)
    if value > limit:
        raise ValueError(f"{shown(text)} is greater than {limit:#x}")
    return value


def pair(text: bytes, what: bytes = b",") -> tuple[int, int]:
    """Two numbers with ``what`` between them: ``1000,4``."""
    first, found, second = text.partition(what)
    if not found:
        raise ValueError(f"expected two numbers with {what.decode()!r} between them, found {shown(text)}")
    return number(first), number(second)


def content(text: bytes) -> bytes:
    """Bytes from two hex digits each."""
    try:
        return unhexlify(text)
    except ValueError:
        raise ValueError(f"expected two hex digits a byte, found {shown(text)}") from None


def words(text: bytes) -> str:
    """Text from two hex digits a byte, UTF-8; what is none is replaced."""
    return content(text).decode("utf-8", "replace")


def spelled(text: str) -> bytes:
    """Text as two hex digits a byte."""
    return text.encode("utf-8", "surrogateescape").hex().encode()


def shown(text: bytes) -> str:
    """A short piece of a packet for a sentence."""
    return repr(text[:40])[1:] + ("…" if len(text) > 40 else "")
