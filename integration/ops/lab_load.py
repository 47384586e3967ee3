"""Connects again and again, one request each, and prints how they ended as JSON. Runs in the lab."""

import json
import socket
import time
from pathlib import Path

answers: dict[str, int] = {}
errors: dict[str, int] = {}
end = time.monotonic() + 60
while time.monotonic() < end and not Path("/lab/load-stop").exists():
    try:
        with socket.create_connection(("127.0.0.1", 8080), timeout=10) as client:
            client.sendall(b"GET / HTTP/1.0\r\n\r\n")
            answer = b""
            while chunk := client.recv(4096):
                answer += chunk
        process = answer.split(b"\r\n\r\n")[1].decode()
        answers[process] = answers.get(process, 0) + 1
    except (OSError, IndexError) as error:
        errors[repr(error)] = errors.get(repr(error), 0) + 1
    time.sleep(0.005)
print(json.dumps({"answers": answers, "errors": errors}))
