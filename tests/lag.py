"""A link that can be slow, frozen or reset: a TCP relay before a server, for tests."""

from __future__ import annotations

import queue
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

CHUNK = 65_536

_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with a time of zero: closing sends RST instead of FIN."""


class Link:
    """A relay on `port` to 127.0.0.1:`target`. Change its fields while it runs."""

    def __init__(self, target: int, delay_s: float = 0.0) -> None:
        self.target = target
        """Where new connections go: change it for a fail-over."""

        self.delay_s = delay_s
        """One way, for each piece of data; a round trip takes it twice."""

        self.sent: list[bytes] = []
        """What clients sent, as it came."""

        self._flowing = threading.Event()
        self._flowing.set()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def freeze(self) -> None:
        """Neither refuse nor deliver anything from now on."""
        self._flowing.clear()

    def thaw(self) -> None:
        """Deliver again what was held back."""
        self._flowing.set()

    def reset(self) -> None:
        """End every connection with RST, as a firewall that lost its state does."""
        pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for side in pair:
                with suppress(OSError):
                    side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                    # wakes the thread that reads; the close of the last holder sends RST
                    side.shutdown(socket.SHUT_RD)
                side.close()

    def close(self) -> None:
        """End everything."""
        self._listener.close()
        self.thaw()
        self.reset()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                near.close()
                continue
            for side in (near, far):
                side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._pairs.append((near, far))
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        """Read at once, deliver when it is due: a delay costs time, not bandwidth."""
        due: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()
        threading.Thread(target=self._deliver, args=(due, sink), daemon=True).start()
        with suppress(OSError):
            while data := source.recv(CHUNK):
                if source.getsockname()[1] == self.port:
                    self.sent.append(data)
                due.put((time.monotonic() + self.delay_s, data))
        due.put((time.monotonic() + self.delay_s, b""))

    def _deliver(self, due: queue.SimpleQueue[tuple[float, bytes]], sink: socket.socket) -> None:
        with suppress(OSError):
            while True:
                at, data = due.get()
                time.sleep(max(0.0, at - time.monotonic()))
                self._flowing.wait()
                if not data:
                    break
                sink.sendall(data)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)


@contextmanager
def link(target: int, delay_s: float = 0.0) -> Iterator[Link]:
    """A `Link` for the length of the block."""
    opened = Link(target, delay_s)
    try:
        yield opened
    finally:
        opened.close()
