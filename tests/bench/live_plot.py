"""The cost of an event and of a ballot as a hall grows, as a plot in docs/pictures."""

from math import log10
from pathlib import Path
from typing import Any

PLOT = Path(__file__).parents[2] / "docs/pictures/live-growth.svg"
WIDTH, HEIGHT, LEFT, TOP = 640, 300, 60, 40
SERIES = (
    ("event_us", "one event, us of server CPU a listener", "#1d4e89"),
    ("ballot_us", "one ballot, us of server CPU", "#a03c2a"),
)


def draw(rows: list[dict[str, Any]]) -> None:
    top = max(row[name] for row in rows for name, _, _ in SERIES) * 1.1
    x = {row["n"]: LEFT + (log10(row["n"]) - 2) / 2 * (WIDTH - LEFT - 30) for row in rows}

    def y(value: float) -> float:
        return TOP + (1 - value / top) * (HEIGHT - TOP - 50)

    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">']
    parts.append(f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>')
    for step in range(6):
        value = top / 5 * step
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - 30}" y1="{y(value):.0f}" y2="{y(value):.0f}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y(value) + 4:.0f}" text-anchor="end">{value:.0f}</text>')
    parts += [f'<text x="{place:.0f}" y="{HEIGHT - 28}" text-anchor="middle">{n:,}</text>' for n, place in x.items()]
    parts.append(f'<text x="{WIDTH / 2:.0f}" y="{HEIGHT - 8}" text-anchor="middle">delegates connected</text>')
    for place, (name, words, colour) in enumerate(SERIES):
        points = " ".join(f"{x[row['n']]:.0f},{y(row[name]):.0f}" for row in rows)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x[row["n"]]:.0f}" cy="{y(row[name]):.0f}" r="3" fill="{colour}"/>' for row in rows]
        parts.append(f'<text x="{LEFT + 250 * place}" y="20" fill="{colour}">{words}</text>')
    PLOT.parent.mkdir(parents=True, exist_ok=True)
    PLOT.write_text("\n".join([*parts, "</svg>"]) + "\n", "utf-8")
