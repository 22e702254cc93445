from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from pgtop.terminal.safe import safe
from tests.hostile import CORPUS


def harmful(text: str) -> list[str]:
    """Characters that a terminal obeys or hides."""
    return [c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp", "Cn")]


def test_corpus_becomes_harmless() -> None:
    for text in CORPUS:
        assert not harmful(safe(text))
        assert not harmful(safe(text, ascii_only=True))
        assert safe(text, ascii_only=True).isascii()
        assert not harmful(safe(text, lines=True).replace("\n", ""))


def test_what_was_hidden_is_visible() -> None:
    assert safe("a\x1b]52;c;ZXZpbA==\x07b") == "a␛]52;c;ZXZpbA==␇b"
    assert safe("a\u202eb") == "a<U+202E>b"
    assert safe("caf\udce9") == "caf\\xe9"
    assert safe("a\x1bb", ascii_only=True) == "a^[b"


def test_white_space() -> None:
    assert safe("select\n\t  1") == "select 1"
    assert safe("a\tb\nc", lines=True) == "a   b\nc"
    assert safe("a   b", spaces=True) == "a   b"


@given(st.text())
def test_any_text_becomes_harmless(text: str) -> None:
    assert not harmful(safe(text))


@given(st.text(alphabet=st.characters(codec="ascii", categories=["L", "N", "P", "S"])))
def test_plain_text_stays(text: str) -> None:
    assert safe(text) == text
