"""Our client against our server in memory: every family, in the three dialects of capability registers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gdbstub import inspection
from gdbstub.call import Call, LinkLost, Malformed, ProtocolError, StubError, Unsupported
from gdbstub.client import Cancelled, Client
from gdbstub.commands import breakpoints, capabilities, features, lldb, memory, monitor, registers, resuming, threads
from gdbstub.commands.breakpoints import PointKind
from gdbstub.commands.resuming import Action
from gdbstub.conversation import Conversation, Repaired
from gdbstub.description import Dialect
from gdbstub.layout import Layout
from gdbstub.server import Server
from gdbstub.stops import Stopped
from gdbstub.thread import ThreadId
from tests.gdbstub.board import BASE, CODE, SIZE, TAG, Board, Deaf, Loop, pair

FIRST, SECOND = ThreadId(1, 1), ThreadId(2, 1)
DIALECTS = {"stock": Dialect.TAG_MAP, "morello": Dialect.TAG_FIRST, "lldb-morello": Dialect.BITS129}


@pytest.mark.parametrize("name", DIALECTS)
def test_capability_registers_in_every_dialect(name: str) -> None:
    client, board = pair(name)
    layout = inspection.find_layout(client)
    assert layout.dialect is DIALECTS[name]
    for number, thread in enumerate((FIRST, SECOND)):
        client.call(threads.select(thread))
        values = inspection.with_tags(client, layout, client.call(registers.read_all(layout)), thread)
        board_values = board.values[number]
        assert {n: values[n] for n in board_values} == board_values
        assert values["x1"] == 0x5678
        assert values["pc"] == CODE


@pytest.mark.parametrize("name", DIALECTS)
@given(value=st.integers(0, (1 << 129) - 1))
def test_a_written_capability_is_read_back(name: str, value: int) -> None:
    client, board = pair(name)
    layout = inspection.find_layout(client)
    client.call(registers.write_one(layout, "c7", value))
    raw = client.call(registers.read_one(layout, "c7"))
    if layout.dialect is Dialect.TAG_MAP:
        assert raw == value & TAG - 1
        client.call(registers.write_one(layout, "tag_map", value >> 128 << 7))
    assert board.values[0]["c7"] == value
    assert client.call(registers.read_all(layout))["c7"] == value


def test_all_registers_at_once_change_only_what_differs() -> None:
    client, board = pair()
    layout = inspection.find_layout(client)
    before = [dict(values) for values in board.values]
    block = client.call(registers.read_block())
    slot = layout.slots["x5"]
    client.call(registers.write_block(block[: slot.offset] + b"\x07" + block[slot.offset + 1 :]))
    assert board.values[0] == before[0] | {"c5": 7}
    assert board.values[1] == before[1]


@given(st.binary(max_size=3000), st.integers(0, SIZE))
def test_memory(content: bytes, offset: int) -> None:
    client, _ = pair()
    if offset + len(content) > SIZE:
        with pytest.raises(StubError):
            client.call(memory.write(BASE + offset, content))
        return
    client.batch([memory.write(BASE + offset, content), memory.write(BASE + offset, content, raw=True)])
    assert inspection.read_memory(client, BASE + offset, len(content)) == content
    if content:
        assert client.call(memory.read_raw(BASE + offset, len(content))) == content


def test_memory_ends_where_it_ends() -> None:
    client, _ = pair()
    assert inspection.read_memory(client, BASE + SIZE - 10, 100) == bytes(10)
    assert len(inspection.read_memory(client, BASE, 2 * SIZE)) == SIZE
    with pytest.raises(StubError, match="not mapped"):
        inspection.read_memory(client, BASE - 1, 4)
    with pytest.raises(StubError):
        client.call(memory.read_raw(BASE + SIZE, 8))


def test_only_a_client_without_capabilities_reads_relative_to_ddc() -> None:
    for kind, found in (("stock", True), ("morello", False), ("lldb-morello", False)):
        board = Board()
        board.relative = True
        board.write(BASE + 0x40, b"here")
        client, _ = pair(kind, board)
        if found:
            assert client.call(memory.read(0x40, 4)) == b"here"
            client.call(memory.write(0x40, b"gone"))
            assert board.read(BASE + 0x40, 4) == b"gone"
        else:
            with pytest.raises(StubError, match="not mapped"):
                client.call(memory.read(0x40, 4))


@given(st.integers(0, (1 << 129) - 1), st.integers(0, SIZE // 16 - 1))
def test_capabilities_in_memory(value: int, granule: int) -> None:
    client, _ = pair()
    address = BASE + granule * 16
    client.call(capabilities.write(address, value))
    assert client.call(capabilities.read(address)) == value
    client.call(memory.write(address + 3, b"x"))
    assert client.call(capabilities.read(address)) >> 128 == 0


def test_a_capability_is_aligned() -> None:
    client, _ = pair()
    with pytest.raises(ValueError, match="aligned"):
        capabilities.read(BASE + 8)
    with pytest.raises(StubError, match="aligned"):
        client.call(Call(b"qXfer:capa:read:10008:0,11", bytes))


def test_threads() -> None:
    client, _ = pair()
    assert inspection.list_threads(client) == (FIRST, SECOND)
    assert client.call(threads.current()) == FIRST
    assert client.call(threads.describe(SECOND)) == "board/1"
    assert client.call(threads.is_alive(SECOND)) is None
    with pytest.raises(StubError):
        client.call(threads.is_alive(ThreadId(3, 1)))
    with pytest.raises(StubError):
        client.call(threads.select(ThreadId(1, 2)))


def test_a_step_moves_one_thread() -> None:
    client, board = pair()
    stop = client.run(resuming.resume(Action("s", SECOND)))
    assert isinstance(stop, Stopped)
    assert (stop.thread, stop.signal) == (SECOND, 5)
    assert [values["c0"] for values in board.values] == [0, 1]
    assert dict(stop.registers)[32] == (CODE + 4).to_bytes(8, "little")
    assert client.call(resuming.why()) == stop


def test_a_range_is_stepped_by_the_server() -> None:
    client, board = pair()
    stop = client.run(resuming.resume(Action("r", FIRST, range=(CODE, CODE + 0x40))))
    assert board.steps == 16
    assert isinstance(stop, Stopped)


def test_continue_stops_at_breakpoints_only_while_they_are_there() -> None:
    client, board = pair()
    place = (PointKind.SOFTWARE, CODE + 0x20, 4)
    client.call(breakpoints.insert(*place))
    client.call(breakpoints.insert(PointKind.HARDWARE, CODE + 0x20, 4))
    client.call(breakpoints.remove(*place))
    stop = client.run(resuming.resume(Action("c")))
    assert isinstance(stop, Stopped)
    assert stop.reason("hwbreak") is not None
    client.call(breakpoints.remove(PointKind.HARDWARE, CODE + 0x20, 4))
    assert board.breakpoints == set()
    with pytest.raises(StubError):
        client.call(breakpoints.remove(*place))


def test_a_condition_is_judged_by_the_server() -> None:
    """``x0 == 3 * 1024 + 8``: the fourth time that the page comes round."""
    client, board = pair()
    wanted = 3 * 1024 + 8
    code = b"\x26\x00\x00\x23" + wanted.to_bytes(2, "big") + b"\x13\x27"
    client.call(breakpoints.insert(PointKind.SOFTWARE, CODE + 0x20, 4, (code,)))
    client.resume(resuming.resume(Action("c")))
    while (stop := client.wait(0.1)) is None:
        pass
    assert isinstance(stop, Stopped)
    assert board.values[0]["c0"] == wanted


def test_a_run_is_interrupted_and_its_output_heard() -> None:
    heard: list[bytes] = []
    client, _ = pair(output=heard.append)
    client.resume(resuming.resume(Action("c")))
    assert client.wait(0) is None
    with pytest.raises(ProtocolError, match="runs"):
        client.call(threads.current())
    client.interrupt()
    stop = client.wait(1)
    assert isinstance(stop, Stopped)
    assert stop.signal == 2
    assert heard and set(b"".join(heard).split()) == {b"tick"}
    assert client.call(threads.current()) == FIRST


def test_watchpoints_are_counted() -> None:
    client, board = pair()
    for n in range(4):
        client.call(breakpoints.insert(PointKind.WRITE, BASE + n * 8, 8))
    with pytest.raises(StubError, match="all watchpoints"):
        client.call(breakpoints.insert(PointKind.READ, BASE, 8))
    client.call(breakpoints.remove(PointKind.WRITE, BASE, 8))
    assert len(board.watched) == 3


def test_files_are_the_targets_own() -> None:
    client, _ = pair()
    assert inspection.read_file(client, "/board.elf") == b"\x7fELF of the board" * 5000
    assert inspection.read_file(client, "/etc/passwd") is None
    assert inspection.read_object(client, "exec-file") == b"/board.elf"


def test_monitor_output_comes_before_the_reply() -> None:
    heard: list[bytes] = []
    client, _ = pair(output=heard.append)
    assert client.call(monitor.command("héllo")) == ""
    assert b"".join(heard).decode() == "you said héllo\n"


def test_regions() -> None:
    client, _ = pair()
    assert client.call(lldb.region(BASE + 5)) == lldb.RegionInfo(BASE, SIZE, "rwx")
    assert client.call(lldb.region(0)) == lldb.RegionInfo(0, BASE, "")
    assert client.call(lldb.region(BASE + SIZE)).prot == ""


def test_letting_go() -> None:
    client, board = pair()
    client.call(breakpoints.insert(PointKind.SOFTWARE, CODE, 4))
    client.call(resuming.detach(1))
    assert (board.left, board.breakpoints) == ("detached", set())


def test_what_a_peer_lacks_is_unsupported() -> None:
    client, _ = pair()
    with pytest.raises(Unsupported):
        client.call(resuming.go_back(step=True))
    with pytest.raises(Unsupported):
        client.call(Call(b"QNonStop:1", bytes))


def test_without_no_ack_mode_packets_are_acknowledged() -> None:
    board = Board()
    link = Loop(Server(board))
    client = Client(link)
    client.start(no_ack=False)
    assert client.batch([memory.read(BASE, 4), threads.current()]) == [bytes(4), FIRST]
    assert link.sent.count(b"+") >= 4


def test_a_batch_is_one_write() -> None:
    board = Board()
    link = Loop(Server(board))
    client = Client(link)
    client.start()
    link.sent.clear()
    client.batch([memory.read(BASE, 4)] * 100)
    assert len(link.sent) == 1


def test_a_silent_link_is_reported_and_a_cancelled_wait_ends() -> None:
    client = Client(Deaf(), timeout=0.01, retries=2, settle=0.001)
    with pytest.raises(LinkLost, match="does not answer"):
        client.call(threads.current())
    assert client.repeated == 2
    client = Client(Deaf(), timeout=100, cancelled=lambda: True)
    with pytest.raises(Cancelled):
        client.call(threads.current())


def test_a_step_is_never_repeated_on_its_own() -> None:
    client = Client(Deaf(), timeout=0.01, retries=5)
    with pytest.raises(LinkLost, match="tried 1 times"):
        client.call(resuming.resume(Action("s", FIRST)))


def test_an_impossible_reply_is_asked_for_again_then_told() -> None:
    class Odd(Deaf):
        def __init__(self) -> None:
            self.asked = 0
            self.ready = b""

        def send(self, content: bytes) -> None:
            if content.startswith(b"$"):
                self.asked += 1
                self.ready = b"+$zz#f4"

        def receive(self, timeout: float | None) -> bytes:
            content, self.ready = self.ready, b""
            return content

    link = Odd()
    client = Client(link, settle=0.001)
    with pytest.raises(Malformed, match="two hex digits"):
        client.call(memory.read(0, 1))
    assert link.asked == 2


def test_acknowledged_packets_are_sent_again_on_request() -> None:
    conversation = Conversation()
    conversation.ask(b"g")
    assert conversation.outgoing() == b"$g#67"
    assert conversation.feed(b"-") == [Repaired()]
    assert conversation.outgoing() == b"$g#67"
    assert conversation.feed(b"+$00#61") == [Repaired()]
    assert conversation.outgoing() == b"-"
    assert [h.payload for h in conversation.feed(b"$00#60") if hasattr(h, "payload")] == [b"00"]
    assert conversation.outgoing() == b"+"


def test_the_layout_of_a_morello_target_is_ctsrd_gdbs() -> None:
    """40 registers of the capability feature, 17 bytes each, then cctlr."""
    client, _ = pair("morello")
    layout = inspection.find_layout(client)
    feature = layout.description.features[-1]
    assert feature.name == "org.gnu.gdb.aarch64.capability"
    assert [r.name for r in feature.registers][-9:] == [
        "csp", "pcc", "ddc", "ctpidr", "rcsp", "rddc", "rctpidr", "cid", "cctlr",
    ]  # fmt: skip
    assert len(feature.registers) == 40
    assert layout.block_size == 268 + 32 * 16 + 8 + 39 * 17 + 8


def test_features_are_spelled_both_ways() -> None:
    offered: dict[str, bool | str] = {"a": True, "b": False, "c": "1", "d": "?"}
    assert features.unspell(features.spell(offered)) == offered
    assert features.spell(offered) == b"a+;b-;c=1;d?"


def test_unknown_registers_are_none() -> None:
    layout = Layout(Board().description(Dialect.TAG_FIRST, True))
    block = layout.write_block({"x0": 5, "x1": None})
    values = layout.read_block(block)
    assert (values["x0"], values["x1"], values["c0"]) == (5, None, None)
