"""A cvm.yaml that names a Linux program."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from cvmdbg.guests.intravisor.config import ConfigError
from cvmdbg.guests.opening import open_guest
from cvmdbg.targets.emulator import EmulatorTarget
from tests.guests.linux.board import program
from tests.guests.linux.running import PROGRAMS, Ran, finish

TEXT = """cVMs:
  - name: "app"
    runtime: "{runtime}"
    {more}
    args: "/ld.so one two"
    isolation:
      - base: {base}
        size: {size}
        begin: {base}
        end: {end}
"""


def write(folder: Path, runtime: str, more: str = "", base: int = 0x440000000, size: int = 0x40000000) -> Path:
    """A folder with a cvm.yaml."""
    numbers = {"base": hex(base), "size": hex(size), "end": hex(base + size)}
    (folder / "cvm.yaml").write_text(TEXT.format(runtime=runtime, more=more or "wait: 0", **numbers))
    return folder


def run(folder: Path) -> Ran:
    target = EmulatorTarget(open_guest(str(folder)))
    target.input.end()
    return finish(target)


def test_a_program_of_the_disk_runs_in_the_cvm_of_the_file(debian: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "disk.tar.gz", "w:gz") as disk:
        disk.add(PROGRAMS / "hello", "usr/bin/hello")
        for path in ("lib/ld-linux-aarch64.so.1", "lib/aarch64-linux-gnu/libc.so.6"):
            disk.add((debian / path).resolve(), path)
    ran = run(write(tmp_path, "/usr/bin/hello", 'disk: "disk.tar.gz"'))
    assert ran.text == "0 /usr/bin/hello\n1 one\n2 two\n"
    assert {call.layer for call in ran.calls} == {"17→16"}


def test_a_program_beside_the_file_has_the_disk_for_its_root(debian: Path, tmp_path: Path) -> None:
    (tmp_path / "disk").symlink_to(debian)
    (tmp_path / "hello").write_bytes((PROGRAMS / "hello").read_bytes())
    (tmp_path / "hello").chmod(0o755)
    with pytest.raises(ConfigError, match="disk 'disk' is no folder or archive in"):
        open_guest(str(write(tmp_path, "hello", 'disk: "disk"')))


@pytest.mark.parametrize(
    ("more", "base", "size", "sentence"),
    [
        ('net: "tap0"', 0x440000000, 0x40000000, "has net 'tap0', expected loopback"),
        ("", 0x440001000, 0x40000000, "a base that is a multiple of it"),
        ("", 0x40000000, 0x40000000, "expected a base above the LibOS"),
        ("", 0x440000000, 0x30000000, "expected a size of at least 0x40000000"),
    ],
)
def test_what_cannot_be_is_said(tmp_path: Path, more: str, base: int, size: int, sentence: str) -> None:
    (tmp_path / "program").write_bytes(program())
    (tmp_path / "program").chmod(0o755)
    with pytest.raises(ConfigError, match=sentence):
        open_guest(str(write(tmp_path, "program", more, base, size)))
