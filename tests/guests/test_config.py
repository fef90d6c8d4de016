"""cvm.yaml as the monitor reads it: every key, every default, every limit, and a sentence for everything else."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from cvmdbg.guests.intravisor import config
from cvmdbg.guests.intravisor.config import ConfigError, CvmConfig, parse, strtol


@pytest.fixture(autouse=True, params=["CSafeLoader", "SafeLoader"])
def loader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """libyaml and PyYAML's own reader must agree; the first is not in every PyYAML."""
    if not hasattr(yaml, request.param):
        pytest.skip(f"this PyYAML has no {request.param}")
    monkeypatch.setattr(config, "_LOADER", getattr(yaml, request.param))


ALL_KEYS = (Path(__file__).parent / "full.yaml").read_bytes()


def test_every_key() -> None:
    parsed = parse(ALL_KEYS, "cvm.yaml")
    first, second = parsed.capfiles
    assert (first.name, first.data, first.size, first.addr) == ("test1", "Hello world\n", 0x20, 0)
    assert (second.name, second.data, second.size, second.addr) == ("test2", None, 0x1000, 0x40)
    (cvm,) = parsed.cvms
    assert cvm == CvmConfig(
        line=11,
        name="python",
        disk="disk.img",
        runtime="libmusl-lkl.so",
        net="tap0",
        args="/ld.so /usr/bin/python3.9 /app/helloworld.py",
        callback_in="inner.so",
        callback_out="monitor",
        wait=10,
        clean_room=1,
        libvirt=1,
        base=0x400000000,
        size=0x40000000,
        begin=0x400000000,
        end=0x440000000,
        fork="a",
        template="b",
        resume=3,
        snapshot_path="c",
    )
    assert parsed.warnings == []


def test_defaults() -> None:
    (cvm,) = parse(b"cVMs:\n- name: a\n", "f").cvms
    assert cvm == CvmConfig(line=2, name="a")
    assert (cvm.disk, cvm.runtime, cvm.args, cvm.callback_out, cvm.wait) == (None, None, None, None, 0)


def test_raw_scalars() -> None:
    """No YAML types: 40000000 is hexadecimal, wait is decimal, quotes and words are what they are."""
    text = b"cVMs:\n- name: 0x10\n  wait: 010\n  args: yes\n  isolation: [{size: 40000000, base: '0x4'}]\n"
    (cvm,) = parse(text, "f").cvms
    assert (cvm.name, cvm.wait, cvm.args, cvm.size, cvm.base) == ("0x10", 10, "yes", 0x40000000, 4)


def test_later_values_win_and_texts_warn() -> None:
    text = b"cVMs:\n- name: a\n  name: b\n  wait: 1\n  wait: -1\n  isolation: [{base: 1}, {base: 2}]\n"
    parsed = parse(text, "f")
    assert (parsed.cvms[0].name, parsed.cvms[0].wait, parsed.cvms[0].base) == ("b", -1, 2)
    assert parsed.warnings == ["Warning: duplicate 'name' key."]


def test_several_documents_of_one_kind() -> None:
    names = [c.name for c in parse(b"cVMs:\n- name: a\n---\ncVMs:\n- name: b\n- name: c\n", "f").cvms]
    assert names == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("text", "base", "value"),
    [
        ("0x400", 16, 0x400),
        ("400", 16, 0x400),
        (" \t-0x1f ", 16, -0x1F),
        ("0x", 16, 0),
        ("0xg", 16, 0),
        ("12abc", 10, 12),
        ("+7", 10, 7),
        ("0x10", 10, 0),
        ("", 10, 0),
        ("nothing", 16, 0),
        ("f" * 40, 16, (1 << 63) - 1),
        ("-" + "9" * 40, 10, -(1 << 63)),
        ("- 5", 10, 0),
    ],
)
def test_strtol(text: str, base: int, value: int) -> None:
    assert strtol(text, base) == value


def test_wait_is_a_c_int() -> None:
    assert parse(b"cVMs:\n- wait: 4294967295\n", "f").cvms[0].wait == -1


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"", "f:1: there is no cVM: expected a section cVMs with at least one entry"),
        (b"capfiles:\n- name: a\n", "f:3: there is no cVM"),
        (b"---\n", "f:2: '': expected a section, 'cVMs:' or 'capfiles:'"),
        (b"- a\n", "f:1: a list: expected a section"),
        (b"vms:\n- name: a\n", "f:1: unknown section 'vms': expected cVMs or capfiles"),
        (b"cVMs:\n- name: a\ncapfiles:\n- name: b\n", "f:3: 'capfiles': expected the end of the section: each section"),
        (b"capfiles:\n- name: a\ncVMs:\n- name: b\n", "f:3: 'cVMs': expected the end of the section"),
        (b"cVMs: 3\n", "f:1: '3': expected a list under cVMs"),
        (b"cVMs:\n- 3\n", "f:2: '3' in the list cVMs: expected an entry with keys"),
        (b"cVMs:\n- name: a\n  runtim: b\n", "f:3: unknown key 'runtim' in a cVM: expected one of name, disk,"),
        (b"cVMs:\n- name: [a]\n", "f:2: a list: expected a plain value for name"),
        (b"cVMs:\n- isolation: 3\n", "f:2: '3': expected a list under isolation"),
        (b"cVMs:\n- isolation: {base: 3}\n", "f:2: a mapping: expected a list under isolation"),
        (
            b"cVMs:\n- isolation:\n  - bas: 3\n",
            "f:3: unknown key 'bas' in isolation: expected one of base, size, begin, end",
        ),
        (
            b"capfiles:\n- nam: 3\n",
            "f:2: unknown key 'nam' in a capfile: expected one of name, data, size, addr",
        ),
        (b"cVMs:\n- &x name: a\n- *x : 3\n", "f:3: an alias in a cVM: expected a key"),
        (b"cVMs:\n- {name: a: b\n", "f:2: not YAML: "),
        (b"cVMs:\n\t- name: a\n", "f:2: not YAML: "),
        (b"\xff\xfe\x00", "f: not YAML: "),
        (b'cVMs:\n- name: "\\UFFFFFFFF"\n', "not YAML: "),
        (b"%YAML " + b"9" * 5000 + b".1\n---\ncVMs: []\n", "not YAML: "),
        (b"# " + b"x" * (1 << 16), "f: 65538 bytes are too many for a cvm.yaml: at most 65536"),
        (
            b"capfiles:\n" + b"- name: a\n" * 11 + b"---\ncVMs:\n- name: a\n",
            "11 capfiles are too many: the monitor has",
        ),
    ],
)
def test_sentences(text: bytes, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text, "f")
    said = str(caught.value)
    assert sentence in said
    assert "\n" not in said and len(said) < 400


def test_foreign_text_is_shown_harmless() -> None:
    with pytest.raises(ConfigError) as caught:
        parse(b'cVMs:\n- "\\e[31m' + b"x" * 100 + b'": 3\n', "f")
    assert "\x1b" not in str(caught.value) and len(str(caught.value)) < 300
