# SPDX-License-Identifier: GPL-2.0
"""A migration stream on its way, damaged: a relay between two UNIX sockets."""

import socket
import threading


class Relay:
    """Listens at `path` and passes what comes on to `target`, through `damage`.

    `damage(data, offset)` answers the bytes to pass on; fewer than `data` has
    ends the connection after them.
    """

    def __init__(self, path, target, damage):
        self.path, self.target, self.damage = str(path), str(target), damage
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        self._listener.listen(1)
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        source, _ = self._listener.accept()
        self._listener.close()
        with source, socket.socket(socket.AF_UNIX) as sink:
            sink.connect(self.target)
            threading.Thread(target=self._back, args=(sink, source), daemon=True).start()
            offset = 0
            try:
                while data := source.recv(1 << 16):
                    out = self.damage(data, offset)
                    sink.sendall(out)
                    if len(out) < len(data):
                        return
                    offset += len(data)
            except OSError:
                pass

    @staticmethod
    def _back(sink, source):
        """The return path."""
        try:
            while data := sink.recv(1 << 16):
                source.sendall(data)
        except OSError:
            pass


def cut(at):
    """Ends the stream after `at` bytes."""
    return lambda data, offset: data[:max(0, at - offset)] if offset + len(data) > at else data


class Flip:
    """Inverts a byte, so many bytes after each place where `mark` is found."""

    def __init__(self, mark, distance):
        self.mark, self.distance = mark, distance
        self.flipped = 0

    def __call__(self, data, offset):
        out = bytearray(data)
        at = data.find(self.mark)
        while at >= 0:
            place = at + len(self.mark) + self.distance
            if place < len(out):
                out[place] ^= 0xFF
                self.flipped += 1
            at = data.find(self.mark, at + 1)
        return bytes(out)
