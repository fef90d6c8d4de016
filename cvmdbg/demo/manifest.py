"""manifest.py: writes manifest.json, which says from which sources each built file was made.

Run it after a build, from this folder. A test compares the sums with the files that are here.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

ROOT = Path(__file__).parent
HYBRID = ["hybrid/common/*"]
PURECAP = ["purecap/common/*"]
LIBOS, LDSO = [*PURECAP, "purecap/libos/*"], [*PURECAP, "purecap/ldso/*"]
BARE = ["bare/tube.S", "bare/tube.inc"]
PACKED = ["mkcpio.py"]

SOURCES: dict[str, list[str]] = {
    "hybrid/hello/libhello.so": [*HYBRID, "hybrid/hello/*.c"],
    "hybrid/faults/libfaults.so": [*HYBRID, "hybrid/faults/*.[cS]"],
    "hybrid/lkl/liblkl.so": [*HYBRID, "hybrid/lkl/*.[chS]"],
    "hybrid/net/libnet.so": [*HYBRID, "hybrid/net/*.[ch]"],
    "hybrid/services/libservices.so": [*HYBRID, "hybrid/services/*.[cS]", "hybrid/net/hostcalls.h"],
    "hybrid/threads/libthreads.so": [*HYBRID, "hybrid/threads/*.[cS]"],
    "hybrid/two_layers/libouter.so": [*HYBRID, "hybrid/two_layers/outer.c", "hybrid/two_layers/handler.S"],
    "hybrid/two_layers/libinner.so": [*HYBRID, "hybrid/two_layers/inner.c", "hybrid/two_layers/stub.S"],
    "purecap/libhello/app1": [*PURECAP, "purecap/libhello/app1.S"],
    "purecap/libhello/libso_test.so": [*PURECAP, "purecap/libhello/libso_test.S"],
    "purecap/dlopen/app1": [*PURECAP, "purecap/dlopen/app1.S"],
    "purecap/dlopen/libplugin.so": [*PURECAP, "purecap/dlopen/libplugin.S"],
    "purecap/files/app1": [*PURECAP, "purecap/files/app1.S"],
    "purecap/overrun/app1": [*PURECAP, "purecap/overrun/app1.S"],
    "purecap/libhello/root.cpio": [*PACKED, "purecap/libhello/app1", "purecap/libhello/libso_test.so"],
    "purecap/dlopen/root.cpio": [
        *PACKED,
        "purecap/dlopen/app1",
        "purecap/dlopen/libplugin.so",
        "purecap/libhello/libso_test.so",
    ],
    "purecap/files/root.cpio": [*PACKED, "purecap/files/app1"],
    "purecap/overrun/root.cpio": [*PACKED, "purecap/overrun/app1"],
    "bare/hello.elf": [*BARE, "bare/hello.S"],
    "bare/fault.elf": [*BARE, "bare/fault.S"],
    "bare/tags.elf": [*BARE, "bare/tags.S"],
}
for guest in ("libhello", "dlopen", "files", "overrun"):
    SOURCES |= {f"purecap/{guest}/libos.so": LIBOS, f"purecap/{guest}/libldso.so": LDSO}
for name in ("outer", "inner"):
    SOURCES[f"hybrid/two_layers/lib{name}.so"].append("hybrid/two_layers/syscalls.h")


def sum_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def manifest() -> dict[str, dict[str, object]]:
    """For each built file its own sum and those of its sources."""
    return {
        binary: {
            "sha256": sum_of(ROOT / binary),
            "sources": {
                str(path.relative_to(ROOT)): sum_of(path)
                for path in sorted({p for pattern in patterns for p in ROOT.glob(pattern)})
            },
        }
        for binary, patterns in sorted(SOURCES.items())
    }


if __name__ == "__main__":
    (ROOT / "manifest.json").write_text(json.dumps(manifest(), indent=1) + "\n")
