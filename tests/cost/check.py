#!/usr/bin/python3 -B
"""The guard of what an event costs: instructions and allocations, never seconds.

    tests/cost/check.py --program build/ci/bin/cost --build "GNU 12.2 ..." [--record "why"]

Runs `cost ingest` and `cost drain` under callgrind and compares what they need an event with what
recorded.json has for this build. Another compiler, or other flags, need other figures: without any
the test is skipped. A change that makes an event dearer or cheaper by more than 3 % records its
figures and says why: the commit that has the change has them, too.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

RECORDED = pathlib.Path(__file__).resolve().parent / "recorded.json"
TOLERANCE = 0.03
# The C library chooses its routines by the processor. Without these it takes those that every one
# has, so that the figures are the same on all.
OLDEST_PROCESSOR = "glibc.cpu.hwcaps=" + ",".join(
    f"-{feature}" for feature in ("AVX", "AVX2", "AVX512F", "AVX512VL", "AVX512BW", "BMI1", "BMI2",
                                  "ERMS", "FSRM", "LZCNT", "MOVBE", "RTM", "SSE4_1", "SSE4_2",
                                  "SSSE3", "XSAVEC"))
ALLOCATIONS = 0.1  # an event; what grows by doubling falls into one run or into the other
SKIPPED = 77


def measure(program, what):
    """Instructions and allocations an event."""
    with tempfile.TemporaryDirectory(prefix="flowrelay-cost-") as directory:
        done = subprocess.run(
            ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null",
             "--toggle-collect=*measured_round*", program, what],
            capture_output=True, text=True, check=False, timeout=600,
            env={"PATH": os.environ["PATH"], "TMPDIR": directory, "LC_ALL": "C",
                 "GLIBC_TUNABLES": OLDEST_PROCESSOR})
    counted = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode != 0 or not counted:
        sys.exit(f"cost {what} failed:\n{done.stdout}{done.stderr}")
    result = json.loads(done.stdout)
    return {"instructions": round(int(counted.group(1)) / result["events"]),
            "allocations": round(result["allocations"] / result["events"], 2)}


def compare(what, now, then):
    """Says how it is, and whether it is as recorded."""
    change = now["instructions"] / then["instructions"] - 1
    more = now["allocations"] - then["allocations"]
    good = abs(change) <= TOLERANCE and abs(more) <= ALLOCATIONS
    print(f"{what}: {now['instructions']:,} instructions an event, recorded "
          f"{then['instructions']:,} ({change:+.1%}); {now['allocations']} allocations, recorded "
          f"{then['allocations']}{'' if good else ': NOT AS RECORDED'}")
    return good


def record(book, build, measured, why):
    book.setdefault(build, []).append({"why": why, **measured})
    RECORDED.write_text(json.dumps(book, indent=1) + "\n")
    print(f"recorded in {RECORDED} for {build!r}; commit it with the change")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True, help="the program `cost` of the build")
    parser.add_argument("--build", required=True, help="compiler and flags, which the figures are for")
    parser.add_argument("--record", metavar="WHY", help="write the figures down, with the reason")
    options = parser.parse_args()
    book = json.loads(RECORDED.read_text()) if RECORDED.exists() else {}
    history = book.get(options.build)
    if not history and not options.record:
        print(f"SKIPPED: no figures are recorded for {options.build!r}. To record them:\n"
              f"    {sys.argv[0]} --program {options.program} --build '{options.build}' "
              "--record 'first figures of this compiler'")
        return SKIPPED
    if not shutil.which("valgrind"):
        print("SKIPPED: valgrind is not installed")
        return SKIPPED
    measured = {what: measure(options.program, what) for what in ("ingest", "drain")}
    if options.record:
        for what, figures in measured.items():
            print(f"{what}: {figures['instructions']:,} instructions and "
                  f"{figures['allocations']} allocations an event")
        record(book, options.build, measured, options.record)
        return 0
    if all([compare(what, measured[what], history[-1][what]) for what in measured]):
        return 0
    print(f"\nAn event costs more or less than recorded (within {TOLERANCE:.0%} is as recorded). If "
          "that is meant, record it with the\nreason, in the same commit:\n"
          f"    {sys.argv[0]} --program {options.program} --build '{options.build}' --record 'WHY'\n"
          "What has become dearer: valgrind --tool=callgrind "
          f"--toggle-collect='*measured_round*' {options.program} ingest\n"
          "and callgrind_annotate --auto=no callgrind.out.*, before and after.")
    return 1


if __name__ == "__main__":
    sys.exit(main())
