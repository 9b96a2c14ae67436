"""Stands between Simplon and PostgreSQL: changes what the server says, into something of the same length, and cuts."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterable


class Relay:
    """A way to a server on this machine; `change` gets the bytes that come from there."""

    def __init__(self, port: int, change: Callable[[bytes], bytes] = bytes):
        self.to, self.change = port, change
        # Of each connection both halves, by the port that the server sees.
        self.halves: dict[int, tuple[socket.socket, socket.socket]] = {}
        self.held: set[int] = set()
        self.goes_on = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # it was stopped
            while True:
                client = self.listener.accept()[0]
                try:
                    server = socket.create_connection(("127.0.0.1", self.to))
                except OSError:  # nobody is there
                    client.close()
                    continue
                port = server.getsockname()[1]
                self.halves[port] = client, server
                for source, target, change in ((client, server, self._late), (server, client, self._changed)):
                    threading.Thread(target=self._pass, args=(port, source, target, change), daemon=True).start()

    def _pass(self, port: int, source: socket.socket, target: socket.socket, change: Callable) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(change(data, port))
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)
        # Whoever hears the server out leaves nothing that keeps the sockets open.
        halves = self.halves.get(port)
        if halves and source is halves[1]:
            self.halves.pop(port, None)

    def _changed(self, data: bytes, port: int) -> bytes:
        return self.change(data)

    def _late(self, data: bytes, port: int) -> bytes:
        if port in self.held:
            self.goes_on.wait(60)
        return data

    def hold(self, ports: Iterable[int]) -> None:
        """What clients send from now on over connections that come from those ports, as they see them, arrives late."""
        origins, held = set(ports), set()
        for port, (client, _) in list(self.halves.items()):
            with contextlib.suppress(OSError):  # it has ended
                if client.getpeername()[1] in origins:
                    held.add(port)
        self.goes_on.clear()
        self.held = held

    def release(self) -> None:
        """What was held arrives now."""
        self.held = set()
        self.goes_on.set()

    def origin(self, port: int) -> int:
        """The port of the client whose connection the server sees as coming from that one."""
        return self.halves[port][0].getpeername()[1]

    def cut(self, port: int) -> None:
        """Ends a connection, by the port that the server sees, as a network does: whatever it carries just then."""
        for half in self.halves[port]:
            with contextlib.suppress(OSError):
                half.shutdown(socket.SHUT_RDWR)

    def stop(self) -> None:
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)  # closing alone does not wake who waits in accept
        self.listener.close()
