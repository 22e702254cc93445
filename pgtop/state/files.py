"""Where pgtop keeps what must outlive it: one directory, 0700, its files 0600.

The usual place is the user's state directory. Where home is absent, read-only or full,
files go to the runtime directory or the temporary one, and whoever wrote is told so.
"""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

APP = "pgtop"


@dataclass(frozen=True, slots=True)
class Written:
    """Where a file ended up."""

    path: Path
    note: str | None = None
    """Why it is not in the usual place."""


class NowhereToWrite(OSError):
    """No directory could take the file; the text says why, for a person."""


def places() -> Iterator[Path]:
    """Directories to try, the usual one first; PGTOP_STATE names another."""
    override = os.environ.get("PGTOP_STATE")
    if override:
        yield Path(override)
    else:
        from platformdirs import user_state_path  # 20 ms: only when something is kept

        try:
            usual = user_state_path(APP)
        except RuntimeError:  # there is no home
            usual = Path("~")
        if usual.is_absolute():  # older platformdirs leave a literal ~ instead
            yield usual
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime:
        yield Path(runtime) / APP
    yield Path(tempfile.gettempdir()) / f"{APP}-{_uid()}"


def _uid() -> int:
    return os.getuid() if hasattr(os, "getuid") else 0


def write(name: str, text: str) -> Written:
    """Write `name` (a path below the state directory) at once or not at all.

    Raises `NowhereToWrite` when no place takes it.
    """
    reasons: list[str] = []
    for place in places():
        try:
            path = _written(place, name, text)
        except OSError as error:
            reasons.append(f"{place}: {_why(error)}")
            continue
        return Written(path, "; ".join(reasons) or None)
    raise NowhereToWrite("; ".join(reasons))


def append(name: str, text: str) -> Written:
    """Add `text` to the end of `name` in the first place that takes it, and see it on the disk.

    Two that append at once lose nothing. Raises `NowhereToWrite`.
    """
    reasons: list[str] = []
    for place in places():
        try:
            path = _appended(place, name, text)
        except OSError as error:
            reasons.append(f"{place}: {_why(error)}")
            continue
        return Written(path, "; ".join(reasons) or None)
    raise NowhereToWrite("; ".join(reasons))


def read(name: str) -> str | None:
    """What the newest copy of `name` in any of the places holds; None where there is none."""
    found: list[tuple[float, Path]] = []
    for place in places():
        path = place / name
        try:
            info = path.lstat()
        except OSError:
            continue
        if stat.S_ISREG(info.st_mode) and _ours(info):
            found.append((info.st_mtime, path))
    for _, path in sorted(found, reverse=True):
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue
    return None


def shown(path: Path) -> str:
    """A path as a person writes it: home is `~`."""
    try:
        return str(Path("~") / path.relative_to(Path.home()))
    except (ValueError, RuntimeError):
        return str(path)


def _written(place: Path, name: str, text: str) -> Path:
    path = place / name
    for directory in (place, *reversed(path.parent.parents), path.parent):
        if directory == place or place in directory.parents:
            _make_private(directory)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")  # is made 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path


def _appended(place: Path, name: str, text: str) -> Path:
    path = place / name
    _make_private(place)
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    handle = os.open(path, flags, 0o600)
    try:
        info = os.fstat(handle)
        if not stat.S_ISREG(info.st_mode) or not _ours(info):
            raise PermissionError(errno.EPERM, "belongs to another user")
        os.fchmod(handle, 0o600)
        os.write(handle, text.encode("utf-8", "backslashreplace"))
        os.fsync(handle)
    finally:
        os.close(handle)
    return path


def _make_private(directory: Path) -> None:
    """Create it for the user alone; refuse one that somebody else prepared."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    info = directory.lstat()
    if not stat.S_ISDIR(info.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, "not a directory of its own")
    if not _ours(info):
        raise PermissionError(errno.EPERM, "belongs to another user")
    if stat.S_IMODE(info.st_mode) & 0o077:
        directory.chmod(0o700)


def _ours(info: os.stat_result) -> bool:
    return not hasattr(os, "getuid") or info.st_uid == os.getuid()


def _why(error: OSError) -> str:
    words = {
        errno.ENOSPC: "the disk is full",
        errno.EDQUOT: "the quota is used up",
        errno.EROFS: "read-only",
        errno.EACCES: "not permitted",
    }
    return words.get(error.errno or 0, error.strerror or type(error).__name__)
