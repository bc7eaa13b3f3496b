# SPDX-License-Identifier: GPL-2.0
"""A migration stream on its way: held, damaged or broken off between two UNIX sockets."""

import re
import socket
import threading


class Relay:
    """Listens at `path` and passes what comes on to `target`, through `damage`.

    `damage(data, offset)` answers the bytes to pass on; fewer than `data` has
    ends the connection after them. `shut`: whoever connects has to wait until
    `open`.
    """

    def __init__(self, path, target, damage=None, shut=False):
        self.path, self.target = str(path), str(target)
        self.damage = damage or (lambda data, _: data)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        # One connection that nobody accepts is all that fits: connect() blocks.
        self._listener.listen(0)
        self._filler = socket.socket(socket.AF_UNIX)
        self._filler.connect(self.path)
        self._lock = threading.Lock()
        self._kept, self._holds = bytearray(), False
        # Bytes that have come.
        self.came = 0
        self._source = self._sink = None
        if not shut:
            self.open()

    def open(self):
        """Let in who wants to connect."""
        self._listener.accept()[0].close()
        self._filler.close()
        threading.Thread(target=self._run, daemon=True).start()

    def hold(self):
        """From here on take what comes, and keep it."""
        with self._lock:
            self._holds = True

    def release(self):
        """Pass on what was kept, and all that comes."""
        with self._lock:
            self._holds = False
            try:
                self._pass(b"")
            except OSError:
                # Nobody takes it any more.
                self.close()

    def close(self):
        """The connection breaks; what is kept is lost."""
        for end in (self._listener, self._filler, self._source, self._sink):
            if end is not None:
                self._end(end)

    @staticmethod
    def _end(end):
        # close() alone would not wake the thread that reads from it.
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        end.close()

    def _pass(self, data):
        self._kept += data
        if not self._holds and self._kept:
            kept, self._kept = self._kept, bytearray()
            self._sink.sendall(kept)

    def _run(self):
        try:
            self._source, _ = self._listener.accept()
            self._listener.close()
            self._sink = socket.socket(socket.AF_UNIX)
            self._sink.connect(self.target)
            threading.Thread(target=self._back, daemon=True).start()
            while data := self._source.recv(1 << 16):
                out = self.damage(data, self.came)
                with self._lock:
                    self._pass(out)
                if len(out) < len(data):
                    break
                self.came += len(data)
            else:
                if self._holds:
                    return
        except OSError:
            pass
        self.close()

    def _back(self):
        """The return path."""
        try:
            while data := self._sink.recv(1 << 16):
                self._source.sendall(data)
        except OSError:
            pass
        # Whoever waits for an answer is told that none will come.
        self._end(self._source)


class Mark:
    """Where in a stream a pattern of so many bytes is found, piece by piece."""

    def __init__(self, pattern, length):
        self.pattern, self.length, self.found = re.compile(pattern, re.DOTALL), length, 0
        self._tail = b""

    def ends(self, data, offset):
        """Offsets in the stream just behind what was found in this piece."""
        window = self._tail + data
        base = offset - len(self._tail)
        self._tail = window[-(self.length - 1):]
        for match in self.pattern.finditer(window):
            self.found += 1
            yield base + match.end()


class Flip(Mark):
    """Inverts the last byte of what is found."""

    def __call__(self, data, offset):
        out = bytearray(data)
        for end in self.ends(data, offset):
            out[end - 1 - offset] ^= 0xFF
        return bytes(out)


class Cut(Mark):
    """Ends the stream behind what is found."""

    def __call__(self, data, offset):
        if self.found:
            return b""
        for end in self.ends(data, offset):
            return data[:end - offset]
        return data


class CutAt:
    """Ends the stream after so many bytes."""

    def __init__(self, at):
        self.at, self.found = at, 0

    def __call__(self, data, offset):
        if offset + len(data) <= self.at:
            return data
        self.found += 1
        return data[:max(0, self.at - offset)]
