"""How the demo tells its story: headings, sentences, and checks that remember whether they held."""

import math
import sys
import textwrap

WIDTH = 100


class Story:
    def __init__(self):
        self.failed = []
        self.chapter = 0
        colours = sys.stdout.isatty()
        self.green, self.red, self.bold, self.dim, self.plain = (
            ("\033[32m", "\033[31m", "\033[1m", "\033[2m", "\033[0m") if colours else ("",) * 5)

    def heading(self, text):
        self.chapter += 1
        print(f"\n{self.bold}{self.chapter}. {text}{self.plain}", flush=True)

    def say(self, text):
        print(textwrap.fill(text, WIDTH, initial_indent="   ", subsequent_indent="   "), flush=True)

    def command(self, text):
        print(f"   {self.dim}$ {text}{self.plain}", flush=True)

    def check(self, held, text, detail=""):
        mark = f"{self.green}✓{self.plain}" if held else f"{self.red}✗{self.plain}"
        print(textwrap.fill(text, WIDTH, initial_indent=f"   {mark} ", subsequent_indent="     "), flush=True)
        if not held:
            self.failed.append(text)
            if detail:
                print(textwrap.indent(str(detail)[:3000], "       "), flush=True)
        return held

    def table(self, head, rows):
        widths = [max(len(str(row[i])) for row in [head, *rows]) for i in range(len(head))]
        for row in [head, *rows]:
            cells = [str(c).rjust(w) if i and str(c)[:1].isdigit() else str(c).ljust(w)
                     for i, (c, w) in enumerate(zip(row, widths))]
            line = "  ".join(cells).rstrip()
            print(f"     {self.dim}{line}{self.plain}" if row is head else f"     {line}", flush=True)


def binomial_bounds(n, p, confidence=0.999):
    """The central interval that a count of n independent trials falls into with at least `confidence`."""
    tail = (1 - confidence) / 2
    logs = [math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) + k * math.log(p) +
            (n - k) * math.log(1 - p) for k in range(n + 1)]
    low, total = 0, 0.0
    for k in range(n + 1):
        total += math.exp(logs[k])
        if total > tail:
            low = k
            break
    high, total = n, 0.0
    for k in range(n, -1, -1):
        total += math.exp(logs[k])
        if total > tail:
            high = k
            break
    return low, high
