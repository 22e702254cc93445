"""The user's settings: flags over environment over profile over config.toml over defaults."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

FILE_NAME = "config.toml"

CLIPBOARDS = ("auto", "tmux", "osc52", "pyperclip", "file")
"""The ladder, or one rung of it and the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What can be set. Every field is a key of config.toml, of a profile and of `PGTOP_*`."""

    interval: float = 2.0
    """Seconds between two readings of the visible tab."""

    theme: str = "auto"
    """A Textual theme, `dark`, `light`, `ansi`, or `auto`."""

    ascii: bool = False
    """Draw with ASCII alone."""

    allow_actions: bool = False
    """Let the screen cancel, terminate and ANALYZE, each after a question."""

    mouse: bool = True
    """Take mouse events; without, the terminal's own selection works as ever."""

    clipboard: str = "auto"
    """`auto`, or one way and the file: `tmux`, `osc52`, `pyperclip`, `file`."""

    conninfo: str = ""
    """Where to connect when the command line does not say."""

    pgbouncer: str = ""
    """Where PgBouncer's console is, for its pools; its database is `pgbouncer` by itself."""

    keys: Mapping[str, str] = field(default_factory=dict)
    """Binding id -> key."""


class ConfigError(Exception):
    """The file cannot be used; the text says where and why."""


def config_path() -> Path:
    """Where config.toml is looked for: PGTOP_CONFIG, else the user's config directory."""
    override = os.environ.get("PGTOP_CONFIG")
    if override:
        return Path(override)
    from platformdirs import user_config_path  # 20 ms: only where a file is looked for

    return user_config_path("pgtop") / FILE_NAME


def load(profile: str | None = None, flags: Mapping[str, Any] | None = None) -> Config:
    """The settings in force. `flags` holds what the command line set. Raises `ConfigError`."""
    path = config_path()
    document = _document(path)
    config = _apply(Config(), document, path, ignore={"profile"})
    if profile is not None:
        profiles = document.get("profile", {})
        if profile not in profiles:
            known = ", ".join(sorted(profiles)) or "none"
            raise ConfigError(f"{path}: there is no profile {profile!r} (there: {known})")
        config = _apply(config, profiles[profile], path)
    for spec in fields(Config):
        value = os.environ.get(f"PGTOP_{spec.name.upper()}")
        if value is not None and spec.name not in ("keys", "conninfo", "pgbouncer"):
            config = _apply(config, {spec.name: _parsed(spec.name, value)}, Path("environment"))
    chosen = {name: value for name, value in (flags or {}).items() if value is not None}
    return _apply(config, chosen, Path("command line"))


def _document(path: Path) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: {error}") from error


def _parsed(name: str, value: str) -> Any:
    default = getattr(Config(), name)
    if isinstance(default, bool):
        return value.lower() in ("1", "true", "yes", "on")
    if isinstance(default, float):
        try:
            return float(value)
        except ValueError as error:
            raise ConfigError(f"PGTOP_{name.upper()}={value!r} is no number") from error
    return value


def _apply(
    config: Config, values: Mapping[str, Any], path: Path, ignore: set[str] | None = None
) -> Config:
    known = {spec.name for spec in fields(Config)}
    for name, value in values.items():
        if ignore and name in ignore:
            continue
        if name not in known:
            raise ConfigError(f"{path}: unknown key {name!r}; known: {', '.join(sorted(known))}")
        default = getattr(Config(), name)
        number = isinstance(default, float) and isinstance(value, (int, float))
        if not number and not isinstance(value, type(default)):
            kind = type(default).__name__
            raise ConfigError(f"{path}: {name} = {value!r} should be of type {kind}")
        if name == "clipboard" and value not in CLIPBOARDS:
            known_ways = ", ".join(CLIPBOARDS)
            raise ConfigError(f"{path}: clipboard = {value!r} should be one of {known_ways}")
        if name == "interval" and not 0.2 <= value <= 3_600:
            raise ConfigError(f"{path}: interval = {value} should be from 0.2 to 3600 seconds")
    return replace(config, **{name: value for name, value in values.items() if name in known})
