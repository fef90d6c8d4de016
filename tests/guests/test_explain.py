"""Each fault of the faults guest, explained at the shell, against what the architecture says it must be."""

from __future__ import annotations

import json

import pytest

from cvmdbg import cli, demo

FAULTS = json.loads((demo.ROOT / "hybrid/faults/expected.json").read_text())
COMPARED = ("kind", "access", "size", "register", "pc", "function", "offset", "compartment", "cause")


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_explain(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    want = FAULTS[name]
    status = cli.main(["run", "demo:faults", "--json", "-ex", "run", "-ex", "explain", "--", name])
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert status == 0 and [a["command"] for a in answers] == ["run", "explain"] and all(a["ok"] for a in answers)
    found = answers[-1]["result"]
    assert {key: found[key] for key in COMPARED} == {key: want[key] for key in COMPARED}
    assert found["capability"] is None or found["capability"].pop("bits")
    assert found["capability"] == want["capability"]
    assert found["failed_checks"] == want.get("failed_checks", [])
    assert found["immediate"] == want.get("immediate")
    if "address_range" in want:
        low, high = (int(bound, 16) for bound in want["address_range"])
        assert low <= int(found["address"], 16) < high
    else:
        assert found["address"] == want["address"]
