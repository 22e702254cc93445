"""Quoting of our own against the server's."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pgtop.analysis.names import index_name, literal, quote
from tests.hostile import CORPUS
from tests.servers import TestServer

names = st.text(
    alphabet=st.one_of(
        st.sampled_from("\"'\\ $aA_1;-"),
        st.characters(codec="utf-8", exclude_characters="\0"),
    ),
    min_size=1,
)


def test_quoted_as_the_server_does(any_server: TestServer) -> None:
    with any_server.connect() as conn:
        words = [row[0] for row in conn.execute("SELECT word FROM pg_get_keywords()")]
        plain = ["a", "a1", "_x", "A", "a b", 'a"b', "1a", "a$b", "ä", "漢字", "", "x" * 63]
        for name in [w for w in (*words, *plain) if w]:
            row = conn.execute("SELECT quote_ident(%s)", (name,)).fetchone()
            assert row is not None
            quoted_too = '"' + name.replace('"', '""') + '"'  # words that only others reserve
            assert quote(name) in (row[0], quoted_too), name


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None,
          max_examples=150)  # fmt: skip
@given(names)
def test_any_name_names_what_it_says(server: TestServer, name: str) -> None:
    short = name.encode()[:60].decode(errors="ignore") or "x"
    with server.connect() as conn:
        cursor = conn.execute(f"SELECT 1 AS {quote(short)}".encode())
        assert cursor.description is not None
        assert cursor.description[0].name == short
    assert all(char.isprintable() for char in quote(short))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None,
          max_examples=150)  # fmt: skip
@given(names)
def test_any_text_as_a_literal(server: TestServer, text: str) -> None:
    with server.connect() as conn:
        row = conn.execute(f"SELECT {literal(text)}".encode()).fetchone()
        assert row == (text,)
    assert all(char.isprintable() for char in literal(text))


def test_names_of_new_indexes_fit() -> None:
    for text in CORPUS:
        name = index_name(text.replace("\0", "")[:200] or "t", ("a", "b"))
        assert len(name.encode(errors="replace")) <= 63
        assert name.endswith("_idx")


def test_a_name_with_nul_is_refused() -> None:
    for wrong in ("", "a\0b"):
        try:
            quote(wrong)
        except ValueError:
            continue
        raise AssertionError(wrong)
