# SPDX-License-Identifier: GPL-2.0
"""A picture of one migration: answers to the probes, the TCP flow, the phases."""

from xml.sax.saxutils import escape

WIDTH, HEIGHT, LEFT, RIGHT = 1000, 420, 80, 20
ANSWERS, TCP, PHASES = (60, 120), (160, 320), (345, 375)
COLOURS = {"setup": "#b0bec5", "precopy": "#90caf9", "stop_copy": "#ef9a9a", "resume": "#ffcc80"}
BEFORE_SECONDS, AFTER_SECONDS = 3, 3


class Picture:
    """SVG elements over a time axis."""

    def __init__(self, begin, end):
        self.begin, self.end = begin, end
        self.parts = []

    def x(self, when):
        when = min(max(when, self.begin), self.end)
        return LEFT + (when - self.begin) / (self.end - self.begin) * (WIDTH - LEFT - RIGHT)

    def rect(self, begin, end, rows, fill, title=""):
        width = max(self.x(end) - self.x(begin), 0.5)
        self.parts.append(f'<rect x="{self.x(begin):.1f}" y="{rows[0]}" width="{width:.1f}" height="{rows[1] - rows[0]}" '
                          f'fill="{fill}"><title>{escape(title)}</title></rect>')

    def text(self, x, y, words, anchor="start", size=12):
        self.parts.append(f'<text x="{x:.1f}" y="{y}" font-size="{size}" text-anchor="{anchor}">{escape(words)}</text>')

    def path(self, points, colour):
        d = " ".join(f"{'L' if i else 'M'}{x:.1f},{y:.1f}" for i, (x, y) in enumerate(points))
        self.parts.append(f'<path d="{d}" fill="none" stroke="{colour}" stroke-width="1.5"/>')

    def finish(self):
        return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif">'
                f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>{"".join(self.parts)}</svg>\n')


def _answers(picture, prober, gaps):
    picture.text(LEFT - 8, 95, "probes", "end")
    picture.rect(picture.begin, picture.end, ANSWERS, "#f5f5f5")
    for when in prober.answers:
        if picture.begin <= when <= picture.end:
            x = picture.x(when)
            picture.parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{ANSWERS[0]}" y2="{ANSWERS[1]}" '
                                 'stroke="#2e7d32" stroke-width="0.4"/>')
    for begin, ms in gaps.all:
        if ms in gaps.long:
            end = begin + ms / 1e3
            picture.rect(begin, end, ANSWERS, "#c62828", f"{ms:.1f} ms")
            picture.text(picture.x((begin + end) / 2), ANSWERS[0] - 6, f"{ms:.0f} ms", "middle")


def _flow(picture, flow):
    top = max((count * 8 / (end - begin) / 1e6 for begin, end, count in flow.intervals if end > begin), default=1)
    picture.text(LEFT - 8, TCP[0] + 10, f"{top:.0f} Mbit/s", "end")
    picture.text(LEFT - 8, TCP[1], "TCP 0", "end")
    points = []
    for begin, end, count in flow.intervals:
        if end < picture.begin or begin > picture.end or end <= begin:
            continue
        rate = count * 8 / (end - begin) / 1e6
        y = TCP[1] - rate / (top or 1) * (TCP[1] - TCP[0])
        points += [(picture.x(begin), y), (picture.x(end), y)]
    if points:
        picture.path(points, "#1565c0")


def _phases(picture, moved):
    picture.text(LEFT - 8, 365, "phases", "end")
    at = moved.begin
    for name, ms in moved.phases().items():
        end = at + ms / 1e3
        picture.rect(at, end, PHASES, COLOURS.get(name, "#ccc"), f"{name}: {ms} ms")
        picture.text(picture.x((at + end) / 2), PHASES[0] - 4, name, "middle", 10)
        at = end


def draw(path, moved, prober, gaps, flow):
    """Write the picture of a migration to `path`."""
    picture = Picture(moved.begin - BEFORE_SECONDS, moved.end + AFTER_SECONDS)
    picture.text(LEFT, 24, f"downtime {gaps.downtime:.0f} ms (usual gap {gaps.usual:.1f} ms), "
                           f"QEMU's own {moved.info.get('downtime', '?')} ms", size=16)
    _answers(picture, prober, gaps)
    _flow(picture, flow)
    _phases(picture, moved)
    first = int(-BEFORE_SECONDS)
    for second in range(first, int(moved.end - moved.begin + AFTER_SECONDS) + 1):
        x = picture.x(moved.begin + second)
        picture.text(x, HEIGHT - 15, f"{second} s", "middle", 11)
        picture.parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{ANSWERS[0]}" y2="{HEIGHT - 30}" stroke="#ddd" '
                             'stroke-width="0.5"/>')
    path.write_text(picture.finish())
