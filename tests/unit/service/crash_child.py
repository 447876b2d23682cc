"""A program for test_reconcile: does one verb again and again, and dies at its first step, its second, and so on.

After each death another process, as after a restart, compares and repairs. Prints one line of JSON per death.
"""

import json
import os
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))
sys.path.insert(0, str(Path(__file__).parent))

from conftest import House, act, end_here, furnish


def die_at(step, verb, folder):
    """Whether the verb died at this step; False: it was through before."""
    child = os.fork()
    if child == 0:
        house = open_house(folder)
        house.faults.arm(step, end_here)
        act(house, verb)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return {0: False, 9: True}[os.waitstatus_to_exitcode(status)]


def open_house(folder):
    house = House(folder)
    house.overlay.switch = lambda: None
    return house


def repair(folder, verb):
    house = open_house(folder)
    planned = [str(action) for action in house.reconciler.reconcile(dry_run=True, grace_s=0)]
    done = [str(action) for action in house.reconciler.reconcile(grace_s=0)]
    found = {"planned": planned, "done": done, "differences": house.differences()}
    found["second"] = [str(action) for action in house.reconciler.reconcile(grace_s=0)]
    try:
        act(house, verb)
        found["again"] = ""
    except Exception as error:
        found["again"] = type(error).__name__
    found["after"] = house.differences()
    return found


def main(verb, folder):
    origin = Path(folder, "origin")
    origin.mkdir()
    furnish(open_house(origin))
    for step in range(1, 200):
        copy = shutil.copytree(origin, Path(folder, str(step)))
        if not die_at(step, verb, copy):
            return
        print(json.dumps({"step": step, **repair(copy, verb)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
