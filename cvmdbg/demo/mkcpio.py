"""mkcpio.py ARCHIVE NAME=FILE...: writes a newc cpio archive, the same bytes every time. NAME/ is a directory."""

import sys
from pathlib import Path


def entry(number: int, name: str, mode: int, content: bytes = b"") -> bytes:
    """One entry: header of 110 characters, name, contents, both padded to 4."""
    path = name.encode() + b"\0"
    fields = [number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(path), 0]
    out = b"070701" + b"".join(b"%08x" % field for field in fields) + path
    out += b"\0" * (-len(out) % 4) + content
    return out + b"\0" * (-len(out) % 4)


def main(archive: str, *pairs: str) -> None:
    """Packs the files in the order given."""
    out = entry(1, ".", 0o40755)
    for number, pair in enumerate(pairs, 2):
        name, _, path = pair.partition("=")
        if name.endswith("/"):
            out += entry(number, name[:-1], 0o40755)
        else:
            out += entry(number, name, 0o100755, Path(path).read_bytes())
    out += entry(0, "TRAILER!!!", 0)
    Path(archive).write_bytes(out + b"\0" * (-len(out) % 512))


if __name__ == "__main__":
    main(*sys.argv[1:])
