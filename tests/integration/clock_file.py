"""The file `clock` of a state directory (docs/spool-format.md), read and written by tests."""

import struct


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def boot_id():
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()


def anchor(timeline_ms, wall_ms, since_boot_ms, boot):
    data = b"FRCLOCK1" + struct.pack("<qqq", timeline_ms, wall_ms, since_boot_ms)
    data += boot.encode().ljust(44, b"\0")
    return data + struct.pack("<I", crc32c(data))


def read(path):
    """The timeline, the wall clock and the clock since the boot, in ms, and the boot id."""
    data = path.read_bytes()
    return (*struct.unpack("<qqq", data[8:32]), data[32:68].decode())
