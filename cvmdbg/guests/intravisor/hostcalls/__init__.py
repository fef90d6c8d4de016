"""The hostcalls, by family: number in x14, arguments in x0 … x7, result in x0. Source: Intravisor src/hostcalls.c."""

from __future__ import annotations

from cvmdbg.guests.intravisor.hostcalls import (
    calling,
    clock,
    disks,
    files,
    futex,
    hostfiles,
    locks,
    names,
    pipes,
    polling,
    printing,
    probes,
    shared,
    sockets,
    spawning,
    spinning,
    threads,
    tls,
)
from cvmdbg.guests.intravisor.hostcalls.request import Hostcall

TABLE: dict[int, Hostcall] = {
    **printing.TABLE,
    **locks.TABLE,
    **threads.TABLE,
    **tls.TABLE,
    **clock.TABLE,
    **files.TABLE,
    **futex.TABLE,
    **shared.TABLE,
    **probes.TABLE,
    **spinning.TABLE,
    **hostfiles.TABLE,
    **sockets.TABLE,
    **polling.TABLE,
    **pipes.TABLE,
    **disks.TABLE,
    **names.TABLE,
    **calling.TABLE,
    **spawning.TABLE,
}
