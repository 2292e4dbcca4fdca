"""The documents: links lead somewhere, every page is listed, commands are those that CI runs."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")])
LINK = re.compile(r"\]\((?!https?://|#)([^)#\s]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    broken = [target for target in LINK.findall(page.read_text()) if not (page.parent / target).exists()]
    assert broken == []


def test_the_index_lists_every_page():
    index = (ROOT / "docs/index.md").read_text()
    listed = {(ROOT / "docs" / target).resolve() for target in LINK.findall(index)}
    pages = {page for page in (ROOT / "docs").rglob("*.md") if page.name != "index.md" and page.parent.name != "adr"}
    assert pages - listed == set()


def test_ci_runs_the_test_command_of_the_readme():
    commands = re.findall(r"```sh\n(python3 -m venv .*)\n```", (ROOT / "README.md").read_text())
    assert len(commands) == 2
    assert commands[1].endswith(".venv/bin/python -m pytest -n 2 -q -rs")
    assert "README.md" in (ROOT / ".ci/run").read_text()


def test_no_page_names_a_path_of_somebodys_machine():
    places = re.compile(r"/work/|/root/|/tmp/bash_jobs")
    assert [str(page) for page in PAGES if places.search(page.read_text())] == []
