"""The words of the contract and its tests say the same, and nothing is skipped but by capability."""

import ast
import inspect
import re
from pathlib import Path

import pytest

import mailstore.testing
from mailstore import Capabilities
from mailstore.testing import DriverContract, Harness, ReadOnlyContract, needs
from mailstore.testing.marks import clauses_of, missing

ROOT = Path(__file__).parents[2]
CLAUSE = re.compile(r"^\*\*(\d+\.\d+)\*\* ((?:.+\n)+)", re.MULTILINE)
TESTS = dict(inspect.getmembers(DriverContract, inspect.isfunction))
TESTS.update(inspect.getmembers(ReadOnlyContract, inspect.isfunction))
SUITE = sorted(Path(mailstore.testing.__file__).parent.rglob("*.py"))
OURS = [ROOT / "tests" / "contract" / name for name in ("test_memory.py", "test_sqlite.py")]


def written() -> dict[str, str]:
    return dict(CLAUSE.findall((ROOT / "docs" / "contract.md").read_text()))


def cited() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for name, test in TESTS.items():
        if name.startswith("test_"):
            for number in clauses_of(test):
                found.setdefault(number, set()).add(name)
    return found


def test_every_clause_has_a_test_and_every_test_a_clause() -> None:
    assert set(cited()) == set(written())
    assert [name for name, test in TESTS.items() if name.startswith("test_") and not clauses_of(test)] == []


def test_clauses_are_numbered_in_order() -> None:
    numbers = [tuple(map(int, number.split("."))) for number in written()]
    assert numbers == sorted(numbers)
    for section in {first for first, _ in numbers}:
        seconds = [second for first, second in numbers if first == section]
        assert seconds == list(range(1, len(seconds) + 1))


def test_what_a_clause_needs_its_tests_need() -> None:
    """[field] in the words is a ``needs`` of at least one of the clause's tests."""
    for number, text in written().items():
        promised = {name.replace("native: ", "native:") for name in re.findall(r"\[`([a-z_: ]+)`\]", text)}
        asked = set().union(*(getattr(TESTS[name], "needs", ()) for name in cited()[number]))
        assert promised <= asked, number


def test_no_test_hides_another() -> None:
    """A name that two sections use would run once only."""
    seen: dict[str, str] = {}
    for section in (*DriverContract.__mro__, ReadOnlyContract):
        for name in vars(section):
            if name.startswith("test_"):
                assert name not in seen, f"{name} is in {section.__name__} and in {seen[name]}"
                seen[name] = section.__name__


def names_used(path: Path) -> list[str]:
    return [
        node.attr if isinstance(node, ast.Attribute) else node.id
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, (ast.Attribute, ast.Name))
    ]


@pytest.mark.parametrize("path", [*SUITE, *sorted(Path(__file__).parent.glob("test_*.py"))], ids=lambda path: path.name)
def test_nothing_else_skips(path: Path) -> None:
    """One call of ``pytest.skip`` in the suite, in the gate; no xfail, no importorskip, no assume."""
    words = ("skip", "skipif", "xfail", "importorskip", "assume", "SkipTest")
    found = [name for name in names_used(path) if name in words]
    assert found == (["skip"] if path.parts[-2:] == ("contract", "base.py") else [])


def test_missing() -> None:
    @needs("saved_date", "keywords", "native:clone")
    def test() -> None: ...

    assert missing(test, Capabilities("x", native=frozenset({"clone"}))) is None
    assert missing(test, Capabilities("x", keywords=30, native=frozenset({"clone"}))) is None
    assert missing(test, Capabilities("x")) == "Capabilities.native of x has no clone"
    assert missing(test, Capabilities("x", saved_date=False)) == "Capabilities.saved_date of x is False"
    assert missing(test, Capabilities("x", keywords=0)) == "Capabilities.keywords of x is 0"
    assert missing(test_missing, Capabilities("x")) is None


@pytest.mark.parametrize("name", ["saveddate", "native:fast", "native"])
def test_needs_knows_the_fields(name: str) -> None:
    if name == "native":
        assert needs(name)(test_missing) is test_missing
        del test_missing.__dict__["needs"]
    else:
        with pytest.raises(ValueError, match="no field"):
            needs(name)


@pytest.mark.parametrize("path", sorted(Path(__file__).parent.glob("test_*.py")), ids=lambda path: path.name)
def test_every_driver_runs_all_of_it(path: Path) -> None:
    """A file that makes a ``DriverContract`` or a ``ReadOnlyContract`` overrides no clause."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and any(
            getattr(base, "id", "") in ("DriverContract", "ReadOnlyContract") for base in node.bases
        ):
            (statement,) = node.body
            assert isinstance(statement, ast.Assign)
            assert [getattr(target, "id", "") for target in statement.targets] == ["harness_class"]


def test_a_harness_says_where_its_store_is(tmp_path: Path) -> None:
    class Here(Harness):
        location_template = "sqlite:{root}.db"

    harness = Here(tmp_path)
    assert harness.location == f"sqlite:{tmp_path}/store.db"
    assert harness.sibling("x").location == f"sqlite:{tmp_path}/x.d/store.db"
