#!/usr/bin/env python3
"""Makes docs/bench.md and docs/bench.svg of a bench's results:  report.py build/bench/results.json docs
What was measured with more workers lies beside it (results-2-workers.json) and gets a table of its own."""

import json
import pathlib
import sys

COLOURS = {"weft": "#1f77b4", "haproxy": "#8c8c8c", "haproxy-h1": "#8c8c8c", "haproxy-h2": "#5a5a5a",
           "nginx": "#6aa84f", "envoy": "#c27ba0", "envoy-h1": "#c27ba0", "envoy-h2": "#8e4d78", "direct": "#d9d9d9", "unsteered": "#9ecae1"}


def print_row(row, seconds=None):
    peers = ", ".join(f"{peer} {figure} ({row['ratio'].get(peer, '-')})" for peer, figure in row["peers"].items())
    took = f"  [{seconds:.0f} s]" if seconds is not None else ""
    print(f"{row['name']:18} {row['unit']:18} weft {row['weft']:8}   {peers}   n={row['n']} spread={row['spread']}{took}",
          flush=True)


def table(results):
    peers = [peer for peer in COLOURS if peer != "weft" and any(peer in row["peers"] for row in results["rows"])]
    lines = ["| row | unit | weft | " + " | ".join(peers) + " | n | spread |",
             "|---|---|---:|" + "---:|" * (len(peers) + 2)]
    for row in results["rows"]:
        cells = [f"{row['peers'][peer]} (×{row['ratio'].get(peer, '–')})" if peer in row["peers"] else ""
                 for peer in peers]
        lines.append(f"| `{row['name']}` | {row['unit']} | **{row['weft']}** | " + " | ".join(cells) +
                     f" | {row['n']} | {row['spread'] * 100:.0f} % |")
    return "\n".join(lines)


def picture(results):
    """Bars of the rows in CPU microseconds per request, one group a row."""
    rows = [row for row in results["rows"] if row["unit"] == "cpu us/request"]
    width, left, bar, gap = 900, 150, 14, 16
    out, y = [], 40
    for row in rows:
        figures = {"weft": row["weft"], **{p: row["peers"][p] for p in COLOURS if p in row["peers"]}}
        longest = max(figures.values())
        out.append(f'<text x="{left - 10}" y="{y + 11}" text-anchor="end" font-weight="bold">{row["name"]}</text>')
        for name, figure in figures.items():
            size = max(1, figure / longest * (width - left - 220))
            out.append(f'<rect x="{left}" y="{y}" width="{size:.0f}" height="{bar - 2}" fill="{COLOURS[name]}"/>'
                       f'<text x="{left + size + 6:.0f}" y="{y + 10}">{name} {figure}</text>')
            y += bar
        y += gap
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {y}" font-family="sans-serif" '
            f'font-size="11"><rect width="{width}" height="{y}" fill="white"/>'
            f'<text x="10" y="20" font-size="14">CPU microseconds of the proxies per request '
            f'(less is better)</text>{"".join(out)}</svg>\n')


def more_workers(results):
    return f"""
## With {results['workers']} workers

`{results['command']}` on {results['machine']}, {results['date']}: all proxies with {results['workers']} workers (Weft `--workers`,
haproxy `nbthread`, nginx `worker_processes`, Envoy `--concurrency`). Where there are not more CPUs than workers, proxies,
client and app share them all.

{table(results)}
"""


def page(results, more=()):
    return f"""# The bench

`{results['command']}` on {results['machine']}, {results['date']}. This page is written by `make bench-report` from
`build/bench/results.json`; `tests/bench/rows.py` says what each row does.

Names: `hop-…` one plain proxy between client and app; `pair-…` the two sidecars of a call with mutual TLS between
them; then the body (`1k`) and the number of requests under way (`64`). Figures are medians of n alternations, in
brackets Weft's figure divided by the peer's; spread is (largest − smallest)/median of Weft's. `haproxy-h1` and
`-h2`: what the pair speaks between its halves. `direct` is client and app together, without a proxy. All proxies
run one worker here, with keep-alive, request ids or trace context, metrics and an access log. In `pair-steered-…` all
of them route by ten rules, set headers, may retry, and have bounds, outlier detection, a fault rule and a rate limit
(`tests/bench/steering.py`); `unsteered` is Weft's own pair without those.

{table(results)}

![CPU per request](bench.svg)
{"".join(map(more_workers, more))}"""


if __name__ == "__main__":
    file = pathlib.Path(sys.argv[1])
    results = json.loads(file.read_text())
    more = [json.loads(other.read_text()) for other in sorted(file.parent.glob("results-*-workers.json"))]
    docs = pathlib.Path(sys.argv[2])
    (docs / "bench.md").write_text(page(results, more))
    (docs / "bench.svg").write_text(picture(results))
    print(f"written: {docs}/bench.md, {docs}/bench.svg")
