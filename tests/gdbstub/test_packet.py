"""Framing: what is sent arrives, in pieces of any size; what is damaged is said to be, and nothing else breaks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gdbstub.packet import Decoder, Frame, Kind, checksum, encode, expand


@given(st.lists(st.binary(max_size=60), max_size=6), st.lists(st.integers(1, 9), min_size=1, max_size=50))
def test_packets_survive_any_cutting(payloads: list[bytes], cuts: list[int]) -> None:
    wire = b"".join(encode(p) for p in payloads)
    decoder, frames, at, turn = Decoder(), list[Frame](), 0, 0
    while at < len(wire):
        size = cuts[turn % len(cuts)]
        frames += decoder.feed(wire[at : at + size])
        at, turn = at + size, turn + 1
    assert frames == [Frame(Kind.PACKET, p) for p in payloads]


@given(st.binary(min_size=1, max_size=40), st.data())
def test_one_changed_byte_never_passes_as_the_same_packet(payload: bytes, choice: st.DataObject) -> None:
    wire = bytearray(encode(payload))
    position = choice.draw(st.integers(1, len(wire) - 4))
    wire[position] = choice.draw(st.integers(0, 255).filter(lambda b: b != wire[position]))
    assert Frame(Kind.PACKET, payload) not in Decoder().feed(bytes(wire))


@given(st.binary(max_size=2000))
def test_noise_gives_frames_and_leaves_the_decoder_usable(noise: bytes) -> None:
    decoder = Decoder(limit=64)
    decoder.feed(noise)
    assert decoder.feed(b"#00" + encode(b"ok") + encode(b"ok"))[-1] == Frame(Kind.PACKET, b"ok")


def test_marks_between_packets() -> None:
    frames = Decoder().feed(b"+-\x03noise" + encode(b"Stop:T05", notification=True))
    assert [f.kind for f in frames] == [Kind.ACK, Kind.NAK, Kind.INTERRUPT, Kind.NOTIFICATION]
    assert frames[-1].payload == b"Stop:T05"


def test_run_length_as_in_the_manual() -> None:
    assert expand(b"0* ", 10) == b"0000"


@pytest.mark.parametrize(
    ("wire", "sentence"),
    [
        (b"ab}", "ends inside an escape"),
        (b"a*", "ends inside a repeat"),
        (b"*!", "needs a byte before it"),
        (b"a*\x1f", "needs a byte before it"),
        (b"a*~a*~", "longer than 100 bytes"),
    ],
)
def test_malformed_payloads_say_what_is_wrong(wire: bytes, sentence: str) -> None:
    frame = Decoder(limit=100).feed(b"$" + wire + b"#%02x" % checksum(wire))[0]
    assert frame.kind is Kind.BAD
    assert sentence in frame.payload.decode()


def test_a_packet_that_never_ends_is_given_up() -> None:
    frames = Decoder(limit=100).feed(b"$" + b"x" * 101)
    assert [f.kind for f in frames] == [Kind.BAD]
