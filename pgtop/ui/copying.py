"""Copying from the screen: every way to copy takes the clipboard's ladder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual._xterm_parser import XTermParser
from textual.app import App
from textual.drivers import linux_driver

from pgtop.terminal.probe import REPLY_STARTS, Probe, swallow

if TYPE_CHECKING:
    from pgtop.config import Config
    from pgtop.terminal.clipboard import Clipboard, Copied


class Copying(App[int]):
    """The part of the app that copies."""

    config: Config
    probe: Probe = Probe()
    """What the terminal said before the screen was up."""

    copied: Copied | None = None
    """Where the last text went."""

    _ladder: Clipboard | None = None

    def copy_to_clipboard(self, text: str) -> None:
        """Copy `text`; selections and inputs come here too."""
        self.copy_text(text, "selection")

    def copy_text(self, text: str, what: str) -> None:
        """Copy `text`, named `what`; the message says where it went and how sure that is."""
        self._clipboard = text  # Textual's own paste
        self.run_worker(self._copy(text, what), group="copy", exit_on_error=False)

    async def _copy(self, text: str, what: str) -> None:
        copied = self.copied = await self.ladder().copy(text, what)
        severity = "information" if copied.sure not in ("kept", "lost") else "warning"
        self.note(copied.message, severity)

    def note(self, message: str, severity: str = "information") -> None:
        """Say something at the foot."""
        raise NotImplementedError  # the app's

    def ladder(self) -> Clipboard:
        """The clipboard as these surroundings have it."""
        if self._ladder is None:
            from pgtop.state.copies import keep  # nobody copies before the first screen
            from pgtop.state.files import shown
            from pgtop.terminal.clipboard import Clipboard
            from pgtop.terminal.surroundings import look_around

            self._ladder = Clipboard(
                self._emit,
                look_around(probe=self.probe),
                keep,
                backend=self.config.clipboard,
                shown=shown,
            )
        return self._ladder

    def _emit(self, sequence: str) -> None:
        """Through the driver: in order with the frames."""
        if self._driver is not None and not self.is_headless:
            self._driver.write(sequence)


class _Deaf(XTermParser):
    """Takes late replies of the terminal out of the input; keys pass as they are."""

    _held = ""
    _escape_passed = False

    def feed(self, data: str) -> Any:
        if not data:
            return super().feed(data)
        if self._escape_passed and data.startswith(REPLY_STARTS):
            data = "\x1b" + data
        data, self._held = swallow(self._held + data)
        self._escape_passed = data.endswith("\x1b")
        return super().feed(data) if data else ()


def swallow_replies() -> None:
    """Before the screen starts: a reply that is still under way must not become keys."""
    linux_driver.XTermParser = _Deaf  # type: ignore[attr-defined]  # replies must be swallowed before Textual has its parser
