"""Files of the guest: an overlay in memory over trees that are only read. Nothing here writes to the host.

A node is a plain value that names others by inode, so a copy of all of them is a snapshot. What lies in a tree below
comes to be a node when it is first looked at; its bytes stay below until it is written.
"""

from __future__ import annotations

import stat
from dataclasses import dataclass, field

from cvmdbg.guests.linux.abi import E, Err
from cvmdbg.guests.linux.trees import Tree

ROOT = 2
KINDS = {
    "dir": stat.S_IFDIR,
    "file": stat.S_IFREG,
    "link": stat.S_IFLNK,
    "chr": stat.S_IFCHR,
    "fifo": stat.S_IFIFO,
    "sock": stat.S_IFSOCK,
    "anon": 0,
}
MAX_CONTENT = 1 << 29
MAX_SIZE = 1 << 43


@dataclass(slots=True)
class Node:
    """One file. ``entries`` of a folder are inodes by name; ``lower`` is (tree, path) while bytes or names are there.

    A node of /proc has ``lower`` ``(-1, path)``: its content is made when it is opened. ``rdev`` of a device is
    (major, minor).
    """

    ino: int
    kind: str
    mode: int
    parent: int = 0
    entries: dict[str, int] = field(default_factory=dict)
    hidden: list[str] = field(default_factory=list)
    lower: tuple[int, str] | None = None
    content: bytearray | None = None
    target: str = ""
    size: int = 0
    nlink: int = 1
    uid: int = 0
    gid: int = 0
    mtime: int = 0
    atime: int = 0
    ctime: int = 0
    rdev: tuple[int, int] = (0, 0)
    opens: int = 0


class Overlay:
    """The nodes, and what they are made from. ``nodes`` belongs to the guest's state; ``trees`` never change."""

    def __init__(self, trees: list[Tree]) -> None:
        self.trees = trees
        self.nodes: dict[int, Node] = {}
        self.next_ino = ROOT

    # ---- nodes --------------------------------------------------------------------------------------

    def make(self, kind: str, mode: int, parent: int, now: int) -> Node:
        """A new node, in no folder yet."""
        node = Node(self.next_ino, kind, mode, parent, mtime=now, atime=now, ctime=now)
        if kind == "dir":
            node.nlink = 2
        self.nodes[node.ino] = node
        self.next_ino += 1
        return node

    def mount(self, tree: int, path: str, parent: int) -> Node:
        """A node for what lies in a tree."""
        entry = self.trees[tree].entry(path)
        if entry is None:
            raise Err(E.ENOENT)
        node = self.make(entry.kind, entry.mode, parent, entry.mtime)
        node.size, node.target = entry.size, entry.target
        node.lower = None if entry.kind == "link" else (tree, path)
        return node

    def child(self, folder: Node, name: str) -> Node | None:
        """What a folder holds under a name."""
        ino = folder.entries.get(name)
        if ino is not None:
            return self.nodes[ino]
        if folder.lower is None or folder.lower[0] < 0 or name in folder.hidden:
            return None
        tree, path = folder.lower
        below = f"{path}/{name}" if path else name
        if self.trees[tree].entry(below) is None:
            return None
        node = self.mount(tree, below, folder.ino)
        folder.entries[name] = node.ino
        return node

    def names(self, folder: Node) -> list[str]:
        """All names in a folder, sorted."""
        found = set(folder.entries)
        if folder.lower is not None and folder.lower[0] >= 0:
            tree, path = folder.lower
            hidden = set(folder.hidden)
            found |= {n for n in self.trees[tree].names(path) if n not in hidden and self.child(folder, n) is not None}
        return sorted(found)

    def add(self, folder: Node, name: str, node: Node, now: int) -> None:
        """Puts a node into a folder."""
        folder.entries[name] = node.ino
        folder.mtime = folder.ctime = now
        if node.kind == "dir":
            node.parent = folder.ino
            folder.nlink += 1

    def remove(self, folder: Node, name: str, now: int) -> None:
        """Takes a name out of a folder; the node goes when nothing holds it."""
        node = self.nodes[folder.entries.pop(name)]
        if folder.lower is not None and name not in folder.hidden:
            folder.hidden.append(name)
        folder.mtime = folder.ctime = node.ctime = now
        node.nlink -= 2 if node.kind == "dir" else 1
        if node.kind == "dir":
            folder.nlink -= 1
        self.release(node)

    def release(self, node: Node) -> None:
        """Forgets a node without a name that nobody has open."""
        if node.nlink <= 0 and node.opens <= 0:
            self.nodes.pop(node.ino, None)

    # ---- bytes --------------------------------------------------------------------------------------

    def _below(self, node: Node) -> bytes:
        if node.lower is None:
            return b""
        try:
            return self.trees[node.lower[0]].content(node.lower[1])
        except OSError:
            raise Err(E.EIO) from None

    def stored(self, node: Node, offset: int, size: int) -> bytes:
        """Bytes of a regular file as far as they are kept: what is left up to its size is zeros."""
        content = node.content
        if content is None:
            return self._below(node)[offset : offset + size]
        return bytes(content[offset : offset + size])

    def read(self, node: Node, offset: int, size: int) -> bytes:
        """Bytes of a regular file; short at its end."""
        found = self.stored(node, offset, size)
        missing = min(size, node.size - offset) - len(found)
        return found + bytes(missing) if missing > 0 else found

    def owned(self, node: Node) -> bytearray:
        """The bytes of a file, to be changed."""
        if node.content is None:
            node.content = bytearray(self._below(node))
            node.lower = None
        return node.content

    def write(self, node: Node, offset: int, content: bytes, now: int) -> None:
        """Writes bytes; a gap behind the end is zeros."""
        if offset + len(content) > MAX_CONTENT:
            raise Err(E.EFBIG)
        own = self.owned(node)
        if offset > len(own):
            own.extend(bytes(offset - len(own)))
        own[offset : offset + len(content)] = content
        node.size = max(node.size, offset + len(content))
        node.mtime = node.ctime = now

    def truncate(self, node: Node, size: int, now: int) -> None:
        """Cuts or extends a file; an extension costs nothing until it is written."""
        if size > MAX_SIZE:
            raise Err(E.EFBIG)
        if size == 0:
            node.content, node.lower = bytearray(), None
        own = self.owned(node)
        if size < len(own):
            del own[size:]
        node.size = size
        node.mtime = node.ctime = now

    def path(self, node: Node) -> str:
        """The absolute path of a folder."""
        parts: list[str] = []
        while node.ino != ROOT and node.parent in self.nodes:
            parent = self.nodes[node.parent]
            parts.append(next((n for n, i in parent.entries.items() if i == node.ino), "?"))
            node = parent
        return "/" + "/".join(reversed(parts))
