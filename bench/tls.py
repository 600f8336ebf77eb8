"""Receive over TLS on loopback: bytes per second and processor time, ours beside Python's `ssl`.

A child process sends with Python's `ssl` in writes of 16 KiB (one P-DATA-TF, one TLS record); the
parent receives into a buffer of 1 MiB, as a connection does. Rounds of the receivers alternate and
medians are printed: on a shared machine single runs mean little. The sender encrypts on another
core at about the speed at which the receiver decrypts, so processor time per GiB is the figure that
tells receivers apart.

    python bench/tls.py [--megabytes 512] [--rounds 5] [--suite NAME]
"""

import argparse
import os
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

from storescp.serve.tls.choices import PeerAuthentication
from storescp.serve.tls.connection import handshake
from storescp.serve.tls.context import ServerContext
from storescp.serve.tls.settings import TLSSettings

RECORD = bytes(range(256)) * 64


class Receiver(Protocol):
    def recv_into(self, buffer: memoryview) -> int: ...


def send(port: int, megabytes: int, suite: str | None) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if suite is not None:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(suite)
    with socket.create_connection(("127.0.0.1", port)) as plain, context.wrap_socket(plain) as sock:
        sock.recv(1)
        for _ in range(megabytes * 64):
            sock.sendall(RECORD)


def drain(receiver: Receiver) -> tuple[int, float, float]:
    """Receive until the end: bytes, seconds of wall clock, seconds of processor time."""
    buffer = memoryview(bytearray(1 << 20))
    wall, processor, total = time.perf_counter(), time.process_time(), 0
    while count := receiver.recv_into(buffer):
        total += count
    return total, time.perf_counter() - wall, time.process_time() - processor


def with_ours(directory: Path) -> Callable[[socket.socket], tuple[int, float, float]]:
    context = ServerContext(
        TLSSettings(
            str(directory / "key.pem"),
            str(directory / "cert.pem"),
            peer_authentication=PeerAuthentication.IGNORED,
        )
    )

    def receive(sock: socket.socket) -> tuple[int, float, float]:
        with handshake(sock, context, 10) as connection:
            connection.settimeout(60)
            connection.sendall(b"!")
            return drain(connection)

    return receive


def with_ssl(directory: Path) -> Callable[[socket.socket], tuple[int, float, float]]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "cert.pem", directory / "key.pem")

    def receive(sock: socket.socket) -> tuple[int, float, float]:
        sock.settimeout(60)
        with context.wrap_socket(sock, server_side=True) as connection:
            connection.sendall(b"!")
            return drain(connection)

    return receive


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--suite", help="a suite of TLS 1.2, by its OpenSSL name")
    parser.add_argument("--send-to", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.send_to:
        send(arguments.send_to, arguments.megabytes, arguments.suite)
        return
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        make_identity(directory)
        compare({"storescp": with_ours(directory), "Python ssl": with_ssl(directory)}, arguments)


def make_identity(directory: Path) -> None:
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=bench",
         "-keyout", directory / "key.pem", "-out", directory / "cert.pem"],
        check=True,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip


def compare(
    receivers: dict[str, Callable[[socket.socket], tuple[int, float, float]]],
    arguments: argparse.Namespace,
) -> None:
    results: dict[str, list[tuple[float, float]]] = {name: [] for name in receivers}
    command = [sys.executable, os.fspath(Path(__file__)), "--megabytes", str(arguments.megabytes)]
    command += ["--suite", arguments.suite] if arguments.suite else []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        for _ in range(arguments.rounds):
            for name, receive in receivers.items():
                sender = subprocess.Popen([*command, "--send-to", str(listener.getsockname()[1])])
                sock, _ = listener.accept()
                with sock:
                    total, wall, processor = receive(sock)
                sender.wait()
                results[name].append((total / wall / 2**20, processor / total * 2**30))
    print(f"{'receiver':12} {'MiB/s':>8} {'CPU s/GiB':>10}")
    for name, figures in results.items():
        speed, cost = (statistics.median(column) for column in zip(*figures, strict=True))
        print(f"{name:12} {speed:8.0f} {cost:10.2f}")


if __name__ == "__main__":
    main()
