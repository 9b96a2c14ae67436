"""Stands between Simplon and PostgreSQL, and changes what the server says, into something of the same length."""

import contextlib
import socket
import threading
from collections.abc import Callable


class Relay:
    """A way to a server on this machine; `change` gets the bytes that come from there."""

    def __init__(self, port: int, change: Callable[[bytes], bytes]):
        self.to, self.change = port, change
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # it was stopped
            while True:
                client = self.listener.accept()[0]
                server = socket.create_connection(("127.0.0.1", self.to))
                for way in ((client, server, bytes), (server, client, self.change)):
                    threading.Thread(target=self._pass, args=way, daemon=True).start()

    @staticmethod
    def _pass(source: socket.socket, target: socket.socket, change: Callable[[bytes], bytes]) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(change(data))
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def stop(self) -> None:
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)  # closing alone does not wake who waits in accept
        self.listener.close()
