"""One table from errors to exit codes: complete, and as documented."""

import errno

import pytest

import mailstore
from mailstore_cli import exitcodes


def classes(base=mailstore.MailstoreError):
    return {base}.union(*(classes(kind) for kind in base.__subclasses__())) if base.__subclasses__() else {base}


ABSTRACT = {mailstore.MailstoreError, mailstore.StoreError, mailstore.FolderError, mailstore.MessageError}
CONCRETE = sorted(
    (kind for kind in classes() if kind.__module__ == "mailstore.errors" and kind not in ABSTRACT),
    key=lambda kind: kind.__name__,
)


def code_of(kind):
    return exitcodes.of_error(kind.__new__(kind))


@pytest.mark.parametrize("kind", CONCRETE)
def test_every_error_has_its_own_code(kind):
    code = code_of(kind)
    assert code in exitcodes.MEANING
    assert code != exitcodes.SOFTWARE
    assert (code == exitcodes.TEMPORARY) == kind.temporary


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("UsageError", 64),
        ("LocationError", 64),
        ("AmbiguousLocation", 64),
        ("NotAStore", 65),
        ("CorruptStore", 65),
        ("NoSuchStore", 66),
        ("NoSuchFolder", 66),
        ("NoSuchMessage", 66),
        ("CannotCreate", 73),
        ("ReadOnlyStore", 73),
        ("FolderExists", 73),
        ("StoreBusy", 75),
        ("StorageFull", 75),
        ("StorageFailure", 75),
        ("QuotaExceeded", 75),
        ("MessageChanged", 75),
        ("Unsupported", 69),
        ("LossRefused", 1),
    ],
)
def test_the_codes_people_rely_on(name, code):
    assert code_of(getattr(mailstore, name)) == code


def test_a_driver_s_own_error_takes_its_base_s_code():
    class TornStore(mailstore.CorruptStore):
        pass

    assert exitcodes.of_error(TornStore("torn")) == 65
    assert exitcodes.of_error(mailstore.MailstoreError("?")) == exitcodes.SOFTWARE


def test_errors_of_the_system():
    assert exitcodes.of_error(FileNotFoundError(errno.ENOENT, "no")) == 66
    assert exitcodes.of_error(PermissionError(errno.EACCES, "no")) == 66
    assert exitcodes.of_error(IsADirectoryError(errno.EISDIR, "no")) == 66
    assert exitcodes.of_error(OSError(errno.ENOSPC, "full")) == 75
