"""Which calls strace's options select: ``-e trace=%file,!close``, ``-e status=failed``, ``-P PATH``, threads, cVMs."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from cvmdbg.analysis.crossings import Entry
from cvmdbg.guests.intravisor.calls import hostcalls
from cvmdbg.guests.linux import facts
from cvmdbg.target import UserError

STATUSES = ("successful", "failed", "unfinished", "none", "all")
_OPENERS = ("open", "openat", "openat2", "creat")


@dataclass
class Selection:
    """What is shown. Empty sets select everything; ``layers`` False shows outermost calls only."""

    names: Callable[[Entry], bool] = lambda entry: True
    statuses: frozenset[str] = frozenset()
    paths: tuple[str, ...] = ()
    threads: frozenset[str] = frozenset()
    cvms: frozenset[str] = frozenset()
    layers: bool = False
    signals: Callable[[str], bool] = lambda name: True
    _descriptors: set[tuple[str, int]] = field(default_factory=set)

    def begins(self, entry: Entry, thread_name: str) -> bool:
        """Could a call that has begun be shown?"""
        if entry.layer and not self.layers:
            return False
        if self.threads and not self.threads & {str(entry.thread), thread_name}:
            return False
        if self.cvms and entry.path.partition("→")[0] not in self.cvms:
            return False
        return self.names(entry) and (not self.paths or self._on_path(entry))

    def ends(self, entry: Entry) -> bool:
        """May its outcome be shown?"""
        if not self.statuses:
            return True
        outcome = "unfinished" if entry.ended is None else "failed" if entry.failed else "successful"
        return outcome in self.statuses

    def follow(self, entry: Entry) -> None:
        """Remember which descriptors the selected paths are open at."""
        if not self.paths or entry.decoded is None or entry.failed:
            return
        owner, value = entry.path.partition("→")[0], entry.decoded.frame.result
        if entry.name in _OPENERS and value is not None and self._names_path(entry):
            self._descriptors.add((owner, value))
        elif entry.name == "close":
            self._descriptors.discard((owner, entry.decoded.frame.value(0)))

    def _names_path(self, entry: Entry) -> bool:
        assert entry.decoded is not None
        arguments = zip(entry.entry.arguments, entry.decoded.shown, strict=True)
        contents = (shown.content for argument, shown in arguments if argument.kind in ("path", "text"))
        return any(content is not None and content.decode("utf-8", "replace") in self.paths for content in contents)

    def _on_path(self, entry: Entry) -> bool:
        if entry.decoded is None:
            return False
        owner = entry.path.partition("→")[0]
        held = (
            entry.decoded.frame.value(index)
            for index, argument in enumerate(entry.entry.arguments)
            if argument.kind == "fd"
        )
        return self._names_path(entry) or any((owner, fd) in self._descriptors for fd in held)


def trace_set(text: str) -> Callable[[Entry], bool]:
    """``%file,read,/^epoll,!close``: a set as -e trace= takes it. UserError for a word that names nothing."""
    negated = text.startswith("!")
    words = [word.removeprefix("?") for word in text.removeprefix("!").split(",") if word]
    if not words:
        raise UserError("-e trace= takes names, %classes and /expressions, joined by commas")
    tests = [_test(word) for word in words]
    return lambda entry: any(test(entry) for test in tests) is not negated


def _test(word: str) -> Callable[[Entry], bool]:
    if word in ("all", "none"):
        return lambda entry: word == "all"
    name = {"%net": "network", "net": "network"}.get(word, word.removeprefix("%"))
    if name in facts.CLASSES and (word.startswith("%") or facts.call(name) is None):
        return lambda entry: name in entry.entry.classes
    if word.startswith("%%"):
        related = {"%%stat": ("stat", "lstat", "fstat"), "%%statfs": ("statfs", "fstatfs")}.get(word)
        if related is not None:
            return lambda entry: bool(entry.entry.classes & set(related))
    if word.startswith("/"):
        try:
            pattern = re.compile(word[1:])
        except re.error as error:
            raise UserError(f"-e trace={word}: {error}") from None
        return lambda entry: pattern.search(entry.name) is not None
    if not word.startswith("%") and (facts.call(word) or word in {call.name for call in hostcalls().values()}):
        return lambda entry: entry.name == word
    kind = "class" if word.startswith("%") else "call"
    classes = " ".join(f"%{name}" for name in facts.CLASSES)
    raise UserError(f"-e trace={word}: there is no such {kind}; classes are {classes}")


def status_set(text: str) -> frozenset[str]:
    """``failed``, ``!unfinished``: outcomes as -e status= takes them."""
    negated = text.startswith("!")
    words = set(text.removeprefix("!").split(","))
    unknown = words - set(STATUSES) - {"unavailable", "detached"}
    if unknown:
        raise UserError(f"-e status={min(unknown)}: there is no such status; they are {', '.join(STATUSES)}")
    chosen = set(STATUSES[:3]) if "all" in words else words - {"none"}
    return frozenset(set(STATUSES[:3]) - chosen if negated else chosen)


def signal_set(text: str) -> Callable[[str], bool]:
    """``SIGCHLD,segv``, ``!SIGALRM``, ``none``: signals as -e signal= takes them. UserError for one that is none."""
    negated = text.startswith("!")
    words = [word.upper().removeprefix("SIG") for word in text.removeprefix("!").split(",") if word]
    known = {name.removeprefix("SIG") for name in facts.constants("signal", "aarch64")}
    wrong = next((word for word in words if word not in known | {"ALL", "NONE"}), None)
    if wrong is not None or not words:
        raise UserError(f"-e signal={text}: there is no signal {wrong or ''}; names are as SIGCHLD or chld")
    chosen = known if "ALL" in words else set(words)
    return lambda name: (name.removeprefix("SIG") in chosen) is not negated
