"""Looking at a stub through a client: its registers' description and dialect, threads, memory, objects, files."""

from __future__ import annotations

from gdbstub.call import Malformed, ProtocolError, StubError, Unsupported
from gdbstub.client import Client
from gdbstub.commands import files, lldb, memory, registers, threads, transfer
from gdbstub.commands.monitor import command
from gdbstub.description import Description, Dialect, Register, built_in
from gdbstub.description_xml import parse_xml
from gdbstub.layout import Layout, detect
from gdbstub.thread import ThreadId

REFUSED = (StubError, Unsupported, Malformed)
HEADROOM = 16
"""Bytes of a packet that are not its content: name, numbers, checksum."""

# ---- registers -------------------------------------------------------------------------------------------


def find_layout(client: Client) -> Layout:
    """How the stub's registers are called and travel: by its XML, by qRegisterInfo, or by what its ``g`` is known for.

    The dialect of capability registers is found by asking for one. ProtocolError when nothing tells.
    """
    description = _described(client) or _listed(client)
    if description is None:
        description = built_in(client.call(registers.read_block()))
    if description is None:
        raise ProtocolError("the stub describes no registers, and its g packet is of no known length")
    return Layout(description, _dialect(client, description))


def _described(client: Client) -> Description | None:
    if not client.peer.has("qXfer:features:read"):
        return None
    try:
        return parse_xml(read_object(client, "features", "target.xml"), lambda n: read_object(client, "features", n))
    except (ValueError, *REFUSED) as error:
        raise ProtocolError(f"the stub's description of its registers: {error}") from None


def _listed(client: Client) -> Description | None:
    """lldb's way: registers one by one until an error."""
    found: list[Register] = []
    while len(found) < lldb.MAX_REGISTERS:
        try:
            found.append(client.call(lldb.register(len(found))))
        except REFUSED:
            break
    return lldb.description(tuple(found), "") if found else None


def _dialect(client: Client, description: Description) -> Dialect:
    capability = next((r for r in description if r.is_capability), None)
    if capability is None:
        return Dialect.TAG_FIRST
    try:
        content = client.call(registers.read_content(capability.number))
    except REFUSED:
        return _dialect_of_block(client, description, capability)
    found = detect(capability, len(content))
    if found is None:
        raise ProtocolError(f"register {capability.spelled} comes with {len(content)} bytes; 16 or 17 were expected")
    return found


def _dialect_of_block(client: Client, description: Description, capability: Register) -> Dialect:
    """Without ``p``: the dialect in which the ``g`` block has the length that it has."""
    length = len(client.call(registers.read_block()))
    candidates = (Dialect.TAG_MAP, Dialect.BITS129 if capability.bits == 129 else Dialect.TAG_FIRST)
    found = next((d for d in candidates if Layout(description, d).block_size == length), None)
    if found is None:
        raise ProtocolError(f"the stub's g packet of {length} bytes fits no dialect of its description")
    return found


# ---- threads ---------------------------------------------------------------------------------------------


def list_threads(client: Client) -> tuple[ThreadId, ...]:
    """All threads; one that is called 0 for a stub that knows none."""
    found: list[ThreadId] = []
    try:
        part = client.call(threads.list_some(True))
        while part and len(found) < threads.MAX_THREADS:
            found += part
            part = client.call(threads.list_some(False))
    except REFUSED:
        return tuple(found) or (ThreadId(0),)
    return tuple(found) or (ThreadId(0),)


# ---- memory, objects, files ------------------------------------------------------------------------------


def read_memory(client: Client, address: int, size: int) -> bytes:
    """Bytes from an address on: all, or those before the first that the stub cannot read. StubError if it is the first.

    Pieces that fit the stub's packets are asked for in one batch; what a piece lacks is asked for again.
    """
    content = b""
    while len(content) < size:
        more = _read_on(client, address + len(content), size - len(content))
        if isinstance(more, ProtocolError):
            if not content:
                raise more
            break
        content += more
    return content


def _read_on(client: Client, address: int, size: int) -> bytes | ProtocolError:
    """At least a byte: the pieces of a batch up to the first that is short; or why there is none."""
    room = max(1, (client.peer.packet_size - HEADROOM) // 2)
    spans = [(at, min(room, address + size - at)) for at in range(address, address + size, room)]
    content = b""
    for (_, length), value in zip(spans, client.batch([memory.read(at, n) for at, n in spans]), strict=True):
        if isinstance(value, ProtocolError):
            return content or value
        content += value
        if len(value) < length:
            return content or Malformed(f"the stub reads nothing at {address:#x} and calls it no error")
    return content


def read_object(client: Client, name: str, annex: str = "", limit: int = transfer.MAX_OBJECT) -> bytes:
    """A whole object by qXfer; Malformed when it grows beyond ``limit``."""
    content = b""
    room = max(16, client.peer.packet_size - HEADROOM)
    while len(content) <= limit:
        part = client.call(transfer.read_part(name, annex, len(content), room))
        content += part.content
        if part.last:
            return content
        if not part.content:
            break
    raise Malformed(f"the stub's {name} {annex} does not end")


def read_file(client: Client, path: str, limit: int = transfer.MAX_OBJECT) -> bytes | None:
    """A file of the target by vFile; None when there is none, or the stub has no files."""
    try:
        client.call(files.setfs())
        opened = client.call(files.open_file(path))
    except REFUSED:
        return None
    if opened.result < 0:
        return None
    content = b""
    room = max(16, client.peer.packet_size - HEADROOM)
    while len(content) < limit:
        part = client.call(files.read_file(opened.result, room, len(content)))
        if part.result <= 0 or not part.content:
            break
        content += part.content
    client.call(files.close_file(opened.result))
    return content


def monitor(client: Client, line: str, limit: int = transfer.MAX_OBJECT) -> str:
    """What the stub's own command interpreter says to a line: O packets, then the reply. Unsupported if it has none."""
    said, before = bytearray(), client.output

    def take(content: bytes) -> None:
        if len(said) < limit:
            said.extend(content)

    client.output = take
    try:
        last = client.call(command(line))
    finally:
        client.output = before
    return said.decode("utf-8", "replace") + last


def with_tags(client: Client, layout: Layout, values: dict[str, int | None], thread: ThreadId) -> dict[str, int | None]:
    """Register values with the tags of a TAG_MAP stub whose ``g`` does not reach its ``tag_map``."""
    if layout.dialect is not Dialect.TAG_MAP or "tag_map" in values or "tag_map" not in layout.slots:
        return values
    tags = client.call(registers.read_one(layout, "tag_map", thread))
    return layout.with_tags(values | {"tag_map": tags})
