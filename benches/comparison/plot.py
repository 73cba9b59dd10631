"""Two plots as SVG, drawn by hand: there is nothing to install, and the files are small enough to be kept."""

import math
from pathlib import Path

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 360, 150, 30, 50, 50
COLOURS = ["#1f6f8b", "#c8553d", "#588157", "#8d6a9f"]
#: What a poll may take in memory, in MiB.
ALLOWED = 32


def text(x, y, words, anchor="start", size=13, more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" {more}>{words}</text>'


def line(x1, y1, x2, y2, colour="#ccc", more=""):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" {more}/>'


def write(path: Path, parts):
    path.write_text(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif">\n'
                    f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>\n' + "\n".join(parts) + "\n</svg>\n")


def throughput(path: Path, blocks: int, walls: dict):
    """Bars side by side: blocks per second, on a logarithmic axis."""
    rates = sorted(((blocks / wall, name) for name, wall in walls.items()), reverse=True)
    low, high = 10 ** math.floor(math.log10(rates[-1][0])), 10 ** math.ceil(math.log10(rates[0][0]))

    def place(rate):
        return LEFT + (WIDTH - LEFT - RIGHT) * math.log(rate / low) / math.log(high / low)

    parts = [text(WIDTH / 2, 26, f"Blocks per second: one response of {blocks:,} blocks of 2.7 KB", "middle", 16)]
    tick = low
    while tick <= high:
        parts += [line(place(tick), TOP, place(tick), HEIGHT - BOTTOM),
                  text(place(tick), HEIGHT - BOTTOM + 20, f"{tick:,}", "middle")]
        tick *= 10
    step = (HEIGHT - TOP - BOTTOM) / len(rates)
    for number, (rate, name) in enumerate(rates):
        top = TOP + number * step + step * 0.15
        colour = COLOURS[0] if name.startswith("taxii-sync") else "#999"
        parts += [f'<rect x="{LEFT}" y="{top:.1f}" width="{place(rate) - LEFT:.1f}" height="{step * 0.7:.1f}" fill="{colour}"/>',
                  text(LEFT - 8, top + step * 0.45, name, "end"),
                  text(place(rate) - 6, top + step * 0.45, f"{rate:,.0f}", "end", 13, 'fill="white"')]
    write(path, parts)


def memory(path: Path, points):
    """Lines: the peak of resident memory against the size of the response."""
    low, high = 1, 10 ** math.ceil(math.log10(max(size for _, size, _ in points)))
    top = max(ALLOWED * 1.25, max(rss for _, _, rss in points) * 1.1)

    def place(size, rss):
        return (80 + (WIDTH - 80 - RIGHT) * math.log(size / low) / math.log(high / low),
                HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * rss / top)

    parts = [text(WIDTH / 2, 26, "Peak resident memory of one poll, MiB", "middle", 16)]
    for rss in range(0, int(top) + 1, 8):
        _, y = place(low, rss)
        parts += [line(80, y, WIDTH - RIGHT, y), text(72, y + 4, rss, "end")]
    size = low
    while size <= high:
        x, _ = place(size, 0)
        parts.append(text(x, HEIGHT - BOTTOM + 20, f"{size:,} MB", "middle"))
        size *= 10
    _, y = place(low, ALLOWED)
    parts.append(line(80, y, WIDTH - RIGHT, y, "#333", 'stroke-dasharray="6 4"'))
    for number, name in enumerate(dict.fromkeys(name for name, _, _ in points)):
        colour = COLOURS[number % len(COLOURS)]
        places = [place(size, rss) for one, size, rss in points if one == name]
        path_of = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f'<polyline points="{path_of}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>' for x, y in places]
        parts.append(text(100 + 150 * number, HEIGHT - 10, f"● {name}", "start", 13, f'fill="{colour}"'))
    write(path, parts)
