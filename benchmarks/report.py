"""Writes what was measured into docs/performance.md, between two marks; what stands outside them is left alone."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.measure import Bar, Result

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
MB = 1e6


def verdict(result: Result, bar: Bar) -> tuple[str, bool | None]:
    """Return what was measured against ``bar`` and whether it holds (None: nothing to compare with)."""
    ours = result.median(bar.ours)
    if ours is None:
        return "not measured", None
    if bar.other is not None and bar.most is not None:
        other = result.median(bar.other)
        if other is None:
            return f"{ours:.2f} s ({bar.other}: not measured)", None
        return f"{ours / other:.2f} x", ours <= bar.most * other
    texts, holds = [], True
    if bar.seconds is not None:
        texts.append(f"{ours:.2f} s of {bar.seconds:.2f} s")
        holds = holds and ours <= bar.seconds
    if bar.rss is not None:
        texts.append(f"{result.rss(bar.ours) / (1 << 20):.0f} MB")
        holds = holds and result.rss(bar.ours) <= bar.rss
    return ", ".join(texts), holds


def _table(result: Result) -> Iterable[str]:
    yield f"### {result.case.title}"
    yield ""
    yield "| | median | least | processor | peak memory | runs |"
    yield "|---|---:|---:|---:|---:|---:|"
    for contender in result.case.contenders:
        runs = result.runs.get(contender.name, [])
        if runs:
            median, least = result.median(contender.name), min(run.seconds for run in runs)
            memory = f"{result.rss(contender.name) / (1 << 20):.0f} MB"
            cpu = f"{result.cpu(contender.name):.3f} s"
            yield f"| {contender.name} | {median:.3f} s | {least:.3f} s | {cpu} | {memory} | {len(runs)} |"
        if contender.name in result.failures:
            yield f"| {contender.name} | failed: {result.failures[contender.name][:120]} | | | | |"
    yield ""


def _bars(results: Sequence[Result]) -> Iterable[str]:
    yield "| job | bar | measured | |"
    yield "|---|---|---:|---|"
    for result in results:
        for bar in result.case.bars:
            text, holds = verdict(result, bar)
            word = {True: "holds", False: "**misses**", None: "-"}[holds]
            yield f"| {result.case.title}: {bar.ours} | {bar.text} | {text} | {word} |"
    yield ""


def _machine(scratch: Path) -> str:
    kind = subprocess.run(["stat", "-fc", "%T", scratch], capture_output=True, text=True, check=False).stdout.strip()
    return (
        f"{os.cpu_count()} processors, Linux {platform.release()}, {kind}, "
        f"{platform.python_implementation()} {platform.python_version()}"
    )


def render(results: Sequence[Result], scratch: Path, rounds: int) -> str:
    """Return the Markdown of the measured part."""
    lines = [
        f"Measured on {_machine(scratch)}; {rounds} interleaved rounds, medians, warm page cache.",
        "",
        *_bars(results),
        *(line for result in results for line in _table(result)),
    ]
    return "\n".join(lines).rstrip() + "\n"


def write(path: Path, measured: str) -> None:
    """Put ``measured`` between the marks of the file at ``path``."""
    text = path.read_text(encoding="utf-8")
    between = re.compile(f"{re.escape(BEGIN)}.*{re.escape(END)}", re.DOTALL)
    path.write_text(between.sub(lambda _: f"{BEGIN}\n{measured}{END}", text, count=1), encoding="utf-8")
