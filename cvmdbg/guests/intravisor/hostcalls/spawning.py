"""Hostcalls 29 and 114 to 116: a libvirt cVM has others deployed; what the fork's template cVMs ask for.

Source: Intravisor src/main.c, prepare_parse_run_yaml; the fork's src/hostcalls/hostcalls.c.
"""

from __future__ import annotations

from collections.abc import Iterator

from cvmdbg.guests.intravisor import console, thread, trampolines
from cvmdbg.guests.intravisor.config import Config, ConfigError, parse
from cvmdbg.guests.intravisor.deploy import Deployment
from cvmdbg.guests.intravisor.folder import Folder
from cvmdbg.guests.intravisor.hostcalls.request import WORD, Answer, Hostcall, Refusal, Request, words
from cvmdbg.guests.intravisor.layout import PAGE
from cvmdbg.guests.intravisor.planning import deploy_all, link_lines
from cvmdbg.guests.intravisor.state import FIRST_HOST_ID, GuestThread
from cvmdbg.target import UserError
from sessions.event import Effect, Map, MemoryWrite

FILE = "run_yaml"
"""How messages call what a cVM handed over."""


def run_yaml(request: Request) -> Answer:
    """run_yaml(text, size): deploys and starts its cVMs; -1 from a cVM without ``libvirt``."""
    libvirt = request.owner.config.libvirt
    answer = Answer(observations=[request.monitor_says(f"request for ppr yaml from {libvirt}")])
    if not libvirt:
        answer.result = WORD
        return answer
    text = request.read(request.address(0), max(request.number_of(1), 0))
    try:
        parsed = read(text)
        made = deploy_all(parsed, request.folder, request.cvms)
    except UserError as error:
        raise Refusal(f"hostcall 29 run_yaml: {error}", "yaml is corrupted, die") from None
    answer.effects += _missing_builds(request.cvms, made)
    request.state.spawned.append(text)
    request.cvms.update(made)
    lines = [console.using(FILE), *(line for one in made.values() for line in one.lines), *link_lines(parsed)]
    for deployment in made.values():
        beginning = _begin(request, deployment)
        answer.effects += [*deployment.effects, *beginning.effects]
        lines += beginning.lines
    answer.observations += [request.monitor_says(line) for line in lines]
    return answer


def read(text: bytes) -> Config:
    """The yaml of a cVM. What would make the caller wait, and capfiles, are refused."""
    parsed = parse(text, FILE)
    if parsed.capfiles:
        raise ConfigError(f"{FILE}:{parsed.capfiles[0].line}: capfiles of a running cVM are not modelled")
    for cvm in parsed.cvms:
        if cvm.wait:
            raise ConfigError(f"{FILE}:{cvm.line}: a wait in the yaml of a running cVM is not modelled: expected 0")
    return parsed


def again(texts: list[bytes], folder: Folder, cvms: dict[int, Deployment]) -> dict[int, Deployment]:
    """All cVMs of a saved state: those of the file and those that were deployed since."""
    found = dict(cvms)
    for text in texts:
        found |= deploy_all(read(text), folder, found)
    return found


def _missing_builds(running: dict[int, Deployment], made: dict[int, Deployment]) -> Iterator[Effect]:
    """The monitor's code for a kind of cVM that did not run yet."""
    for pure in {one.layout.pure for one in made.values()} - {one.layout.pure for one in running.values()}:
        build = trampolines.for_abi(pure)
        yield from (Map(build.page, PAGE, "rx"), MemoryWrite(*build.write()))


def _begin(request: Request, made: Deployment) -> thread.Beginning:
    number = len(request.state.threads)
    request.state.threads.append(GuestThread(number, made.layout.cid, 0, FIRST_HOST_ID + number, main=True))
    return thread.begin(made, number)


# ---- templates ----


def inspect(request: Request) -> Answer:
    """inspect(): 1, since no cVM here comes from a template."""
    return Answer(result=1)


def save_snapshot(request: Request) -> Answer:
    """save_snapshot(): nothing in a cVM that is no template."""
    return Answer()


def get_arg(request: Request) -> Answer:
    """get_arg(buffer, size): the first word of the cVM's args, cut and filled up as strncpy does."""
    given = [word for word in (request.owner.config.args or "").split(" ") if word]
    if not given:
        raise Refusal("hostcall 116 get_arg: the cVM has no args, and the monitor reads from NULL")
    text = given[0].encode("utf-8", "surrogateescape")
    size, where = request.word(1), request.address(0)
    if size > 1 << 20:
        raise Refusal(f"hostcall 116 get_arg: strncpy fills {size} bytes, more than a cVM has")
    said = ["[intravisor/hostcall] arg size larger than buf"] if len(text) + 1 > size else []
    request.check_writable(where, size)
    filled = text[:size].ljust(size, b"\0")
    return Answer(
        effects=[MemoryWrite(where, filled)] if filled else [],
        observations=[request.monitor_says(line) for line in said],
    )


TABLE = {
    29: Hostcall("run_yaml", run_yaml, words(2)),
    114: Hostcall("inspect", inspect, words(0)),
    115: Hostcall("save_snapshot", save_snapshot, words(0)),
    116: Hostcall("get_arg", get_arg, words(2)),
}
