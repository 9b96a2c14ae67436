"""HTTP/1.1 by hand for the model server: whole requests in, and bytes out that are split, stalled and cut exactly."""

import asyncio
import dataclasses
import fcntl
import http
import itertools
import socket
import struct
import termios

LARGEST = 16 << 20  # bytes of a request's body
LONGEST_LINE = 1 << 16
SIOCOUTQNSD = 0x894B  # of linux/sockios.h; Python has no name for it


class HungUp(Exception):
    """The other side has gone."""


@dataclasses.dataclass(frozen=True)
class Request:
    """One request; header names are in lower case."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes
    too_large: bool


def listen(port: int) -> socket.socket:
    """A socket on the loopback interface; port 0 takes any that is free."""
    listener = socket.create_server(("127.0.0.1", port), backlog=1024)
    listener.setblocking(False)
    return listener


class Connection:
    """One connection of a client."""

    def __init__(self, loop: asyncio.AbstractEventLoop, sock: socket.socket):
        self.loop, self.sock, self.buffer, self.last = loop, sock, bytearray(), False
        self.split = 0  # bytes of one segment; 0: as many as there are
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    # In

    async def request(self) -> Request | None:
        """The next request; none when the client is done or this side has said that it is."""
        if self.last or not (self.buffer or await self._more()):
            return None
        method, target, version = (await self._line()).decode("latin-1").split(" ")
        headers: dict[str, str] = {}
        while line := (await self._line()).decode("latin-1"):
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        self.last = headers.get("connection", "").lower() == "close" or version == "HTTP/1.0"
        if headers.get("expect", "").lower() == "100-continue":
            await self.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        body, too_large = await self._body(headers)
        path, _, query = target.partition("?")
        return Request(method, path, query, headers, body, too_large)

    async def _body(self, headers: dict[str, str]) -> tuple[bytes, bool]:
        """The body, and whether it was too large; such a one is read to its end and dropped."""
        body, size = bytearray(), 0
        chunked = headers.get("transfer-encoding", "").lower() == "chunked"
        left = 0 if chunked else int(headers.get("content-length", "0"))
        while left or chunked:
            if chunked and not left:
                left = int((await self._line()).partition(b";")[0], 16)
                if not left:
                    while await self._line():
                        pass  # trailers
                    break
            piece = await self._some(left)
            left, size = left - len(piece), size + len(piece)
            if size <= LARGEST:
                body += piece
            if chunked and not left:
                await self._line()
        return bytes(body), size > LARGEST

    async def _line(self) -> bytes:
        while (end := self.buffer.find(b"\n")) < 0:
            if len(self.buffer) > LONGEST_LINE or not await self._more():
                raise HungUp
        line = bytes(self.buffer[: end + 1])
        del self.buffer[: end + 1]
        return line.rstrip(b"\r\n")

    async def _some(self, most: int) -> bytes:
        if not self.buffer and not await self._more():
            raise HungUp
        piece = bytes(self.buffer[:most])
        del self.buffer[:most]
        return piece

    async def _more(self) -> bool:
        data = await self.loop.sock_recv(self.sock, 1 << 16)
        self.buffer += data
        return bool(data)

    # Out

    async def whole(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        """An answer in one go."""
        await self.send(self._head(status, [*headers, ("content-length", str(len(body)))]) + body)

    async def head(self, status: int, headers: list[tuple[str, str]]) -> None:
        await self.send(self._head(status, headers))

    async def body(self, blocks: list[bytes], chunked: bool, between: float = 0) -> None:
        """Sends each block, where asked for as an HTTP chunk; `between` are seconds."""
        for number, block in enumerate(blocks):
            if number:
                await self.pause(between)
            await self.send(f"{len(block):x}\r\n".encode() + block + b"\r\n" if chunked else block)

    async def finish(self, chunked: bool) -> None:
        """Says that the body is whole."""
        if chunked:
            await self.send(b"0\r\n\r\n")

    async def send(self, data: bytes) -> None:
        """Returns when the kernel has all of it; nobody else has run since the last byte went."""
        if not self.split:
            return await self.loop.sock_sendall(self.sock, data)
        for start in range(0, len(data), self.split):
            # What the kernel has not put into a segment yet, it would put into one with the next.
            for turn in itertools.count():
                if not self._queued(SIOCOUTQNSD):
                    break
                await asyncio.sleep(0 if turn < 100 else 0.001)
            await self.loop.sock_sendall(self.sock, data[start : start + self.split])

    async def pause(self, seconds: float) -> None:
        """Waits; raises `HungUp` as soon as the client goes away."""
        until = self.loop.time() + seconds
        while (left := until - self.loop.time()) > 0:
            try:
                if not await asyncio.wait_for(self._more(), left):
                    raise HungUp
            except TimeoutError:
                return

    async def reset(self) -> None:
        """Ends the connection with RST once the client's side has every byte that was sent."""
        while self._queued(termios.TIOCOUTQ):
            await asyncio.sleep(0.001)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self) -> None:
        self.last = True
        self.sock.close()

    def _queued(self, which: int) -> int:
        """Bytes that are not acknowledged (TIOCOUTQ) or not even sent (SIOCOUTQNSD)."""
        return struct.unpack("i", fcntl.ioctl(self.sock, which, b"\0\0\0\0"))[0]

    def _head(self, status: int, headers: list[tuple[str, str]]) -> bytes:
        reason = next((one.phrase for one in http.HTTPStatus if one == status), "Overloaded")
        lines = [f"HTTP/1.1 {status} {reason}", *(f"{name}: {value}" for name, value in headers)]
        return "\r\n".join([*lines, "connection: close" if self.last else "connection: keep-alive", "", ""]).encode()
