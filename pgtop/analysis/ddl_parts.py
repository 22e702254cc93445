"""What a DDL statement does, and to what: enough of its grammar to order and translate it.

Reads the statements that pgtop itself recommends (`advice.ddl`) and those that
pg_get_indexdef writes. What it does not know is `other`: kept as text, never guessed at.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pgtop.analysis.names import literal, quote
from pgtop.terminal.safe import safe

Verb = Literal[
    "create index", "drop index", "reindex", "set options", "reset options", "set statistics",
    "analyze", "vacuum", "create statistics", "drop statistics", "session", "other",
]  # fmt: skip

_TOKEN = re.compile(
    r"""(?P<space>\s+|--[^\n]*|/\*.*?\*/)
    |(?P<name>(?:[uU]&)?"(?:[^"]|"")*")
    |(?P<string>(?:[eE]'(?:[^'\\]|''|\\.)*'|(?:[uUbBxX]&?)?'(?:[^']|'')*'|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$))
    |(?P<word>[^\W\d][\w$]*)
    |(?P<other>\d[\w.]*|::|.)""",
    re.VERBOSE | re.DOTALL,
)
_UNICODE = re.compile(r"\\(?:\\|\+([0-9A-Fa-f]{6})|([0-9A-Fa-f]{4}))")


@dataclass(frozen=True, slots=True)
class Name:
    """A relation's name as the catalogue holds it, and as the statement writes it."""

    schema: str | None
    name: str
    sql: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """One statement, taken apart."""

    sql: str
    verb: Verb
    name: Name | None = None
    """The index or statistics object."""

    table: Name | None = None
    concurrently: bool = False
    unique: bool = False
    method: str = "btree"
    keys: tuple[str, ...] = ()
    """Index columns as written: `user_id`, `created_at DESC`, `lower(email)`."""

    include: tuple[str, ...] = ()
    where: str = ""
    with_options: str = ""
    options: Mapping[str, str | None] = field(default_factory=dict)
    """What SET gives, by name; None for what RESET takes away."""

    @property
    def in_block(self) -> bool:
        """Whether it may run inside a transaction block."""
        if self.verb == "vacuum":
            return False
        if self.verb == "other":
            return not re.search(r"\bCONCURRENTLY\b|^ALTER SYSTEM\b", self.sql, re.IGNORECASE)
        return not self.concurrently

    @property
    def target(self) -> Name | None:
        """The object it makes, changes or takes away."""
        if self.name is None:
            return self.table
        if self.name.schema is None and self.table is not None and self.table.schema is not None:
            # A new index lives in its table's schema.
            schema = self.table.sql[: -len(_last_part(self.table.sql))]
            return Name(self.table.schema, self.name.name, schema + self.name.sql)
        return self.name


def understood(sql: str) -> Parts:
    """`sql` taken apart; verb `other` where it is none of those that pgtop recommends."""
    text = sql.strip().rstrip(";").strip()
    reader = _Reader(text)
    try:
        return _parse(reader, sql)
    except _NotKnown:
        return Parts(sql=sql, verb="other")


class _NotKnown(Exception):
    """The statement is another one than it looked like."""


class _Reader:
    """Tokens, and where they stand."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = [
            (match.lastgroup or "", match.start(), match.end())
            for match in _TOKEN.finditer(text)
            if match.lastgroup != "space" and match.group("space") is None
        ]
        self.at = 0

    def word(self, offset: int = 0) -> str:
        """The token here, in capitals if it is a keyword; '' at the end."""
        if self.at + offset >= len(self.tokens):
            return ""
        _, start, end = self.tokens[self.at + offset]
        text = self.text[start:end]
        return text if text.startswith(('"', "U&", "u&")) else text.upper()

    def take(self, *words: str) -> bool:
        """Step over these words if they come next."""
        if all(self.word(i) == word for i, word in enumerate(words)):
            self.at += len(words)
            return True
        return False

    def need(self, *words: str) -> None:
        if not self.take(*words):
            raise _NotKnown

    def name(self) -> Name:
        """A name with or without its schema."""
        parts = [self._one()]
        while self.take("."):
            parts.append(self._one())
        if len(parts) > 2:
            raise _NotKnown
        schema = unquoted(parts[0]) if len(parts) == 2 else None
        return Name(schema, unquoted(parts[-1]), ".".join(parts))

    def _one(self) -> str:
        if not self.word():
            raise _NotKnown
        _, start, end = self.tokens[self.at]
        text = self.text[start:end]
        if not (text[0] in '"_uU' or text[0].isalpha()):
            raise _NotKnown
        self.at += 1
        return text

    def group(self) -> str:
        """What the brackets here hold."""
        self.need("(")
        first = self.at
        depth = 1
        while depth:
            word = self.word()
            if not word:
                raise _NotKnown
            depth += (word in "([") - (word in ")]") if len(word) == 1 else 0
            self.at += 1
        return self.text[self.tokens[first][1] : self.tokens[self.at - 1][1]].strip()

    def rest(self) -> str:
        """All that is left."""
        if self.at >= len(self.tokens):
            return ""
        start = self.tokens[self.at][1]
        self.at = len(self.tokens)
        return self.text[start:].strip()

    def end(self) -> None:
        if self.at < len(self.tokens):
            raise _NotKnown


def _parse(reader: _Reader, sql: str) -> Parts:
    if reader.word() == "CREATE" and "INDEX" in (reader.word(1), reader.word(2)):
        return _create_index(reader, sql)
    if reader.take("DROP", "INDEX"):
        concurrently = reader.take("CONCURRENTLY")
        reader.take("IF", "EXISTS")
        name = reader.name()
        reader.end()
        return Parts(sql=sql, verb="drop index", name=name, concurrently=concurrently)
    if reader.take("REINDEX"):
        return _reindex(reader, sql)
    if reader.take("ALTER", "TABLE") or reader.take("ALTER", "INDEX"):
        return _alter(reader, sql)
    if reader.take("ANALYZE"):
        return Parts(sql=sql, verb="analyze", table=reader.name())
    if reader.take("VACUUM"):
        if reader.word() == "(":
            reader.group()
        return Parts(sql=sql, verb="vacuum", table=reader.name())
    if reader.take("CREATE", "STATISTICS"):
        name = reader.name()
        while reader.word() and not reader.take("FROM"):
            reader.at += 1
        return Parts(sql=sql, verb="create statistics", name=name, table=reader.name())
    if reader.take("DROP", "STATISTICS"):
        return Parts(sql=sql, verb="drop statistics", name=reader.name())
    if reader.word() in ("SET", "RESET"):
        return Parts(sql=sql, verb="session")
    raise _NotKnown


def _create_index(reader: _Reader, sql: str) -> Parts:
    reader.need("CREATE")
    unique = reader.take("UNIQUE")
    reader.need("INDEX")
    concurrently = reader.take("CONCURRENTLY")
    reader.take("IF", "NOT", "EXISTS")
    name = reader.name()
    reader.need("ON")
    if reader.take("ONLY"):
        raise _NotKnown
    table = reader.name()
    method = reader.name().sql if reader.take("USING") else "btree"
    keys = split_list(reader.group())
    include = split_list(reader.group()) if reader.take("INCLUDE") else ()
    if reader.word() == "NULLS":
        raise _NotKnown
    options = reader.group() if reader.take("WITH") else ""
    if reader.word() == "TABLESPACE":
        raise _NotKnown
    where = reader.rest() if reader.take("WHERE") else ""
    reader.end()
    return Parts(
        sql=sql, verb="create index", name=name, table=table, concurrently=concurrently,
        unique=unique, method=method, keys=keys, include=include, where=where,
        with_options=options,
    )  # fmt: skip


def _reindex(reader: _Reader, sql: str) -> Parts:
    reader.need("INDEX")
    concurrently = reader.take("CONCURRENTLY")
    name = reader.name()
    reader.end()
    return Parts(sql=sql, verb="reindex", name=name, concurrently=concurrently)


def _alter(reader: _Reader, sql: str) -> Parts:
    table = reader.name()
    if reader.take("SET") and reader.word() == "(":
        pairs = (pair.partition("=") for pair in split_list(reader.group()))
        options: dict[str, str | None] = {
            name.strip(): value.strip().strip("'") for name, _, value in pairs
        }
        reader.end()
        return Parts(sql=sql, verb="set options", table=table, options=options)
    if reader.take("RESET"):
        names = {name.strip(): None for name in split_list(reader.group())}
        reader.end()
        return Parts(sql=sql, verb="reset options", table=table, options=names)
    if reader.take("ALTER"):
        reader.take("COLUMN")
        column = reader.name()
        if reader.take("SET", "STATISTICS"):
            target = {column.name: reader.rest().replace(" ", "")}
            return Parts(sql=sql, verb="set statistics", table=table, options=dict(target))
    raise _NotKnown


def split_list(text: str) -> tuple[str, ...]:
    """`a, lower(b), (c || ',')` at its outermost commas."""
    parts, depth, start = [], 0, 0
    for match in _TOKEN.finditer(text):
        token = match.group()
        if token in ("(", "["):
            depth += 1
        elif token in (")", "]"):
            depth -= 1
        elif token == "," and not depth:
            parts.append(text[start : match.start()].strip())
            start = match.end()
    parts.append(text[start:].strip())
    return tuple(part for part in parts if part)


_PLAIN_KEY = re.compile(
    r"(?P<name>(?:[uU]&)?\"(?:[^\"]|\"\")+\"|[a-z_][a-z0-9_$]*)(?P<desc> DESC| ASC)?\Z"
)


def plain_column(key: str) -> tuple[str, bool] | None:
    """(column, descending) where a key is a column alone; None with opclass, NULLS, expression."""
    matched = _PLAIN_KEY.match(key)
    if matched is None:
        return None
    return unquoted(matched["name"]), matched["desc"] == " DESC"


def unquoted(token: str) -> str:
    """An identifier as the catalogue holds it."""
    if token.startswith('"'):
        return token[1:-1].replace('""', '"')
    if token[:2] in ("U&", "u&") and token[2:3] == '"':
        inner = token[3:-1].replace('""', '"')
        return _UNICODE.sub(lambda m: chr(int(m[1] or m[2], 16)) if m[1] or m[2] else "\\", inner)
    return "".join(chr(ord(c) + 32) if "A" <= c <= "Z" else c for c in token)


def _last_part(sql: str) -> str:
    """The name behind the schema, as written."""
    tokens = [m.group() for m in _TOKEN.finditer(sql)]
    return tokens[-1]


def harmless(sql: str) -> str:
    """The same statement without a control character: odd names as U&"…", texts as E'…'.

    Characters that a terminal might obey are legal in names, and the server quotes them
    as they are.
    """
    if sql.isprintable():
        return sql
    return "".join(_harmless(match) for match in _TOKEN.finditer(sql))


def _harmless(match: re.Match[str]) -> str:
    token = match.group()
    if match.group("space") is not None:
        return " " if not token.startswith(("--", "/*")) else safe(token, lines=True)
    if token.isprintable():
        return token
    if match.group("name") is not None:
        return quote(unquoted(token))
    if token.startswith("'"):
        return literal(token[1:-1].replace("''", "'"))
    return safe(token)
