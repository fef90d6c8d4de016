"""From a path of a hostcall to a file of the cvm.yaml's folder: links, ``..``, names. Nothing leads out of it."""

from __future__ import annotations

from cvmdbg.guests.intravisor.hostcalls.descriptors import overlay_of
from cvmdbg.guests.intravisor.hostcalls.request import Request
from cvmdbg.guests.linux.abi import E, Err
from cvmdbg.guests.linux.nodes import ROOT, Node, Overlay

MOST_LINKS, NAME_MAX = 32, 255


def find(request: Request, index: int, follow: bool = True) -> tuple[Overlay, Node, str, Node | None]:
    """The folder, the last name, and what it names, if anything; a folder without a name is named ``.``."""
    overlay = overlay_of(request)
    path = request.text(request.address(index)).decode("utf-8", "surrogateescape")
    if not path:
        raise Err(E.ENOENT)
    try:
        return (overlay, *_walk(overlay, path, follow))
    finally:
        request.state.next_ino = overlay.next_ino


def _walk(overlay: Overlay, path: str, follow: bool) -> tuple[Node, str, Node | None]:
    folder, links = overlay.nodes[ROOT], 0
    rest = _names(path)
    while rest:
        name = rest.pop(0)
        if folder.kind != "dir":
            raise Err(E.ENOTDIR)
        if name == "..":
            folder = overlay.nodes[folder.parent]
            continue
        if len(name.encode("utf-8", "surrogateescape")) > NAME_MAX:
            raise Err(E.ENAMETOOLONG)
        node = overlay.child(folder, name)
        if node is not None and node.kind == "link" and (rest or follow):
            links += 1
            if links > MOST_LINKS:
                raise Err(E.ELOOP)
            folder = overlay.nodes[ROOT] if node.target.startswith("/") else folder
            rest = _names(node.target) + rest
            continue
        if not rest:
            return folder, name, node
        if node is None:
            raise Err(E.ENOENT)
        folder = node
    return folder, ".", folder


def _names(path: str) -> list[str]:
    return [name for name in path.split("/") if name not in ("", ".")]


def existing(request: Request, index: int, follow: bool = True) -> tuple[Overlay, Node]:
    overlay, _, _, node = find(request, index, follow)
    if node is None:
        raise Err(E.ENOENT)
    return overlay, node


def make_socket(request: Request, path: str) -> None:
    """The node that a name in AF_UNIX leaves behind; EADDRINUSE when there is one."""
    overlay = overlay_of(request)
    folder, name, node = _walk(overlay, path, follow=False)
    if node is not None:
        raise Err(E.EADDRINUSE)
    now = request.state.now(request.view.tick)
    overlay.add(folder, name, overlay.make("sock", 0o755, folder.ino, now), now)
    request.state.next_ino = overlay.next_ino
