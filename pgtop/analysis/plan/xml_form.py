"""Reads EXPLAIN (FORMAT XML). Declares no entity, so none can expand."""

from __future__ import annotations

from typing import Any
from xml.parsers import expat

from pgtop.analysis.plan.words import KEYS, LIST_KEYS, scalar
from pgtop.model.plan import PlanError

_TAGS = {key.replace(" ", "-").replace("/", "-").replace("(", "-"): key for key in KEYS}


class _Reader:
    """Builds the JSON form's objects from a stream of tags."""

    def __init__(self) -> None:
        self.queries: list[dict[str, Any]] = []
        self.stack: list[tuple[str, dict[str, Any], list[Any], list[str]]] = []
        """tag, members, items, text of each open element."""

    def open(self, tag: str, attributes: dict[str, str]) -> None:
        del attributes
        key = _TAGS.get(tag, tag.replace("-", " "))
        self.stack.append((key, {}, [], []))

    def text(self, data: str) -> None:
        if self.stack:
            self.stack[-1][3].append(data)

    def close(self, tag: str) -> None:
        del tag  # its open element knows it
        self.close_last()

    def close_last(self) -> None:
        key, members, items, texts = self.stack.pop()
        value: Any
        of_setting = bool(self.stack) and self.stack[-1][0] == "Settings"
        if items or key in LIST_KEYS:
            value = items
        elif members:
            value = members
        else:
            text = "".join(texts)
            value = (
                text
                if of_setting
                else {}
                if not text.strip() and key in ("Settings", "Planning")
                else scalar(key, text)
            )
        if key in ("Query", "explain") and isinstance(value, dict) and "Plan" in value:
            self.queries.append(value)
        if not self.stack:
            return
        above = self.stack[-1]
        if above[0] in LIST_KEYS:
            above[2].append(value)
        else:
            if key == "Incremental Sort Groups":  # the tag is the same for both
                key = "Pre-sorted Groups" if "Full-sort Groups" in above[1] else "Full-sort Groups"
            if key == "Sort Space":  # the tag does not say where the space is
                on_disk = any(
                    "external" in str(each) for each in above[1].get("Sort Methods Used", ())
                )
                only = "quicksort" not in above[1].get("Sort Methods Used", ())
                disk = "Sort Space Memory" in above[1] or (on_disk and only)
                key = "Sort Space Disk" if disk else "Sort Space Memory"
            above[1][key] = value


def read_xml(text: str, first_line: int = 1) -> tuple[list[dict[str, Any]], str | None]:
    """The statements' objects, and where the text stopped making sense.

    Raises PlanError for a document that declares a type.
    """
    reader = _Reader()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = reader.open
    parser.EndElementHandler = reader.close
    parser.CharacterDataHandler = reader.text

    def refuse(*_: object) -> None:
        raise PlanError("an EXPLAIN declares no document type", parser.CurrentLineNumber)

    parser.StartDoctypeDeclHandler = refuse
    stopped: str | None = None
    try:
        parser.Parse(text.encode("utf-8", "replace"), True)
    except expat.ExpatError as error:
        stopped = f"line {error.lineno + first_line - 1}: {expat.ErrorString(error.code)}"
        while reader.stack:
            reader.close_last()
    return reader.queries, stopped
