"""From what a user names to a Linux guest: the program, its root, what is bound into it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cvmdbg.guests.linux.guest import Linux
from cvmdbg.guests.linux.setup import ENVIRONMENT, Setup
from cvmdbg.guests.linux.trees import HostTree, Tree, open_tree
from cvmdbg.target import UserError


@dataclass(frozen=True)
class Root:
    """What the options of ``run`` say: ``rootfs`` is a folder or an archive, ``binds`` are ``HOST:GUEST``."""

    rootfs: str = ""
    binds: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    terminal: bool = False

    @property
    def given(self) -> bool:
        """Was any of it said? Then the program is one for Linux."""
        return bool(self.rootfs or self.binds or self.environment or self.terminal)


def open_linux(path: str, args: tuple[str, ...], root: Root) -> Linux:
    """A Linux program, not yet started.

    ``path`` is an absolute path in the root, or a file of the host: one that lies in the root keeps its path there,
    another is bound at ``/NAME``.
    """
    tree = open_tree(Path(root.rootfs)) if root.rootfs else None
    binds = [_bind(text) for text in root.binds]
    inside = _inside(path, tree)
    if inside is None:
        inside = "/" + Path(path).name
        binds.append((HostTree(Path(path)), inside))
    environment = (*(e for e in ENVIRONMENT if not _overridden(e, root.environment)), *root.environment)
    return Linux(Setup(inside, args, tree, tuple(binds), environment, root.terminal, name=Path(path).name))


def _overridden(entry: str, given: tuple[str, ...]) -> bool:
    name = entry.partition("=")[0]
    return any(other.partition("=")[0] == name for other in given)


def _bind(text: str) -> tuple[Tree, str]:
    """``HOST:GUEST``; without a colon the host's own path."""
    host, _, guest = text.partition(":")
    path = Path(host)
    if not host or not path.exists():
        raise UserError(f"--bind {text}: there is no {host or 'host path'}; expected HOST:GUEST")
    return HostTree(path), guest or str(path.resolve())


def _inside(path: str, tree: Tree | None) -> str | None:
    """The guest's path of a program that lies in its root."""
    host = Path(path)
    if isinstance(tree, HostTree) and host.exists() and host.resolve().is_relative_to(tree.root):
        return "/" + str(host.resolve().relative_to(tree.root))
    if tree is not None and path.startswith("/") and tree.entry(path.lstrip("/")) is not None:
        return path
    if host.exists():
        return None
    if tree is None:
        raise UserError(f"{path}: there is no such file")
    return path if path.startswith("/") else "/" + path
