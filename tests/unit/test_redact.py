from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgtop.analysis.redact import MASK, mask_literals, mask_passwords


@pytest.mark.parametrize(
    "text",
    [
        "ALTER ROLE x PASSWORD 'hunter2'",
        "create user a with encrypted password $$hunter2$$",
        "create user a with encrypted password $tag$hunter2$tag$",
        "ALTER ROLE x PASSWORD E'hunter2\\'' VALID UNTIL 'infinity'",
        "ALTER ROLE x PASSWORD 'hun''ter2 hunter2'",
        "ALTER ROLE x PASSWORD 'hunter2 cut off",
        "CREATE SUBSCRIPTION s CONNECTION 'host=a password=hunter2 dbname=x' PUBLICATION p",
        "SELECT dblink('postgresql://bob:hunter2@db/x', 'select 1')",
        "CREATE USER MAPPING FOR u SERVER s OPTIONS (user 'bob', password 'hunter2')",
        "select set_config('my.password', 'hunter2', false)",
        "postgres://u:hunter2@host/db?sslmode=require",
    ],
)
def test_passwords_are_masked(text: str) -> None:
    masked = mask_passwords(text)
    assert "hunter2" not in masked
    assert MASK in masked


@pytest.mark.parametrize(
    "text",
    [
        "select password from users where id = $1",
        "select * from t where password_hash = $1 and token = $2",
        "select 'nothing to see'",
    ],
)
def test_the_rest_stays(text: str) -> None:
    assert mask_passwords(text) == text


def test_literals_for_a_public_channel() -> None:
    masked = mask_literals("select * from t where a = 'x''y' and b = 42 and c1 = $1 -- secret")
    assert masked == "select * from t where a = ? and b = ? and c1 = $1 "


@given(st.text())
def test_any_text_can_be_masked(text: str) -> None:
    mask_passwords(text)
    mask_literals(text)


@given(st.text(alphabet="abc'\\ $=", max_size=20))
def test_no_password_survives_in_any_quoting(tail: str) -> None:
    assert "hunter2" not in mask_passwords(f"alter role r password 'hunter2' {tail}")
