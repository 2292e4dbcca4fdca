"""The published table is what the drivers say, and says it of every field."""

from dataclasses import fields
from pathlib import Path

from mailstore import Capabilities
from mailstore.testing.capabilities import READ_ONLY, STORES, descriptions, ours, page

PAGE = Path(__file__).parents[2] / "docs" / "capabilities.md"


def test_page_is_up_to_date() -> None:
    assert PAGE.read_text() == page(ours()), "run: python -m mailstore.testing.capabilities > docs/capabilities.md"


def test_every_field_is_described() -> None:
    described = descriptions()
    assert list(described) == [field.name for field in fields(Capabilities)]
    assert all(described.values())


def test_cells() -> None:
    found = page(
        [
            ("All", Capabilities("all", native=frozenset({"move", "clone"}))),
            ("Poor", Capabilities("poor", flags=1, keywords=26, internal_date=(0, 5), sender=False, max_message=10)),
        ]
    )
    assert "| `flags` | Seen Answered Flagged Draft Deleted | Seen |\n" in found
    assert "| `keywords` | any | 26 |\n" in found
    assert "| `internal_date` | any to any | 0 to 5 |\n" in found
    assert "| `sender` | ✓ | - |\n" in found
    assert "| `max_message` | any | 10 |\n" in found
    assert "| `native` | clone, move | - |\n" in found
    assert (len(STORES), len(READ_ONLY)) == (6, 5)
