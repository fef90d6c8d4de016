"""All cVMs of a cvm.yaml: each file is read, each callback_out finds the cVM that serves it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from cvmdbg.guests.intravisor import console, elf
from cvmdbg.guests.intravisor.config import Config, ConfigError, CvmConfig, shown
from cvmdbg.guests.intravisor.deploy import Deployment, deploy
from cvmdbg.guests.intravisor.folder import Folder, FolderError
from cvmdbg.guests.intravisor.layout import CVM_MAX_SIZE

INTERFACE = re.compile(r"(/dev/)?[A-Za-z][A-Za-z0-9_.-]{0,14}")
NAME_LENGTH = 19
"""The monitor cuts the names of those who serve to so many characters, but compares one more."""


def deploy_all(
    parsed: Config, folder: Folder, running: Mapping[int, Deployment] = MappingProxyType({})
) -> dict[int, Deployment]:
    """Plans every cVM in the order of the file: one that serves comes before those it serves, or runs already."""
    made: dict[int, Deployment] = {}
    for cvm in parsed.cvms:
        others = {**running, **made}
        deployment = _deploy_one(parsed, folder, cvm, list(others.values()))
        cid = deployment.layout.cid
        if cid in others:
            other = others[cid].config.name
            raise ConfigError(f"{parsed.file}:{cvm.line}: base {cvm.base:#x} belongs to cVM '{shown(other)}' already")
        if any(_overlap(deployment, other) for other in others.values()):
            raise ConfigError(f"{parsed.file}:{cvm.line}: cVM '{shown(cvm.name)}' overlaps another one")
        made[cid] = deployment
    return made


def _overlap(one: Deployment, other: Deployment) -> bool:
    return one.layout.base < other.layout.top and other.layout.base < one.layout.top


def _deploy_one(parsed: Config, folder: Folder, cvm: CvmConfig, earlier: list[Deployment]) -> Deployment:
    where = f"{parsed.file}:{cvm.line}"
    if cvm.runtime is None:
        raise ConfigError(f"{where}: cVM '{shown(cvm.name)}' has no runtime: expected the name of its ELF file")
    if cvm.fork or cvm.template or cvm.resume or cvm.snapshot_path:
        raise ConfigError(f"{where}: cVM '{shown(cvm.name)}' wants a template or a snapshot, which is not modelled")
    _check_devices(cvm, folder, where)
    try:
        content = folder.read(cvm.runtime)
    except FolderError as error:
        raise ConfigError(f"{where}: runtime of cVM '{shown(cvm.name)}': {error}") from None
    file = elf.read(content, cvm.runtime)
    if cvm.callback_out is None or cvm.callback_out == "monitor":
        return deploy(parsed, cvm, file, None, "M")
    for provider in earlier:
        if _serves(provider, cvm.callback_out):
            return deploy(parsed, cvm, file, provider.gate, provider.layout.badge)
    raise ConfigError(
        f"{where}: wrong SC key {shown(cvm.callback_out)}: expected 'monitor' or the runtime of an earlier cVM with a "
        f"syscall_handler, at most {NAME_LENGTH} characters long"
    )


def _check_devices(cvm: CvmConfig, folder: Folder, where: str) -> None:
    """The file of ``disk`` must be there, and ``net`` be the name of an interface."""
    if cvm.disk:
        try:
            folder.path(cvm.disk)
        except FolderError as error:
            raise ConfigError(f"{where}: disk of cVM '{shown(cvm.name)}': {error}") from None
    if cvm.net is not None and not INTERFACE.fullmatch(cvm.net):
        raise ConfigError(
            f"{where}: net of cVM '{shown(cvm.name)}' is '{shown(cvm.net)}': expected the name of an interface, "
            "such as tap0, of at most 15 characters"
        )


def _serves(provider: Deployment, key: str) -> bool:
    """Does the monitor's table find this cVM by the key? Names of 20 characters and more never match."""
    return provider.gate is not None and (provider.config.runtime or "")[:NAME_LENGTH] == key[: NAME_LENGTH + 1]


def link_lines(parsed: Config) -> list[str]:
    """What the monitor says when all are deployed: callback_in, and that it is done."""
    lines = [console.LINK]
    for outer in parsed.cvms:
        for inner in parsed.cvms:
            if outer.callback_in is not None and outer.callback_in == inner.runtime:
                cids = inner.base // CVM_MAX_SIZE, outer.base // CVM_MAX_SIZE
                lines.append(console.inner(outer.callback_in, cids[0], str(outer.runtime), cids[1]))
    return [*lines, console.LOADED]
