"""One TLS connection: the handshake within a time limit, then bytes in and out.

Theory of operation: during the handshake the socket is non-blocking, OpenSSL reads and writes its
file descriptor, and where OpenSSL would have to wait, `poll` does, for as long as the caller's
limit allows. From then on OpenSSL does no input and output: `recv_into` receives many records
(16 KiB at most each) with one system call, as plain TCP does, and OpenSSL takes them from there
one after the other, into the caller's buffer, until nothing is there or that is full. So the
kernel is entered once per buffer, not twice per record. OpenSSL can read ahead, too, but moves
what it has read to the front of its buffer for each record; that was measured, and is slower.
"""

import ctypes
import errno
import logging
import os
import select
import socket
import time
import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from types import TracebackType
from typing import Self

from storescp import conditions
from storescp.errors import HandshakeFailed
from storescp.serve.tls import x509 as tls_x509
from storescp.serve.tls.advice import advise
from storescp.serve.tls.context import ServerContext
from storescp.serve.tls.openssl import (
    BIO_SET_MEMORY_EOF_RETURN,
    ERROR_SSL,
    ERROR_SYSCALL,
    ERROR_WANT_READ,
    ERROR_WANT_WRITE,
    ERROR_ZERO_RETURN,
    LIBRARY_SSL,
    REASON_UNEXPECTED_EOF,
    OpenSSLError,
)
from storescp.serve.transport import TCPTransport

logger = logging.getLogger("dcmtk.dcmtls")

Waiting = Callable[[], AbstractContextManager[None]]

_MAXIMUM_CALL_BYTES = 1 << 30  # OpenSSL counts in C's int
_TOLD_BYTES = 16
"""Of what a client sends first, to tell other protocols apart."""
_MAXIMUM_DISCARDED_BYTES = 1 << 20
_RECORD_BATCH_BYTES = 1 << 18
_MAXIMUM_RECORD_BYTES = (1 << 14) + 512


class TLSSocket:
    """An established TLS connection; as much of a socket as receiving and answering need.

    Its owner closes it; that closes the socket given to `handshake`, too.
    """

    def __init__(self, transport: socket.socket, connection: "TLSHandshake") -> None:
        """Take over after the handshake: from now on bytes come and go through `transport`."""
        self._transport = transport
        self._timeout = transport.gettimeout()
        self._tcp = TCPTransport(transport)
        self._tcp.set_timeout(self._timeout)
        self._connection = connection
        self._openssl = openssl = connection.openssl
        self.pointer = connection.pointer
        self._records = memoryview(bytearray(_RECORD_BATCH_BYTES))
        self._first = ctypes.c_char.from_buffer(self._records)  # keeps them where they are
        self._may_have_more = False
        self._failure: OSError | None = None
        self._usable = True
        self._is_drained = False  # some may have come with the end of the handshake
        self._outgoing = openssl.BIO_new(openssl.BIO_s_mem())
        openssl.SSL_set0_wbio(self.pointer, self._outgoing)
        self._hand_over(0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def fileno(self) -> int:
        """The file descriptor of the transport connection.

        That it is not readable does not mean that nothing was received.
        """
        return self._transport.fileno()

    def getpeername(self) -> object:
        return self._transport.getpeername()

    def settimeout(self, seconds: float | None) -> None:
        """Limit how long `recv_into` and `sendall` wait for the peer each time; None: for ever."""
        self._timeout = seconds
        self._tcp.set_timeout(seconds)

    def gettimeout(self) -> float | None:
        return self._timeout

    def recv_into(self, buffer: memoryview | bytearray) -> int:
        """Receive at least one byte, as many as there are without waiting; 0 when the peer closed.

        A peer that closes without TLS's close_notify closes all the same: DICOM says itself, by
        release and lengths, whether something is missing.

        Raises:
            TimeoutError: nothing came within the time limit.
            OSError: the connection broke, or the peer breaks the TLS protocol.
        """
        return self._read(buffer, wait=True) or 0

    def recv_ready(self, buffer: memoryview | bytearray) -> int | None:
        """Receive as `recv_into` does what has come already; None at once if nothing has.

        Raises:
            OSError: the connection broke, or the peer breaks the TLS protocol.
        """
        return self._read(buffer, wait=False)

    def _read(self, buffer: memoryview | bytearray, *, wait: bool) -> int | None:
        if self._failure is not None:
            raise self._failure
        size = min(len(buffer), _MAXIMUM_CALL_BYTES)
        if size == 0:
            return 0
        first = ctypes.c_char.from_buffer(buffer)
        address = ctypes.addressof(first)
        openssl, connection = self._openssl, self.pointer
        read, received = openssl.SSL_read, 0
        openssl.ERR_clear_error()
        while True:
            while not self._is_drained:
                count: int = read(connection, address + received, size - received)
                if count > 0:
                    received += count
                    if received == size:
                        return received
                    continue
                kind = openssl.SSL_get_error(connection, count)
                if kind == ERROR_WANT_READ:
                    self._is_drained = True
                elif kind == ERROR_ZERO_RETURN:
                    return received
                else:
                    self._failure = self._broken(kind)
                    if received:
                        return received
                    raise self._failure
            # As plain TCP gives what is there: more only if there was more than could be taken.
            if received and not self._may_have_more:
                return received
            more = self._receive(wait=wait and not received)
            if not more:
                return received or more

    def _receive(self, *, wait: bool) -> int | None:
        """Receive records for OpenSSL, some bytes of them; 0: the peer has closed; None: nothing is there.

        Raises:
            TimeoutError: nothing came within the time limit.
            OSError: the connection broke.
        """
        count: int | None
        if wait:
            count = self._tcp.receive_into(self._records)
        else:
            try:
                count = self._tcp.receive_ready(self._records)
            except OSError:  # which the next call meets again
                return None
        if count:
            self._hand_over(count)
        return count

    def _hand_over(self, count: int) -> None:
        """Let OpenSSL read the first bytes of `_records`."""
        openssl = self._openssl
        source = openssl.BIO_new_mem_buf(ctypes.addressof(self._first), count)
        openssl.BIO_ctrl(source, BIO_SET_MEMORY_EOF_RETURN, -1, None)  # more may come
        openssl.SSL_set0_rbio(self.pointer, source)
        self._may_have_more = count == _RECORD_BATCH_BYTES
        self._is_drained = False

    def sendall(self, data: bytes) -> None:
        """Send everything.

        Raises:
            TimeoutError: the peer took nothing within the time limit; how much was sent is unknown.
            OSError: the connection broke.
        """
        if self._failure is not None:
            raise self._failure
        openssl, connection = self._openssl, self.pointer
        openssl.ERR_clear_error()
        while data:
            sent = openssl.SSL_write(connection, data, min(len(data), _MAXIMUM_CALL_BYTES))
            if sent <= 0:
                self._failure = self._broken(openssl.SSL_get_error(connection, sent))
                raise self._failure
            data = data[sent:]
            self._tcp.send_all(self._take_outgoing())

    def _take_outgoing(self) -> bytes:
        """Take the records that OpenSSL has made."""
        taken = bytearray()
        room = ctypes.create_string_buffer(_MAXIMUM_RECORD_BYTES)
        while (count := self._openssl.BIO_read(self._outgoing, room, _MAXIMUM_RECORD_BYTES)) > 0:
            taken += ctypes.string_at(room, count)
        return bytes(taken)

    def _send_last_words(self) -> None:
        """Send an alert if the peer takes it at once."""
        with suppress(OSError):
            self._transport.send(self._take_outgoing(), socket.MSG_DONTWAIT)

    def send_last(self, data: bytes) -> None:
        """Send data that is short, as far as the peer takes it at once. Never waits, never raises."""
        if self._usable and self._openssl.SSL_write(self.pointer, data, len(data)) > 0:
            self._send_last_words()

    def part(self) -> None:
        """Send close_notify if possible, without waiting for the peer's; the socket stays open."""
        if self._usable:
            self._openssl.SSL_shutdown(self.pointer)
            self._openssl.ERR_clear_error()
            self._send_last_words()
        self._usable = False
        self._failure = OSError(errno.EBADF, os.strerror(errno.EBADF))
        self._connection.free()

    def close(self) -> None:
        """Part, and close the socket."""
        self.part()
        self._transport.close()

    def _broken(self, kind: int) -> OSError:
        """Return the reason why an established connection ended, as a socket would raise it."""
        self._usable = False
        self._send_last_words()
        text = _describe(kind, self._openssl.errors())
        return ConnectionAbortedError(errno.ECONNABORTED, text)


class TLSHandshake:
    """OpenSSL's part of a connection, from the handshake to its end."""

    def __init__(self, transport: socket.socket, context: ServerContext) -> None:
        """Prepare a handshake over `transport`, which is not blocking.

        Raises:
            HandshakeFailed: OpenSSL is out of memory.
        """
        self._transport = transport
        self._context = context  # callbacks must live as long as the connection
        self.openssl = openssl = context.openssl
        self._peer = _peer_name(transport)  # asked now: later it may be gone
        self.pointer: int = openssl.SSL_new(context.pointer)
        if not self.pointer:
            raise HandshakeFailed(_describe(ERROR_SSL, openssl.errors()))
        self.free = weakref.finalize(self, openssl.SSL_free, self.pointer)
        """Gives everything back; does nothing the second time."""
        self.free.atexit = False
        openssl.SSL_set_fd(self.pointer, transport.fileno())
        self._poll = select.poll()
        self._awaited: int | None = None
        self._kind = ERROR_WANT_READ
        self._beginning = b""

    def step(self) -> int:
        """Go on with the handshake; return what to wait for, poll(2), or 0 if it is over. Never waits.

        Raises:
            HandshakeFailed: there is no connection.
        """
        openssl, connection = self.openssl, self.pointer
        if not self._beginning:
            # OpenSSL does not tell what it has read of something else than TLS.
            with suppress(OSError):
                self._beginning = self._transport.recv(_TOLD_BYTES, socket.MSG_PEEK)
        openssl.ERR_clear_error()
        result = openssl.SSL_accept(connection)
        if result == 1:
            if logger.isEnabledFor(logging.DEBUG):
                self._log_details()
            return 0
        self._kind = openssl.SSL_get_error(connection, result)
        if self._kind not in (ERROR_WANT_READ, ERROR_WANT_WRITE):
            raise self._refused(self._kind)
        return select.POLLIN if self._kind == ERROR_WANT_READ else select.POLLOUT

    def time_out(self) -> HandshakeFailed:
        """The time for the handshake is over: return why there is no connection."""
        return self._refused(self._kind)

    def read_early(self, room: memoryview) -> int | None:
        """Read what a client sends first, before a `TLSSocket` takes over; 0: it has closed; None: nothing is there.

        Raises:
            OSError: the connection broke, or the peer breaks the TLS protocol.
        """
        openssl = self.openssl
        openssl.ERR_clear_error()
        first = ctypes.c_char.from_buffer(room)
        count: int = openssl.SSL_read(self.pointer, ctypes.addressof(first), len(room))
        if count > 0:
            return count
        match openssl.SSL_get_error(self.pointer, count):
            case kind if kind in (ERROR_WANT_READ, ERROR_WANT_WRITE):
                return None
            case kind if kind == ERROR_ZERO_RETURN:
                return 0
            case kind:
                raise ConnectionAbortedError(errno.ECONNABORTED, _describe(kind, openssl.errors()))

    def accept(self, deadline: float | None, waiting: Waiting) -> None:
        """Make the handshake until the clock `time.monotonic` shows `deadline`.

        Raises:
            HandshakeFailed: there is no connection.
        """
        while awaited := self.step():
            try:
                with waiting():
                    self._wait(awaited, None if deadline is None else deadline - time.monotonic())
            except TimeoutError:
                raise self.time_out() from None

    def _wait(self, awaited: int, seconds: float | None) -> None:
        """Wait until OpenSSL can read or write."""
        if awaited != self._awaited:
            self._poll.register(self._transport, awaited)
            self._awaited = awaited
        if not self._poll.poll(None if seconds is None else max(seconds, 0) * 1000):
            raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))

    def _refused(self, kind: int) -> HandshakeFailed:
        """Return the reason why the handshake failed, in the reference's words and with advice."""
        number = ctypes.get_errno()
        errors = self.openssl.errors()
        refusal = self._context.callbacks.refusals.pop(self.pointer, None)
        reason = errors[0].reason if errors and errors[0].library == LIBRARY_SSL else None
        if kind == ERROR_SYSCALL and number == 0 and not errors:  # OpenSSL before 3.0
            reason = REASON_UNEXPECTED_EOF
            text = f"000b:{0x800 + reason:04x} TLS error: unexpected eof while reading"
        else:
            text = _describe(kind, errors)
        advice = advise(kind, reason, refusal, self._context.settings, self._beginning)
        failure = HandshakeFailed(text)
        failure.add_note(f"TLS handshake with {self._peer}: {advice}")
        self._discard_input()
        return failure

    def _discard_input(self) -> None:
        """Take what the client has sent: closing with unread bytes would reset the connection.

        Then the client might never see the alert that tells it what is wrong.
        """
        left = _MAXIMUM_DISCARDED_BYTES
        try:
            while left > 0 and (received := len(self._transport.recv(min(left, 1 << 16)))):
                left -= received
        except OSError:
            pass  # nothing more to read, or the client is gone

    def _log_details(self) -> None:
        openssl, connection = self.openssl, self.pointer
        suite = openssl.SSL_get_current_cipher(connection)
        bits = openssl.SSL_CIPHER_get_bits(suite, None)
        lines = [
            "================== BEGIN TLS CONNECTION DETAILS =================",
            "Transport connection: TLS over TCP/IP",
            f"  Protocol    : {openssl.SSL_get_version(connection).decode()}",
            f"  Ciphersuite : {openssl.SSL_CIPHER_get_name(suite).decode()}, encryption: {bits} bits",
        ]
        certificate = openssl.SSL_get_peer_certificate(connection)
        if certificate:
            lines += tls_x509.details(openssl, certificate)
            openssl.X509_free(certificate)
        else:
            lines.append(
                "Peer did not provide a certificate or certificate verification is disabled."
            )
        lines.append("=================== END TLS CONNECTION DETAILS ==================")
        for line in lines:
            logger.debug("%s", line)


def handshake(
    transport: socket.socket,
    context: ServerContext,
    timeout: float | None,
    waiting: Waiting = nullcontext,
) -> TLSSocket:
    """Make a TLS connection of an accepted one, within `timeout` seconds altogether.

    The result limits each later wait by the timeout that `transport` had. On failure the caller
    closes `transport`. Each wait for the client is made within `waiting`, which may raise to end it.

    Raises:
        HandshakeFailed: the client is not let in; an alert was sent to it if possible.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    timeout_then = transport.gettimeout()
    transport.settimeout(0)  # non-blocking
    connection = TLSHandshake(transport, context)
    try:
        connection.accept(deadline, waiting)
    except BaseException:
        connection.free()
        raise
    transport.settimeout(timeout_then)
    return TLSSocket(transport, connection)


def _peer_name(transport: socket.socket) -> str:
    try:
        address = transport.getpeername()
    except OSError:
        return "a client that is gone"
    return str(address[0]) if isinstance(address, tuple) else "a local client"


def _describe(kind: int, errors: list[OpenSSLError]) -> str:
    """An error of a connection in the reference's words."""
    match kind:
        case _ if errors and errors[0].library == LIBRARY_SSL:
            return f"000b:{0x800 + errors[0].reason:04x} TLS error: {errors[0].reason_text}"
        case _ if errors:
            error = errors[0]
            return conditions.TLS_OPENSSL_ERROR.line(
                f"OpenSSL error {error.code:08X}: {error.library_name}: {error.reason_text}"
            )
        case _ if kind == ERROR_WANT_READ:
            return conditions.TLS_WANT_READ.line()
        case _ if kind == ERROR_WANT_WRITE:
            return conditions.TLS_WANT_WRITE.line()
        case _:
            return conditions.TLS_IO_ERROR.line()


class TLSTransport:
    """An established TLS connection."""

    def __init__(self, connection: TLSSocket, early: bytes = b"") -> None:
        """Take over a connection, of which `early` was read already."""
        self._connection = connection
        self._early = memoryview(early)
        # Bound once, as these are on the path of every object.
        self.receive_into = self._receive_early if early else connection.recv_into
        self.receive_ready = self._receive_early if early else connection.recv_ready
        self.send_all = connection.sendall
        self.set_timeout = connection.settimeout
        self.fileno = connection.fileno
        self.part = connection.part

    def _receive_early(self, room: memoryview) -> int:
        """Give what was read before, then go on with the connection itself."""
        count = min(len(room), len(self._early))
        room[:count], self._early = self._early[:count], self._early[count:]
        if not self._early:
            self.receive_into = self._connection.recv_into
            self.receive_ready = self._connection.recv_ready
        return count

    def close(self) -> None:
        self._connection.close()
