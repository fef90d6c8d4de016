"""A row of the server's table of packets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gdbstub.serving import Serving


class Refused(Exception):
    """The stub answers an error: an errno and, for clients that read it, one sentence."""

    def __init__(self, code: int, sentence: str = "") -> None:
        super().__init__(sentence or f"error {code}")
        self.code, self.sentence = code, sentence


EPERM, ENOENT, EIO, EBADF, EFAULT, EINVAL, EMFILE = 1, 2, 5, 9, 14, 22, 24


@dataclass(frozen=True, slots=True)
class Verb:
    """A packet by its name: ``m``, ``vCont``, ``qXfer``. ``parse`` raises ValueError for one that is malformed.

    ``serve`` returns the reply, or None when the reply comes later (the target was resumed) or never. ``name`` of a
    letter that is followed by its arguments matches the first byte; longer names end where their letters end,
    ``open_ended`` ones before digits that may be letters: ``qRegisterInfo1f``.
    """

    name: bytes
    parse: Callable[[bytes], Any]
    serve: Callable[[Serving, Any], bytes | None]
    open_ended: bool = False
