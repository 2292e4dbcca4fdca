"""The layer rule of the architecture, read from the sources' syntax trees: who may import whom, and who may write.

A module that is in no layer fails: give it one here, with a thought for what it may know.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FACADE = frozenset({"store", "together", "folder", "message", "transfer", "body", "aio", "view", "__init__"})

# What each layer may import of mailstore besides itself. A name stands for the module and everything in it.
ALLOWED: dict[str, frozenset[str]] = {
    "errors": frozenset(),
    "model": frozenset({"errors"}),
    "formats": frozenset({"errors", "model"}),
    "system": frozenset({"errors"}),
    "spi": frozenset({"errors", "model"}),
    "drivers": frozenset({"errors", "model", "formats", "system", "spi"}),
    "registry": frozenset({"errors", "spi"}),
    "archives": frozenset({"errors", "model", "spi", "system", "registry"}),
    "quota": frozenset({"errors", "model", "formats", "system", "spi"}),
    "watch": frozenset({"errors", "model", "spi", "quota", "system"}),
    "facade": frozenset({"errors", "model", "spi", "registry", "quota", "watch"}),
    "pages": frozenset({"errors", "system"}),
    "detection": frozenset({"facade", "registry", "spi", "errors", "model", "system"}),
    "survey": frozenset({"facade", "quota", "registry", "spi", "errors", "model", "formats", "system", "pages"}),
    "convert": frozenset({"facade", "registry", "errors", "model", "search", "formats", "spi", "system"}),
    "search": frozenset({"errors", "model", "formats"}),
    "migrate": frozenset(
        {
            "convert",
            "detection",
            "survey",
            "delivery",
            "facade",
            "registry",
            "spi",
            "errors",
            "model",
            "system",
            "pages",
        }
    ),
    "sync": frozenset({"convert", "facade", "errors", "model", "spi", "system", "pages"}),
    "service": frozenset({"errors", "system"}),
    "delivery": frozenset({"facade", "quota", "registry", "errors", "model", "formats", "system"}),
    "lmtp": frozenset({"facade", "quota", "delivery", "service", "registry", "errors", "model", "formats", "system"}),
    "policy": frozenset({"facade", "quota", "delivery", "service", "errors", "model"}),
    "doctor": frozenset({"errors", "spi", "registry", "system"}),
    "testing": frozenset({"facade", "quota", "errors", "model", "spi", "system"}),
    "cli": frozenset({"__init__"}),
}
# Modules that may know more than their layer, and why.
ALSO: dict[str, frozenset[str]] = {
    # a stream that comes in is spooled to a temporary file, and a header block is found in a Blob
    "mailstore.body": frozenset({"formats", "system"}),
    # Dovecot's spelling of a location is read there
    "mailstore.registry": frozenset({"formats"}),
    # a message's file name in a Maildir is given where the file is made
    "mailstore.system.drop": frozenset({"formats"}),
    # a line of sums is read and written where the file is opened
    "mailstore.system.maildirsize": frozenset({"formats"}),
    # a mailbox exported as an mbox file is opened as a store of its own
    "mailstore.drivers.apple.export": frozenset({"registry"}),
    # it starts the conversion and the worker processes through the public names
    "mailstore.__init__": frozenset({"convert"}),
}
# What drivers have in common: packages that each of them may import.
SHARED = frozenset({"drivers.sidecar", "drivers.readonly"})
THIRD_PARTY: dict[str, frozenset[str]] = {
    "drivers.sql": frozenset({"apsw"}),
    "drivers.sidecar": frozenset({"apsw"}),
    "sync": frozenset({"apsw"}),
    "system": frozenset({"zstandard", "inotify_simple", "watchfiles"}),
    "service": frozenset({"uvloop"}),
    "testing": frozenset({"pytest", "hypothesis", "apsw"}),
    "cli": frozenset({"click", "tqdm"}),
}
# What the command line may import: the public packages.
_PACKAGES = [
    "convert",
    "delivery",
    "detection",
    "doctor",
    "lmtp",
    "migrate",
    "policy",
    "quota",
    "search",
    "service",
    "survey",
    "sync",
    "watch",
]
PUBLIC = frozenset(f"mailstore{name}" for name in ("", *(f".{package}" for package in _PACKAGES)))
WRITING_OS = frozenset(
    name
    for names in (
        "write pwrite writev pwritev sendfile copy_file_range splice fdopen fsync fdatasync sync",
        "rename renames replace link symlink unlink remove removedirs mkdir makedirs rmdir mkfifo mknod",
        "truncate ftruncate utime chmod fchmod lchmod chown fchown lchown setxattr removexattr posix_fallocate",
    )
    for name in names.split()
)
WRITING_FLAGS = frozenset({"O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC", "O_APPEND", "O_EXCL", "O_TMPFILE"})
WRITING_METHODS = frozenset({"write_text", "write_bytes", "touch", "symlink_to", "hardlink_to"})
WRITING_FUNCTIONS = frozenset({"shutil.rmtree", "shutil.move", "shutil.copy", "shutil.copy2", "shutil.copyfile"}) | {
    "shutil.copytree",
    "fcntl.flock",
    "fcntl.lockf",
    *(f"tempfile.{name}" for name in ("mkstemp", "mkdtemp", "gettempdir", "TemporaryFile", "TemporaryDirectory")),
    *("tempfile.NamedTemporaryFile", "tempfile.SpooledTemporaryFile"),
}
WRITES: dict[str, frozenset[str]] = {
    "mailstore.convert.workers": frozenset({"os.write"}),  # into a pipe to another process
    "mailstore.policy.streams": frozenset({"os.fdopen"}),  # answers to a client, into a pipe
    "mailstore_cli.mda": frozenset({"os.write"}),  # a line to standard error
    "mailstore_cli.add": frozenset({"tempfile.SpooledTemporaryFile"}),  # standard input that is read twice
}
# What mailstore.system itself does past its table of calls, which tests replace to let calls fail.
PAST_THE_TABLE: dict[str, frozenset[str]] = {
    "mailstore.system.calls": frozenset({"os.sync"}),  # the table itself, where there is no syncfs
    "mailstore.system.dotlocks": frozenset({"fcntl.flock"}),  # a lock is no change
    "mailstore.system.kernellocks": frozenset({"fcntl.flock", "fcntl.lockf"}),
    "mailstore.system.sockets": frozenset({"os.chown", "os.unlink"}),  # a socket is no file of a store
}


def modules() -> Iterator[tuple[str, Path]]:
    """Yield the name and file of each module of both packages."""
    for base in (ROOT, ROOT / "cli"):
        package = "mailstore" if base == ROOT else "mailstore_cli"
        for path in sorted((base / package).rglob("*.py")):
            parts = path.relative_to(base).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 2 else parts), path


def layer_of(name: str) -> str:
    """Return the layer of a module: a driver's is its own."""
    parts = name.split(".")
    if parts[0] == "mailstore_cli":
        return "cli"
    if len(parts) == 1 or parts[1] in FACADE:
        return "facade"
    if parts[1] == "drivers":
        return ".".join(parts[1:3])
    return parts[1]


def imported(tree: ast.AST) -> Iterator[str]:
    """Yield what a module imports, as full names: of ``from mailstore import b`` both."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports are not used"
            assert node.module
            if node.module == "mailstore.drivers":
                yield from (f"{node.module}.{alias.name}" for alias in node.names)
                continue
            yield node.module
            if node.module == "mailstore":
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


def wrong_imports(name: str, tree: ast.AST) -> list[str]:
    """Return what module ``name`` imports and may not."""
    layer = layer_of(name)
    group = "drivers" if layer.startswith("drivers") else layer
    wrong = []
    for other in imported(tree):
        top = other.partition(".")[0]
        if top == "mailstore_cli":
            if layer != "cli":
                wrong.append(other)
        elif top == "mailstore":
            if other != "mailstore" and not is_module(other):
                continue  # a public name, not a module
            target = layer_of(other)
            allowed = target == layer or target in ALLOWED[group] or target in ALSO.get(name, ())
            if group == "cli":
                allowed = other in PUBLIC
            elif group == "drivers" and target in SHARED:
                allowed = True
            if not allowed:
                wrong.append(other)
        elif top not in sys.stdlib_module_names and top not in THIRD_PARTY.get(layer, ()):
            wrong.append(other)
    return wrong


def wrong_writes(tree: ast.AST) -> list[str]:
    """Return the calls that write to a file system, or lock, past mailstore.system."""
    wrong = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module in ("os", "shutil", "fcntl", "tempfile"):
            names = [alias.name for alias in node.names]
            wrong += [name for name in names if name in WRITING_OS or f"{node.module}.{name}" in WRITING_FUNCTIONS]
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        owner, _, last = name.rpartition(".")
        if name == "os.open":
            used = {part.attr for part in ast.walk(node) if isinstance(part, ast.Attribute)}
            bad = bool(used & WRITING_FLAGS)
        elif name == "open":
            modes = (*node.args[1:2], *(keyword.value for keyword in node.keywords if keyword.arg == "mode"))
            bad = any(not isinstance(mode, ast.Constant) or set(str(mode.value)) & set("wax+") for mode in modes)
        elif owner == "os":
            bad = last in WRITING_OS
        else:
            bad = name in WRITING_FUNCTIONS or (last in WRITING_METHODS and owner != "fs")
        if bad and not (node.args and ast.unparse(node.args[0]) == "os.devnull"):
            wrong.append(name)
    return wrong


def driver_questions(tree: ast.AST) -> list[str]:
    """Return the places that ask which driver they have: by class, or by the name of the format."""
    wrong = []
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in ("isinstance", "issubclass")
        ):
            classes = {part.id for part in ast.walk(node.args[1]) if isinstance(part, ast.Name)}
            classes |= {part.attr for part in ast.walk(node.args[1]) if isinstance(part, ast.Attribute)}
            if any(name.endswith("Driver") for name in classes):
                wrong.append(f"isinstance in line {node.lineno}")
        elif isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            asks = any(
                isinstance(side, ast.Attribute)
                and side.attr == "format"
                and isinstance(side.value, ast.Name | ast.Attribute)
                and "capabilities" in ast.unparse(side.value)
                for side in sides
            )
            if asks and any(isinstance(part, ast.Constant) for side in sides for part in ast.walk(side)):
                wrong.append(f"capabilities.format is compared in line {node.lineno}")
    return wrong


MODULES = list(modules())
each_module = pytest.mark.parametrize(("name", "path"), MODULES, ids=[name for name, _ in MODULES])


@each_module
def test_a_module_imports_only_what_its_layer_allows(name: str, path: Path) -> None:
    layer = layer_of(name)
    assert layer.partition(".")[0] in ALLOWED, f"{name} is in no layer"
    assert wrong_imports(name, ast.parse(path.read_text(encoding="utf-8"))) == []


@each_module
def test_only_system_writes_to_the_file_system(name: str, path: Path) -> None:
    if layer_of(name) not in ("system", "testing"):  # testing plays the foreign writers
        found = wrong_writes(ast.parse(path.read_text(encoding="utf-8")))
        assert [call for call in found if call not in WRITES.get(name, ())] == []


@each_module
def test_system_writes_through_its_table(name: str, path: Path) -> None:
    if layer_of(name) == "system":
        found = wrong_writes(ast.parse(path.read_text(encoding="utf-8")))
        assert set(found) == PAST_THE_TABLE.get(name, frozenset())


@each_module
def test_nobody_outside_drivers_asks_which_driver_it_has(name: str, path: Path) -> None:
    if not layer_of(name).startswith("drivers"):
        assert driver_questions(ast.parse(path.read_text(encoding="utf-8"))) == []


def test_no_public_name_is_also_a_module() -> None:
    """Importing a module puts it in the place of a function of that name in its package."""
    tree = ast.parse((ROOT / "mailstore" / "__init__.py").read_text(encoding="utf-8"))
    names = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert len(names) > 20
    assert [name for name in sorted(names) if is_module(f"mailstore.{name}")] == []


def test_no_package_is_called_cli() -> None:
    assert not (ROOT / "cli" / "__init__.py").exists()


@pytest.mark.parametrize(
    ("name", "source", "wrong"),
    [
        ("mailstore.errors", "import mailstore.model.flags", ["mailstore.model.flags"]),
        ("mailstore.model.flags", "from mailstore.spi import Driver", ["mailstore.spi"]),
        ("mailstore.formats.headers", "def f():\n    from mailstore.system import fs", ["mailstore.system"]),
        ("mailstore.drivers.sql.rows", "from mailstore.drivers.memory import FORMAT", ["mailstore.drivers.memory"]),
        ("mailstore.drivers.sql.rows", "from mailstore.drivers import memory", ["mailstore.drivers.memory"]),
        ("mailstore.drivers.memory.rows", "import apsw", ["apsw"]),
        ("mailstore.drivers.sidecar.index", "from mailstore import open_store", ["mailstore"]),
        ("mailstore.drivers.maildir.folder", "from mailstore.drivers.sidecar import Entry", []),
        ("mailstore.store", "from mailstore.drivers.sql import FORMAT", ["mailstore.drivers.sql"]),
        ("mailstore.registry", "from mailstore.store import Store", ["mailstore.store"]),
        ("mailstore_cli.ls", "from mailstore.model.flags import SEEN", ["mailstore.model.flags"]),
        ("mailstore_cli.ls", "import click\nfrom mailstore import open_store", []),
    ],
)
def test_the_import_rule_finds_what_it_should(name: str, source: str, wrong: list[str]) -> None:
    assert wrong_imports(name, ast.parse(source)) == wrong


@pytest.mark.parametrize(
    "source",
    [
        "os.rename(a, b)",
        "os.open(p, os.O_RDWR | os.O_CLOEXEC)",
        "open(p, 'wb')",
        "open(p, mode=m)",
        "Path(p).write_text('')",
        "shutil.rmtree(p)",
        "from os import unlink",
        "from fcntl import lockf",
        "tempfile.mkstemp()",
        "from tempfile import TemporaryDirectory",
    ],
)
def test_the_write_rule_finds_what_it_should(source: str) -> None:
    assert len(wrong_writes(ast.parse(source))) == 1


@pytest.mark.parametrize(
    "source", ["os.open(p, os.O_RDONLY)", "open(p, 'rb')", "open(p)", "fs.touch(p)", "os.open(os.devnull, os.O_RDWR)"]
)
def test_the_write_rule_lets_reading_be(source: str) -> None:
    assert wrong_writes(ast.parse(source)) == []


@pytest.mark.parametrize(
    "source",
    [
        "isinstance(d, MaildirDriver)",
        "isinstance(d, (int, drivers.SqlDriver))",
        "if store.capabilities.format == 'mbox': pass",
        "if x.capabilities.format in ('mbox', 'maildir'): pass",
    ],
)
def test_the_driver_rule_finds_what_it_should(source: str) -> None:
    assert len(driver_questions(ast.parse(source))) == 1
