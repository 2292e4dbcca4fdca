"""What the system's limits do to a watch: the queue overflows, there are no more watches, a file system goes away."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.peers import refuse

pytestmark = pytest.mark.root

QUEUE = Path("/proc/sys/fs/inotify/max_queued_events")

STORM = """
import os, subprocess, sys
from mailstore import open_store
from mailstore.watch import Replica
root, queue = sys.argv[1], sys.argv[2]
for name in ("", *(f"/.f{n}" for n in range(40))):
    for sub in ("cur", "new", "tmp"):
        os.makedirs(f"{root}{name}/{sub}")
writer = '''
import os, sys
root, me = sys.argv[1], sys.argv[2]
for n in range(500):
    directory = f"{root}/.f{(n * 7 + int(me)) % 40}"
    name = f"1700000000.M{n}P{me}.host"
    with open(f"{directory}/tmp/{name}", "wb") as file:
        file.write(b"Subject: x\\\\n\\\\n")
    os.rename(f"{directory}/tmp/{name}", f"{directory}/new/{name}")
'''
with open_store(root) as store:
    before = open(queue).read() if queue else ""
    if queue:
        open(queue, "w").write("16")
    try:
        watch = store.watch()
    finally:
        if queue:
            open(queue, "w").write(before)
    replica = Replica()
    for info in store.folders():
        replica.folders.setdefault(info.path, {})
    writers = [subprocess.Popen([sys.executable, "-c", writer, root, str(me)]) for me in range(4)]
    told = 0
    while told < 2000:
        events = watch.batch(40)
        assert events, f"{told} of 2000 events, then none: {watch.problems}"
        for event in events:
            replica.apply(event)
        told += len(events)
    assert watch.batch(1) == []
    assert all(writer.wait() == 0 for writer in writers)
    now = {info.path: {row.uid for row in store.folder(info.path).rows(0)} for info in store.folders()}
    assert {path: set(messages) for path, messages in replica.folders.items()} == now
    print(told, len(watch.problems))
"""


def storm(tmp_path: Path, queue: str, *before: str) -> list[int]:
    done = subprocess.run(
        [*before, sys.executable, "-c", STORM, str(tmp_path / "M"), queue],
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stderr
    return [int(word) for word in done.stdout.split()]


def test_a_queue_that_overflows_loses_no_event(tmp_path: Path) -> None:
    if os.getuid() != 0 or not os.access(QUEUE, os.W_OK):
        refuse("max_queued_events cannot be lowered: it takes root, and a system that lets root")
    assert storm(tmp_path, str(QUEUE)) == [2000, 0]


def test_without_watches_a_storm_is_told_by_polling(tmp_path: Path) -> None:
    """In a user namespace of its own, so that the limit hits nobody else."""
    limit = 'echo 3 > /proc/sys/user/max_inotify_watches && exec "$@"'
    alone = ["unshare", "--user", "--map-root-user", "sh", "-c", limit, "sh"]
    if subprocess.run([*alone, "true"], capture_output=True, check=False).returncode != 0:
        refuse("no user namespaces here")
    told, problems = storm(tmp_path, "", *alone)
    assert told == 2000
    assert problems == 1
