"""What the server's errors become."""

from __future__ import annotations

import psycopg
import pytest

from pgtop.db.errors import query_error


def test_an_extension_that_was_not_preloaded_is_one_sentence_and_not_asked_again() -> None:
    error = psycopg.errors.ObjectNotInPrerequisiteState(
        'pg_stat_statements must be loaded via "shared_preload_libraries"'
    )
    refused = query_error(error, what="statement", role="r")
    assert "must be loaded" in refused.why
    assert "ALTER SYSTEM SET shared_preload_libraries" in (refused.remedy or "")
    assert refused.lasting


@pytest.mark.parametrize(
    ("state", "lasting"),
    [("42501", True), ("0A000", True), ("42883", True), ("57014", False), ("55P03", False),
     ("40001", False)],
)  # fmt: skip
def test_only_what_asking_again_cannot_change_is_left_out_for_good(
    state: str, lasting: bool
) -> None:
    error = psycopg.errors.lookup(state)("said")
    assert query_error(error, what="w", role="r").lasting is lasting


def test_a_text_in_another_encoding_is_said_before_the_servers_words() -> None:
    error = psycopg.errors.CharacterNotInRepertoire("invalid byte sequence: 0xe9 0x20 0x2a")
    refused = query_error(error, what="statementtext", role="r")
    assert refused.why.startswith("statementtext: a text in another encoding keeps all from")
    assert not refused.lasting


def test_the_limit_that_was_met_is_named_with_its_value() -> None:
    slow = query_error(
        psycopg.errors.QueryCanceled("x"), what="measuring", role="r", timeout_ms=60_000
    )
    locked = query_error(psycopg.errors.LockNotAvailable("x"), what="w", role="r", lock_ms=100)
    assert "statement_timeout of 60 s" in slow.why
    assert "lock_timeout of 100 ms" in locked.why
