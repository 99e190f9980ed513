#!/usr/bin/env python3
"""hold_thread.py PID SECONDS: stops the storage thread of a flowrelayd for so long, as a disk that does not
answer would, or until the process ends. The other threads go on. Prints "held" once it stands still."""

import ctypes
import os
import pathlib
import sys
import time

PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT = 17, 0x4206, 0x4207
WALL = 0x40000000


def main():
    pid, seconds = int(sys.argv[1]), float(sys.argv[2])
    # The first thread does the I/O; that of the allocator has a name of its own.
    threads = [int(path.parent.name) for path in pathlib.Path(f"/proc/{pid}/task").glob("*/comm")
               if path.read_text().strip() == "flowrelayd" and int(path.parent.name) != pid]
    if len(threads) != 1:
        sys.exit(f"process {pid} has {len(threads)} threads that may be the one")
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    libc.ptrace.restype = ctypes.c_long
    for request in (PTRACE_SEIZE, PTRACE_INTERRUPT):
        if libc.ptrace(request, threads[0], None, None) != 0:
            sys.exit(f"ptrace: {os.strerror(ctypes.get_errno())}")
    # It stands still when its stop can be waited for.
    held, status = os.waitpid(threads[0], WALL)
    if not os.WIFSTOPPED(status):
        sys.exit("it ended before it could be held")
    print("held", flush=True)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        # Its end has to be waited for here, or the process would not end.
        held, status = os.waitpid(threads[0], os.WNOHANG | WALL)
        if held and (os.WIFEXITED(status) or os.WIFSIGNALED(status)):
            return
        time.sleep(0.1)
    libc.ptrace(PTRACE_DETACH, threads[0], None, None)


if __name__ == "__main__":
    main()
