"""manifest.py: writes manifest.json, which says from which sources each program was built.

Run it after a build, from this folder. Tests compare it with what is here.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

ROOT = Path(__file__).parent
COMMON = ["Makefile", "start.S", "memory.c", "work.h", "work.ld"]
WORK = ("lists", "sort", "hash", "json", "bytecode", "nbody", "matmul", "fft", "sha256")
LOOP = ["Makefile", "loop.S", "loop.ld"]
SOURCES = {
    **{f"{name}.elf": [f"{name}.c", *COMMON] for name in WORK},
    "tree.elf": ["tree.py", *COMMON],
    **{f"loop{mode}.elf": LOOP for mode in range(3)},
    **{f"branchy{mode}.elf": ["Makefile", "branchy.py", "loop.ld"] for mode in (0, 2)},
}


def sum_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def manifest() -> dict[str, dict[str, object]]:
    """For each program its own sum and those of its sources."""
    return {
        program: {"sha256": sum_of(ROOT / program), "sources": {name: sum_of(ROOT / name) for name in sorted(sources)}}
        for program, sources in sorted(SOURCES.items())
    }


if __name__ == "__main__":
    (ROOT / "manifest.json").write_text(json.dumps(manifest(), indent=1) + "\n")
