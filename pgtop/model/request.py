"""Questions that are asked once, on a key, not on every tick."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

AnswerT = TypeVar("AnswerT", covariant=True)


@dataclass(frozen=True, slots=True)
class Request(Generic[AnswerT]):
    """A question whose answer is an `AnswerT`. Each kind is a frozen subclass."""
