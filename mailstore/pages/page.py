"""A page and the parts that all pages have."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

from mailstore.pages.figures import NOTHING, count_label, size_label
from mailstore.pages.text import text

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def page(title: str, head: Sequence[str], body: Sequence[str], foot: str, facts: Mapping[str, object]) -> str:
    """Return a page of HTML; ``facts`` stand in it as JSON, in the element ``data``. All but the title is HTML."""
    from importlib.resources import files  # late: it costs more than the page

    style = files(__package__).joinpath("page.css").read_text(encoding="utf-8")
    data = json.dumps(facts).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="referrer" content="no-referrer">'
        f'<link rel="icon" href="data:,"><title>{text(title)}</title><style>\n{style}</style></head><body>'
        + "\n".join([f"<header><h1>{text(title)}</h1>", *head, "</header><main>", *body, "</main>"])
        + f"\n<footer>{foot}</footer>"
        + f'\n<script type="application/json" id="data">{data}</script></body></html>\n'
    )


def tile_list(tiles: Iterable[tuple[str, str]]) -> str:
    """Return figures that are seen first: what is large, and the words below it."""
    return (
        '<ul class="tiles">' + "".join(f"<li><b>{big}</b><span>{small}</span></li>" for big, small in tiles) + "</ul>"
    )


def figure(number: float | None, label: str) -> str:
    """Return a figure that a reader and a program find alike."""
    return label if number is None else f'<data value="{number}">{label}</data>'


def bytes_figure(size: int | None) -> str:
    """Return a number of bytes; an en dash where it is not known."""
    return NOTHING if size is None else figure(size, size_label(size))


def count_figure(count: int | None) -> str:
    """Return a count; an en dash where it is not known."""
    return NOTHING if count is None else figure(count, count_label(count))


def table(head: Sequence[tuple[str, str]], rows: Iterable[Sequence[str]], name: str | None) -> str:
    """Return a table; each column has a heading and a class. ``name`` is its id in the page."""
    cells = "".join(f'<th scope="col" class="{kind}">{title}</th>' for title, kind in head)
    lines = "".join(
        "<tr>" + "".join(f'<td class="{kind}">{cell}</td>' for cell, (_, kind) in zip(row, head, strict=True)) + "</tr>"
        for row in rows
    )
    named = "" if name is None else f' id="{name}"'
    return f'<div class="wide"><table{named}><thead><tr>{cells}</tr></thead><tbody>{lines}</tbody></table></div>'


def section(title: str, note: str, *parts: str) -> str:
    """Return a part of the page under a heading of its own."""
    return f'<section><h2>{title}</h2><p class="note">{note}</p>{"".join(parts)}</section>'
