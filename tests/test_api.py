"""The public face: its names, its weight, its types."""

import ast
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import mailstore

ROOT = Path(__file__).parents[1]
PACKAGE = Path(mailstore.__file__).parent
HEAVY = {"apsw", "click", "tqdm", "zstandard", "email", "sqlite3", "asyncio", "concurrent", "ctypes", "hypothesis",
         "pytest", "socket", "tempfile", "logging", "mailbox"}  # fmt: skip


def public(module: object) -> list[str]:
    names: list[str] = vars(module)["__all__"]
    return names


@pytest.mark.parametrize(
    "name",
    [
        "mailstore",
        "mailstore.convert",
        "mailstore.doctor",
        "mailstore.quota",
        "mailstore.search",
        "mailstore.survey",
        "mailstore.testing",
    ],
)
def test_names_are_sorted_and_there(name: str) -> None:
    module = importlib.import_module(name)
    names = public(module)
    constants = [one for one in names if one.isupper()]
    classes = [one for one in names if one[0].isupper() and not one.isupper()]
    functions = [one for one in names if one[0].islower()]
    assert names == [*sorted(constants), *sorted(classes), *sorted(functions)]
    assert len(names) == len(set(names))
    for one in names:
        assert getattr(module, one) is not None


@pytest.mark.parametrize("name", ["mailstore", "mailstore.migrate", "mailstore.quota", "mailstore.survey"])
def test_names_come_from_where_type_checkers_see_them(name: str) -> None:
    """The imports that are only for type checkers, the table by which names are found, and ``__all__`` agree."""
    module = importlib.import_module(name)
    tree = ast.parse(Path(str(module.__file__)).read_text())
    seen = {
        node.module: tuple(alias.name for alias in node.names)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module != "__future__"
    }
    seen.pop("importlib")
    assert vars(module)["_HOMES"] == seen
    assert sorted(public(module)) == sorted(name for names in seen.values() for name in names)


def test_every_error_is_public() -> None:
    from mailstore import errors

    ours = {
        name for name, value in vars(errors).items() if isinstance(value, type) and value.__module__ == errors.__name__
    }
    assert ours <= set(public(mailstore))


@pytest.mark.parametrize(
    "name",
    ["mailstore", "mailstore.testing", "mailstore.convert", "mailstore.doctor", "mailstore.migrate", "mailstore.quota"],
)
def test_everything_public_says_what_it_is(name: str) -> None:
    module = importlib.import_module(name)
    for one in public(module):
        value = getattr(module, one)
        if isinstance(value, type) or inspect.isroutine(value):
            assert value.__doc__, one


def loaded(code: str) -> set[str]:
    script = f"import sys; before = set(sys.modules); {code}; print(*sorted(set(sys.modules) - before))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in run.stdout.split()}


def test_importing_is_cheap() -> None:
    assert loaded("import mailstore") == {"mailstore", "__future__"}
    assert loaded("import mailstore.quota") == {"mailstore", "__future__"}
    assert loaded("from mailstore import open_store; open_store") & HEAVY == set()


def test_opening_loads_one_driver_alone(tmp_path: Path) -> None:
    mailstore.open_store(f"maildir:{tmp_path}/m", create=True).close()
    heavy = {"apsw", "click", "tqdm", "email", "zstandard"}
    assert loaded("import mailstore; mailstore.open_store('memory:').close()") & heavy == set()
    code = f"import mailstore; mailstore.open_store({str(tmp_path / 'm')!r}, readonly=True).inbox.state()"
    assert loaded(code) & heavy == set()


def test_types_are_declared() -> None:
    assert (PACKAGE / "py.typed").read_bytes() == b""


@pytest.mark.parametrize("path", sorted((ROOT / "tests" / "typing").glob("*.py")), ids=lambda path: path.name)
def test_users_are_typed(path: Path) -> None:
    """What users write is checked as they would check it, and a wrong line is found."""
    mypy_api = importlib.import_module("mypy.api")
    wrong = {number for number, line in enumerate(path.read_text().splitlines(), 1) if line.endswith("# wrong")}
    output, errors, _ = mypy_api.run(
        ["--strict", "--no-error-summary", "--cache-dir", str(ROOT / ".mypy_cache"), str(path)]
    )
    assert errors == ""
    found = {int(line.split(":")[1]) for line in output.splitlines() if ": error:" in line}
    assert found == wrong, output
