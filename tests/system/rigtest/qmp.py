# SPDX-License-Identifier: GPL-2.0
"""A minimal QMP client: Debian 13 itself packages none."""

import json
import socket
import time


class QmpError(Exception):
    """QEMU refused a command."""


class Qmp:
    # QEMU answers nobody while it sends the rest of a stopped guest's memory.
    def __init__(self, path, timeout=240):
        self._sock = socket.socket(socket.AF_UNIX)
        self._sock.settimeout(timeout)
        self._sock.connect(str(path))
        self._lines = b""
        self.events = []
        self._message()                 # the greeting
        self.command("qmp_capabilities")

    def _message(self):
        while b"\n" not in self._lines:
            data = self._sock.recv(1 << 16)
            if not data:
                raise ConnectionError("QEMU closed its QMP socket")
            self._lines += data
        line, _, self._lines = self._lines.partition(b"\n")
        return json.loads(line)

    def command(self, name, /, **arguments):
        """Run a command; underscores in argument names become dashes."""
        arguments = {key.replace("_", "-"): value for key, value in arguments.items()}
        self._sock.sendall(json.dumps({"execute": name, "arguments": arguments}).encode() + b"\n")
        while True:
            message = self._message()
            if "event" in message:
                self.events.append(message)
            elif "error" in message:
                raise QmpError(f"{name}: {message['error']['desc']}")
            else:
                return message["return"]

    def wait_event(self, name, timeout=60):
        """The next event `name`, one already received included."""
        end = time.monotonic() + timeout
        while True:
            for event in self.events:
                if event["event"] == name:
                    self.events.remove(event)
                    return event
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"no event {name} within {timeout:g} s")
            old = self._sock.gettimeout()
            self._sock.settimeout(left)
            try:
                self.events.append(self._message())
            except TimeoutError:
                pass
            finally:
                self._sock.settimeout(old)

    def close(self):
        self._sock.close()
