"""The README names what can be set for the tests, and commands that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cvmdbg.cli import main

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_variable_that_tests_read_is_named() -> None:
    pattern = re.compile(
        r'environ(?:\.get\(|\[)\s*"((?:CVMDBG|MORELLO|QEMU)_\w+)"|getenv\(\s*"((?:CVMDBG|MORELLO|QEMU)_\w+)"'
    )
    read = {a or b for path in ROOT.glob("tests/**/*.py") for a, b in pattern.findall(path.read_text(encoding="utf-8"))}
    read -= {"CVMDBG_UPDATE_GOLDEN"}  # what a failing golden test itself says
    assert read, "the pattern finds what is there"
    assert {name for name in read if f"`{name}`" not in README} == set()


@pytest.mark.parametrize("tool", sorted(set(re.findall(r"^cvmdbg (\w+)", README, re.MULTILINE))))
def test_every_command_that_is_shown_exists(tool: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([tool, "--help"])
    assert ended.value.code == 0
    assert tool in capsys.readouterr().out
