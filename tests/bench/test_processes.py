"""Time and memory are those of a process with all its children."""

import os
import subprocess
import sys
import time

from bench.processes import cpu_s, pss_mib, tree

SPAWN = "import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}])"


def test_a_child_that_works_counts_with_its_parent():
    busy = "while True: pass"
    parent = subprocess.Popen(
        [sys.executable, "-c", SPAWN.format(inner=busy)], start_new_session=True
    )
    try:
        while cpu_s([parent.pid]) < 0.2:
            time.sleep(0.02)

        assert len(tree(parent.pid)) == 2
        assert pss_mib(parent.pid) > 1
    finally:
        os.killpg(parent.pid, 9)
        parent.wait()


def test_a_process_that_has_ended_counts_for_nothing():
    ended = subprocess.Popen(["true"])
    ended.wait()

    assert cpu_s([ended.pid]) == 0
    assert pss_mib(ended.pid) == 0
