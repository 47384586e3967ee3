#!/usr/bin/python3
"""A stand-in that treats systemd, signals and sockets as commutator does, for tests of the unit files.

It answers every request with its process id. While /etc/commutator/fail-upgrade exists, a process
started with --upgrade ends at once.
"""

from __future__ import annotations

import array
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path

UPGRADE_SOCKET = "/run/commutator/upgrade.sock"
DRAIN_SECONDS = 3
received: list[int] = []


def notify(message: str) -> None:
    """Tells systemd."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
        client.sendto(message.encode(), os.environ["NOTIFY_SOCKET"])


def ping() -> None:
    """Keeps the watchdog quiet while this process is the main one."""
    interval = int(os.environ.get("WATCHDOG_USEC", "0"))
    while interval and signal.SIGQUIT not in received:
        notify("WATCHDOG=1")
        time.sleep(interval / 3e6)


def reload(*_: object) -> None:
    """SIGHUP."""
    microseconds = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    notify(f"RELOADING=1\nMONOTONIC_USEC={microseconds}")
    print(os.getpid(), "reloaded", flush=True)
    notify("READY=1")


def inherited() -> socket.socket:
    """The listener of the process before this one."""
    time.sleep(0.5)  # Policy and models.
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(UPGRADE_SOCKET)
        server.listen()
        server.settimeout(10)
        connection, _ = server.accept()
        _, ancillary, _, _ = connection.recvmsg(1, socket.CMSG_SPACE(4))
        return socket.socket(fileno=array.array("i", ancillary[0][2][:4])[0])


def serve(listener: socket.socket) -> None:
    """Answers until a signal ends it."""
    listener.settimeout(0.02)
    while not received:
        try:
            connection, _ = listener.accept()
        except TimeoutError:
            continue
        body = str(os.getpid()).encode()
        with connection:
            connection.settimeout(5)
            connection.recv(4096)
            connection.sendall(b"HTTP/1.0 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body)


def main() -> None:
    """`check`, or `run` with or without --upgrade."""
    if sys.argv[1] == "check":
        return
    upgrade = "--upgrade" in sys.argv
    if upgrade and Path("/etc/commutator/fail-upgrade").exists():
        sys.exit(3)
    listener = inherited() if upgrade else socket.create_server(("127.0.0.1", 8080), backlog=512)
    Path("/var/lib/commutator/state").write_text("writable")
    for number in (signal.SIGTERM, signal.SIGQUIT):
        signal.signal(number, lambda number, _: received.append(number))
    signal.signal(signal.SIGHUP, reload)
    threading.Thread(target=ping, daemon=True).start()
    notify(f"MAINPID={os.getpid()}\nREADY=1\nSTATUS=serving")
    serve(listener)
    if received[0] == signal.SIGQUIT:
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(UPGRADE_SOCKET)
            descriptors = array.array("i", [listener.fileno()])
            client.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)])
        # No STOPPING=1: it would be said for the whole unit.
        time.sleep(DRAIN_SECONDS)
        print(os.getpid(), "drained", flush=True)
    else:
        notify("STOPPING=1")


main()
