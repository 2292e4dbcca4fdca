"""``--report`` of one conversion: written whole, also where it fails or is interrupted."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from mailstore import MailstoreError
from mailstore.convert import Conversion, Plan


@dataclass
class Noted:
    """What is known of a conversion that may end at any moment."""

    conversion: Conversion | None = None
    plan: Plan | None = None
    given_up: tuple[str, ...] = ()


@contextmanager
def noting(paths: Sequence[str], source: str, destination: str) -> Iterator[Noted]:
    """Write what became of the conversion in the block to ``paths``, however it ends.

    SIGTERM ends it as SIGINT does meanwhile, so that the report is written.
    """
    noted = Noted()
    if not paths:
        yield noted
        return
    from mailstore.migrate import Account, Migration, Result, write_reports  # late: most conversions do without

    result = Result(Account("", source, destination))
    migration = Migration([result], started=int(time.time()))
    started = time.monotonic()
    title = "Conversion of mail"
    write_reports(paths, migration, title, running=True)
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield noted
    except MailstoreError as error:
        result.status, result.error, result.reason = "failed", type(error).__name__, str(error)
        raise
    except OSError as error:
        result.status, result.error, result.reason = "failed", type(error).__name__, error.strerror or str(error)
        raise
    except KeyboardInterrupt:
        result.status, result.reason = "interrupted", "it was stopped; run it again, and it goes on"
        migration.interrupted = True
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
        result.report = noted.conversion.report if noted.conversion is not None else None
        result.plan = noted.plan
        result.given_up = noted.given_up
        result.seconds = migration.seconds = time.monotonic() - started
        if result.status == "waiting":
            done = result.report.ok if result.report is not None else noted.plan is not None and not noted.plan.problems
            result.status = "done" if done else "failed"
        write_reports(paths, migration, title)
