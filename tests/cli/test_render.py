"""Columns, sizes and dates."""

import pytest

from mailstore_cli.render import cells, fit, iso, local, size_text, table


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (None, "-"),
        (0, "0"),
        (999, "999"),
        (1000, "1.0K"),
        (10_000, "9.8K"),
        (20_000, "20K"),
        (1 << 20, "1.0M"),
        (1 << 50, "1024T"),
    ],
)
def test_sizes(size, text):
    assert size_text(size) == text


@pytest.mark.parametrize(("text", "columns"), [("abc", 3), ("漢字", 4), ("e\u0301", 1), ("", 0), ("Grüße", 5)])
def test_cells(text, columns):
    assert cells(text) == columns


@pytest.mark.parametrize(
    ("text", "width", "fitted"),
    [("abc", 5, "abc  "), ("abcdef", 4, "abc…"), ("漢字漢字", 6, "漢字… "), ("漢字", 4, "漢字"), ("abc", 3, "abc")],
)
def test_fit(text, width, fitted):
    assert fit(text, width) == fitted
    assert cells(fitted) == width


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, None),
        (0, "1970-01-01T00:00:00+00:00"),
        (-1, "1969-12-31T23:59:59+00:00"),
        (1700000000, "2023-11-14T22:13:20+00:00"),
        (253402300799, "9999-12-31T23:59:59+00:00"),
        (253402300800, None),
        (-62135596800, "0001-01-01T00:00:00+00:00"),
        (1 << 62, None),
        (-(1 << 62), None),
    ],
)
def test_iso(seconds, text):
    assert iso(seconds) == text


def test_local(monkeypatch):
    import time

    monkeypatch.setenv("TZ", "UTC-5:30")
    time.tzset()
    assert local(0) == "1970-01-01 05:30"
    assert local(None) == "-"
    assert local(1 << 62) == "-"
    monkeypatch.undo()
    time.tzset()


def test_table(capsys):
    table(("Name", "N"), [("漢", "1"), ("long name", "22")], right=frozenset({1}))
    assert capsys.readouterr().out == "Name        N\n漢          1\nlong name  22\n"
