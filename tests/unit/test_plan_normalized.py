"""Normalised texts: parameters, values, repairs. That they plan is tried on servers."""

from __future__ import annotations

import pytest

from pgtop.analysis.plan import normalized


def test_parameters_in_strings_and_comments_are_none() -> None:
    text = (
        "select '$1', \"$2\", $$ $3 $$, $tag$ $4 $tag$ /* $5 /* $6 */ */, $7 -- $8\n, E'\\'$9', $10"
    )
    assert normalized.parameters(text) == (7, 10)
    assert normalized.substituted(text, {7: "x", 10: "y"}).endswith(", x -- $8\n, E'\\'$9', y")


def test_a_value_that_holds_a_parameter_is_not_replaced_again() -> None:
    assert normalized.substituted("f($1, $2)", {1: "'$2'", 2: "3"}) == "f('$2', 3)"


@pytest.mark.parametrize(
    ("text", "state", "position", "repaired"),
    [
        ("x > interval $1 day", "42601", None, "x > cast($1 as interval day)"),
        (
            "x > date $1 and y = timestamptz $2",
            "42601",
            None,
            "x > $1::date and y = $2::timestamptz",
        ),
        ("extract($1 from x) = interval $2", "42601", None, "extract($1 from x) = $2::interval"),
        ("x > now() - $1", "42883", 3, "x > now() - $1::interval"),
        ("$1 is null or a = $2", "42P18", None, "$1::text is null or a = $2"),
        ("select 'date $1'", "42601", None, None),
    ],
)
def test_repairs(text: str, state: str, position: int | None, repaired: str | None) -> None:
    found = next(normalized.repairs(text, state, position), None)
    assert (found.text if found else None) == repaired


def test_what_is_hidden_is_said() -> None:
    assert len(normalized.notes("select 1 where a in ($1 /*, ... */) limit $2")) == 2


def test_a_cursor_and_a_semicolon_are_taken_off() -> None:
    assert (
        normalized.trimmed("declare c no scroll cursor with hold for select $1 ; ") == "select $1"
    )
    assert normalized.trimmed("select ';'") == "select ';'"
    assert normalized.first_word("/* x */ ( -- y\n select 1)") == "select"


def test_a_cut_text_is_noticed() -> None:
    assert normalized.looks_cut("select * from t where a = 'x")
    assert normalized.looks_cut("select f(1")
    assert not normalized.looks_cut("select f('(')")
