"""One reading of the server, and where readings come from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from pgtop.model.request import AnswerT, Request

RowT = TypeVar("RowT")


@dataclass(frozen=True, slots=True)
class Sample(Generic[RowT]):
    """Every row one query returned at one moment."""

    taken_at: float
    """The server's clock, seconds since 1970: the base of every rate."""

    rows: tuple[RowT, ...]


class SourceError(Exception):
    """Something could not be read; the text is fit to show to a person.

    `sqlstate` is the server's code where it gave one. `remedy` is the least SQL that
    would make the reading possible (a GRANT, a CREATE EXTENSION), or None. `lasting`
    means that asking again changes nothing until somebody acts.
    """

    def __init__(
        self,
        why: str,
        *,
        sqlstate: str | None = None,
        remedy: str | None = None,
        lasting: bool = False,
    ) -> None:
        super().__init__(why)
        self.why = why
        self.sqlstate = sqlstate
        self.remedy = remedy
        self.lasting = lasting

    @property
    def passing(self) -> bool:
        """Whether the next reading may bring rows without anybody doing anything."""
        return not self.lasting and self.remedy is None

    @property
    def said(self) -> str:
        """Why, and the SQL that would help where there is any."""
        return f"{self.why}; {self.remedy}" if self.remedy else self.why

    @property
    def locked(self) -> bool:
        """Whether a lock was met, of the catalogue or of the relation that was asked for."""
        return self.sqlstate == "55P03"  # lock_not_available


class Disconnected(SourceError):
    """There is no connection now; `retry_in` seconds from now it is worth a try.

    `retry_in` is None where trying again by itself would be wrong: the password was
    refused, the database is gone.
    """

    def __init__(
        self, why: str, *, sqlstate: str | None = None, retry_in: float | None = None
    ) -> None:
        super().__init__(why, sqlstate=sqlstate)
        self.retry_in = retry_in


@dataclass(frozen=True, slots=True)
class Reading:
    """What one round trip brought: for each row type its sample, or why there is none."""

    samples: Mapping[type[Any], Sample[Any] | SourceError]
    taken_at: float
    """The server's clock, seconds since 1970."""

    arrived_at: float
    """Our own `time.monotonic()`: the base of the age on screen."""

    server_ms: float
    """Milliseconds the server spent on the whole reading: pgtop's own cost."""

    round_trips: int

    def sample(self, row_type: type[RowT]) -> Sample[RowT]:
        """The rows of `row_type`; raises its `SourceError`, or KeyError if it was not asked."""
        found = self.samples[row_type]
        if isinstance(found, SourceError):
            raise found
        return found


class Source(Protocol):
    """Anything that can be asked for current rows."""

    async def read(self, types: Iterable[type[Any]]) -> Reading:
        """Read all rows of each type in one round trip, or raise `Disconnected`."""
        ...

    async def ask(self, request: Request[AnswerT]) -> AnswerT:
        """Answer one question, or raise `SourceError`. Cancelling ends it on the server."""
        ...

    async def close(self) -> None:
        """End what runs on the server and leave it, within a second."""
        ...
