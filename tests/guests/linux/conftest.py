"""Debian's AArch64 packages, unpacked into a folder that the tests only read.

``CVMDBG_ARM64_ROOT`` names a prepared root. Otherwise the packages come through an apt state of their own, into the
user's cache: the machine's packages and lists are not touched.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import platformdirs
import pytest

PACKAGES = (
    *("busybox-static", "libc6", "musl", "libgcc-s1", "libstdc++6", "libcrypt1", "zlib1g", "libssl3", "libexpat1"),
    *("libffi8", "libbz2-1.0", "liblzma5", "libuuid1", "libreadline8", "libtinfo6", "libncursesw6", "libdb5.3"),
    *("python3.11", "python3.11-minimal", "libpython3.11-stdlib", "libpython3.11-minimal", "libpython3.11-testsuite"),
    *("sqlite3", "libsqlite3-0", "lua5.4", "redis-server", "redis-tools", "libjemalloc2", "liblzf1", "libatomic1"),
    *("libhiredis0.14", "liblua5.1-0", "lua-bitop", "lua-cjson", "libsystemd0", "libcap2", "libgcrypt20"),
    *("libgpg-error0", "liblz4-1", "libzstd1"),
)
DONE = ".complete"
APT = """APT::Architecture "arm64";
APT::Architectures {{ "arm64"; }};
APT::Sandbox::User "root";
Dir::State "{state}";
Dir::State::status "{state}/status";
Dir::Cache "{state}/cache";
"""


def _fetch(folder: Path) -> str | None:
    """Unpacks the packages into ``folder``/root; a sentence when that cannot be done."""
    missing = [tool for tool in ("apt-get", "dpkg-deb") if shutil.which(tool) is None]
    if missing:
        return f"there is no {missing[0]} on this machine"
    state = folder / "apt"
    for part in ("lists/partial", "cache/archives/partial", "debs"):
        (state / part).mkdir(parents=True, exist_ok=True)
    (state / "status").touch()
    (state / "apt.conf").write_text(APT.format(state=state))
    environment = {"PATH": os.environ["PATH"], "APT_CONFIG": str(state / "apt.conf"), "LC_ALL": "C"}
    for command in (["update"], ["download", *PACKAGES]):
        done = subprocess.run(
            ["apt-get", "-q", *command],
            cwd=state / "debs",
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
        )
        if done.returncode:
            return f"apt-get {command[0]} failed: {(done.stderr.strip() or done.stdout).splitlines()[-1]}"
    for package in sorted((state / "debs").glob("*.deb")):
        subprocess.run(["dpkg-deb", "-x", str(package), str(folder / "root")], check=True)
    (folder / DONE).touch()
    return None


@pytest.fixture(scope="session")
def debian() -> Iterator[Path]:
    """The root with Debian's packages, or a skip that says why there is none."""
    prepared = os.environ.get("CVMDBG_ARM64_ROOT")
    if prepared:
        yield Path(prepared)
        return
    folder = Path(platformdirs.user_cache_dir("cvmdbg")) / "arm64"
    if not (folder / DONE).exists():
        try:
            reason = _fetch(folder)
        except (OSError, subprocess.SubprocessError) as error:
            reason = str(error)
        if reason is not None:
            pytest.skip(f"no AArch64 packages of Debian: {reason}; CVMDBG_ARM64_ROOT can name a prepared root")
    yield folder / "root"


@pytest.fixture(scope="session")
def qemu() -> str:
    """qemu-aarch64, the oracle of what a program prints; ``CVMDBG_QEMU_AARCH64`` names another."""
    found = os.environ.get("CVMDBG_QEMU_AARCH64") or shutil.which("qemu-aarch64")
    if found is None:
        pytest.skip("no qemu-aarch64: install qemu-user or name it with CVMDBG_QEMU_AARCH64")
    return found
