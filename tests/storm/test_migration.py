"""A small storm over a migration, for every run of the suite; ``migration.py`` raises a large one."""

from __future__ import annotations

import json
from pathlib import Path

from storm.migration import Storm, by_the_journals, ended, raise_storm


def test_a_migration_killed_again_and_again_ends_with_all_mail_once(tmp_path: Path) -> None:
    storm = Storm(tmp_path, accounts=12, messages=600, seed=20261125)
    storm.fill()
    raise_storm(storm, by_the_journals(storm, 5000), kills=5, runs=15)
    assert storm.kills.total() > 0
    last = storm.run()
    said = ended(last)
    assert last.returncode == 0, said
    report = json.loads((tmp_path / "report.json").read_text())
    assert (report["status"], report["accounts"]["done"]) == ("done", 12)
    assert storm.check() == []
