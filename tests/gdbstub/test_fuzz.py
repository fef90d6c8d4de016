"""A short run of the hostile packets; ``python -m tests.gdbstub.fuzz`` runs a million each way."""

from __future__ import annotations

from tests.gdbstub import fuzz


def test_hostile_requests_leave_the_server_standing() -> None:
    assert fuzz.attack_server(15_000, 1) > 5_000


def test_hostile_replies_are_taken_or_told() -> None:
    assert fuzz.attack_client(15_000, 2) > 1_000


def test_hostile_descriptions_are_read_or_told() -> None:
    assert fuzz.attack_descriptions(300, 3) > 10
