"""Plots as SVG text, without a library: bars of ratios, curves, flame graphs.

Every function gives the whole file. Text is in the reader's sans-serif font; widths of letters are estimated (6 pixels at size 11).
"""
import math
from html import escape

COLOURS = ("#2a6fb0", "#d9822b", "#4a9c5d", "#a04a8c")


def document(width, height, parts):
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" viewBox="0 0 {width:g} {height:g}" '
            'font-family="sans-serif" font-size="11">\n<rect width="100%" height="100%" fill="white"/>\n' + "\n".join(parts) + "\n</svg>\n")


def text(x, y, words, anchor="start", more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{more}>{escape(words)}</text>'


def line(x1, y1, x2, y2, colour="#ddd"):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"/>'


def ratios(title, series):
    """series: {name: {row: ratio}}; a bar for each row and name on a logarithmic scale; 1 is where both cost the same."""
    rows = list(dict.fromkeys(row for values in series.values() for row in values))
    left, right, top, step, scale = 220, 60, 50, 8 * len(series) + 6, 110
    low = min([0.1] + [v for values in series.values() for v in values.values()])
    high = max([1.5] + [v for values in series.values() for v in values.values()])

    def x(value):
        return left + scale * math.log2(value / low)
    width, height = x(high) + right, top + step * len(rows) + 20
    parts = [text(10, 18, title, more=' font-size="14"')]
    for n, name in enumerate(series):
        parts.append(f'<rect x="{left + 110 * n}" y="27" width="10" height="8" fill="{COLOURS[n]}"/>' + text(left + 14 + 110 * n, 35, name))
    for tick in (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3):
        if low <= tick <= high:
            parts += [line(x(tick), top - 6, x(tick), height - 14, "#c33" if tick == 1 else "#ddd"), text(x(tick), height - 3, f"{tick:g}", "middle")]
    for i, row in enumerate(rows):
        y = top + step * i
        parts.append(text(left - 6, y + step / 2 + 2, row, "end"))
        for n, values in enumerate(series.values()):
            if row in values:
                parts.append(f'<rect x="{left}" y="{y + 8 * n}" width="{max(x(values[row]) - left, 1):.1f}" height="7" fill="{COLOURS[n]}">'
                             f"<title>{row}: {values[row]:.2f}</title></rect>")
    return document(width, height, parts)


def short(value):
    for unit, factor in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= factor:
            return f"{value / factor:g}{unit}"
    return f"{value:g}"


def axis(low, high):
    """The powers of ten that enclose low and high."""
    return range(math.floor(math.log10(low) + 1e-9), math.ceil(math.log10(high) - 1e-9) + 1)


def curve(title, across, up, series, at=(0, 0)):
    """One plot with two logarithmic axes, as parts to be put at a place: series {name: [(x, y)]}."""
    width, height, left, top = 360, 240, 52, 30
    points = [p for values in series.values() for p in values if p[0] > 0 and p[1] > 0]
    xs, ys = axis(min(p[0] for p in points), max(p[0] for p in points)), axis(min(p[1] for p in points), max(p[1] for p in points))

    def place(point):
        def part(powers, value):
            return (math.log10(value) - powers[0]) / max(powers[-1] - powers[0], 1)
        return left + (width - left - 16) * part(xs, point[0]), top + (height - top - 48) * (1 - part(ys, point[1]))
    parts = [f'<g transform="translate({at[0]},{at[1]})">', text(left, 14, title, more=' font-size="12"')]
    for power in xs:
        px = place((10.0 ** power, 10.0 ** ys[0]))[0]
        parts += [line(px, top, px, height - 48), text(px, height - 34, short(10.0 ** power), "middle")]
    for power in ys:
        py = place((10.0 ** xs[0], 10.0 ** power))[1]
        parts += [line(left, py, width - 16, py), text(left - 4, py + 4, short(10.0 ** power), "end")]
    for n, (name, values) in enumerate(series.items()):
        track = " ".join("%.1f,%.1f" % place(p) for p in values if p[0] > 0 and p[1] > 0)
        parts.append(f'<polyline points="{track}" fill="none" stroke="{COLOURS[n]}" stroke-width="1.6"/>')
        parts += ['<circle cx="%.1f" cy="%.1f" r="2.3" fill="%s"/>' % (*place(p), COLOURS[n]) for p in values if p[0] > 0 and p[1] > 0]
        parts.append(f'<rect x="{left + 100 * n}" y="{height - 14}" width="9" height="7" fill="{COLOURS[n]}"/>' + text(left + 13 + 100 * n, height - 7, name))
    parts += [text(width - 16, height - 20, across, "end"), text(left, top - 4, up, more=' fill="#666"'), "</g>"]
    return parts


def curves(title, plots, columns=3):
    """plots: [(title, x axis, y axis, {name: [(x, y)]})], in rows of some columns."""
    parts = [text(10, 18, title, more=' font-size="14"')]
    for i, (name, across, up, series) in enumerate(plots):
        parts += curve(name, across, up, series, (370 * (i % columns), 34 + 250 * (i // columns)))
    return document(370 * min(columns, len(plots)), 34 + 250 * -(-len(plots) // columns), parts)


def flame(title, root, width=1200, height=17):
    """root: (name, own, {name: child}); a child is drawn above its caller, as wide as its share. Hover shows the count."""
    total = weight(root)
    parts, deepest = [], [0]

    def colour(name):
        hue = sum(ord(c) * (i + 3) for i, c in enumerate(name)) % 40
        return f"hsl({205 + hue},45%,72%)" if name.startswith("[") or name.startswith("user:") else f"hsl({12 + hue},75%,66%)"

    def draw(node, x, depth):
        share = weight(node) / total
        if share * (width - 20) < 0.4:
            return
        deepest[0] = max(deepest[0], depth)
        room = int((share * (width - 20) - 4) / 6.2)
        name = node[0] if len(node[0]) <= room else node[0][:max(room - 1, 0)] + "…" if room > 3 else ""
        label = escape(f"{node[0]}: {weight(node):,} instructions, {100 * share:.1f} %, own {node[1]:,}")
        parts.append((x, depth, share * (width - 20), colour(node[0]), name, label))
        for child in sorted(node[2].values(), key=lambda n: n[0]):
            draw(child, x, depth + 1)
            x += weight(child) / total * (width - 20)
    draw(root, 10, 0)
    full = 40 + height * (deepest[0] + 1)
    shapes = [text(10, 20, title, more=' font-size="14"')]
    for x, depth, wide, fill, name, label in parts:
        y = full - 6 - height * (depth + 1)
        shapes.append(f'<g><title>{label}</title><rect x="{x:.1f}" y="{y}" width="{max(wide - 0.4, 0.3):.1f}" height="{height - 1}" fill="{fill}"/>'
                      + (text(x + 3, y + 12, name) if name else "") + "</g>")
    return document(width, full, shapes)


def weight(node):
    """Instructions of a node and all that it called (kept in the node: a list of name, own, children, total)."""
    if len(node) < 4:
        node.append(node[1] + sum(weight(child) for child in node[2].values()))
    return node[3]
