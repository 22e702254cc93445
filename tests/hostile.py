"""Texts that break terminals, widgets and parsers: everything a server may send."""

from __future__ import annotations

CORPUS: tuple[str, ...] = (
    "select a[/]",
    "[/foo] [red]x[/red] [@click=app.quit]click[/]",
    "arr[1:2] ::text[] a[i]",
    "\x1b]52;c;cm0gLXJmIH4=\x1b\\",
    "\x1b]0;title\x07 \x1b[2J \x1b[5;5H \x1b[31mFAKE",
    "\x9b31m C1 \x9d52;c;eA==\x9c",
    "NUL \x00 DEL \x7f BEL \x07",
    "\u202eesrever\u202c \u2066iso\u2069 \u200b\u200d\ufeff",
    "surrogate \udce9 \udcff",
    "漢字かな交じり文 한국어 ｆｕｌｌ",
    "👨‍👩‍👧‍👦 🇩🇪 ⚠️ ☃",
    "e\u0301 combining a\u0300\u0301\u0302",
    "line\nbreaks\r\nand\ttabs\x0b\x0c\x85\u2028\u2029",
    "%s %(x)s {0} {name} $1 $$ \\ ' \"",
    "\U000e0041\U000e0042 tags",
    "x" * 1_000_000,
)
