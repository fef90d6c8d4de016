"""What a session of Linux programs begins with, and the root that its first program finds."""

from __future__ import annotations

from dataclasses import dataclass

from cvmdbg.guests.linux import paths, proc, streams
from cvmdbg.guests.linux.kernel import Kernel
from cvmdbg.guests.linux.nodes import ROOT, Node
from cvmdbg.guests.linux.trees import Tree
from cvmdbg.target import UserError

ENVIRONMENT = (
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME=/root",
    "LANG=C.UTF-8",
    "TERM=dumb",
)
_DEVICES = {
    "null": (streams.NULL, 0o666),
    "zero": (streams.ZERO, 0o666),
    "full": (streams.FULL, 0o666),
    "random": (streams.RANDOM, 0o666),
    "urandom": (streams.URANDOM, 0o666),
    "tty": (streams.CONSOLE, 0o666),
}
_LINKS = {"stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2", "fd": "/proc/self/fd"}


@dataclass(frozen=True)
class Setup:
    """What a session begins with. ``binds`` are (tree, path in the guest); ``path`` is the guest's."""

    path: str
    arguments: tuple[str, ...]
    root: Tree | None = None
    binds: tuple[tuple[Tree, str], ...] = ()
    environment: tuple[str, ...] = ENVIRONMENT
    terminal: bool = False
    cwd: str = "/"
    seed: int = 0
    name: str = ""
    base: int = 1 << 36
    size: int = 1 << 36
    badge: int = 17
    network: bool = True


def make_root(kernel: Kernel, setup: Setup) -> None:
    """Devices, /proc, /tmp and what is bound, over the root that was given."""
    files = kernel.files
    root = files.mount(len(files.trees) - 1, "", 0) if setup.root is not None else files.make("dir", 0o755, 0, 0)
    root.parent, root.mode = ROOT, 0o755
    for folder in ("dev", "proc", "tmp", "dev/shm", "root"):
        _folder(kernel, folder)
    _node(kernel, "proc").lower = (proc.TREE, "")
    _node(kernel, "tmp").mode = _node(kernel, "dev/shm").mode = 0o1777
    for name, (device, mode) in _DEVICES.items():
        node = files.make("chr", mode, 0, 0)
        node.rdev = device
        files.add(_node(kernel, "dev"), name, node, 0)
    for name, target in _LINKS.items():
        node = files.make("link", 0o777, 0, 0)
        node.target = target
        files.add(_node(kernel, "dev"), name, node, 0)
    for tree, (_, path) in enumerate(setup.binds):
        _bind(kernel, tree, path)


def _node(kernel: Kernel, path: str) -> Node:
    return paths.walk(kernel, None, "/" + path)


def _folder(kernel: Kernel, path: str) -> Node:
    """A folder of the guest, made where there is none."""
    place = kernel.files.nodes[ROOT]
    for part in [p for p in path.split("/") if p]:
        node = kernel.files.child(place, part)
        if node is not None and node.kind == "link":
            node = paths.walk(kernel, None, f"{kernel.files.path(place)}/{part}")
        if node is None:
            node = kernel.files.make("dir", 0o755, place.ino, 0)
            kernel.files.add(place, part, node, 0)
        place = node
    return place


def _bind(kernel: Kernel, tree: int, path: str) -> None:
    parent, _, name = path.rstrip("/").rpartition("/")
    if not path.startswith("/") or not name or ".." in path.split("/"):
        raise UserError(f"cannot bind at {path!r}: expected an absolute path in the guest")
    folder = _folder(kernel, parent)
    node = kernel.files.mount(tree, "", folder.ino)
    folder.entries[name] = node.ino
