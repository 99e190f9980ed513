#!/usr/bin/env python3
"""try_open.py PID PATH..: opens each path for reading as the process PID would: with its view of the file
system, its user and groups, and no capabilities. Prints "PATH: opened" or the name of the error."""

import ctypes
import errno
import os
import pathlib
import sys


def identity_of(pid):
    """The user, the group and the further groups that the kernel checks for the process."""
    fields = dict(line.split(":", 1)
                  for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines())
    if int(fields["CapEff"], 16) != 0:
        sys.exit(f"process {pid} has capabilities: {fields['CapEff'].strip()}")
    effective = 1
    return (int(fields["Uid"].split()[effective]), int(fields["Gid"].split()[effective]),
            [int(group) for group in fields["Groups"].split()])


def main():
    pid, paths = int(sys.argv[1]), sys.argv[2:]
    user, group, groups = identity_of(pid)
    libc = ctypes.CDLL(None, use_errno=True)
    with open(f"/proc/{pid}/ns/mnt", "rb") as namespace:
        if libc.setns(namespace.fileno(), 0) != 0:
            sys.exit(f"setns: {os.strerror(ctypes.get_errno())}")
    os.setgroups(groups)
    os.setresgid(group, group, group)
    os.setresuid(user, user, user)  # the capabilities go with it
    for path in paths:
        try:
            os.close(os.open(path, os.O_RDONLY))
            print(f"{path}: opened")
        except OSError as error:
            print(f"{path}: {errno.errorcode[error.errno]}")


if __name__ == "__main__":
    main()
