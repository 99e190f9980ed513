"""flowrelayd as a container has it: PID 1, a uid that no passwd names, a read-only root, the example's
configuration. Made of namespaces and an overlay, as container runtimes do, without one of them."""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import time
import unittest

import support
from producers import Producer

ROOT = pathlib.Path(__file__).resolve().parents[2]
USER = "54321"
CONTAINER = r"""
set -e
lab=$1 bin=$2
mount -t tmpfs lab "$lab/layers"
mkdir "$lab/layers/upper" "$lab/layers/work" "$lab/layers/root"
root=$lab/layers/root
mount -t overlay -o "lowerdir=/,upperdir=$lab/layers/upper,workdir=$lab/layers/work" overlay "$root"
rm -f "$root/etc/machine-id"
mkdir -p "$root/opt/bin" "$root/etc/flowrelay" "$root/var/lib/flowrelay" "$root/run/flowrelay" \
    "$root/run/secrets"
mount --bind "$bin" "$root/opt/bin"
for volume in etc/flowrelay var/lib/flowrelay run/flowrelay run/secrets; do
    mount --bind "$lab/volumes/$volume" "$root/$volume"
done
mount -t proc proc "$root/proc"
mount --bind /dev "$root/dev"
mount -o remount,ro,bind "$root/opt/bin"
mount -o remount,ro "$root"
exec chroot "$root" setpriv --reuid=%(user)s --regid=%(user)s --clear-groups --no-new-privs \
    --bounding-set=-all env -i PATH=/opt/bin:/usr/bin:/bin flowrelayd
""" % {"user": USER}


def can_make_containers():
    """Whether overlays, PID namespaces and other users are permitted here."""
    if not support.can_mount() or not shutil.which("setpriv"):
        return False
    run = subprocess.run(
        ["unshare", "--mount", "--pid", "--fork", "sh", "-c",
         "mount -t tmpfs none /mnt && mkdir /mnt/u /mnt/w /mnt/r && "
         "mount -t overlay -o lowerdir=/,upperdir=/mnt/u,workdir=/mnt/w overlay /mnt/r && "
         f"mount -t proc proc /mnt/r/proc && setpriv --reuid={USER} --clear-groups true"],
        check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return run.returncode == 0


class ContainerProgram(support.Program):
    """unshare, whose child is PID 1 of the container; unshare itself ignores SIGTERM."""

    def first_process(self):
        children = pathlib.Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return int(children[0]) if children else None

    def terminate(self, patience=None):
        first = self.first_process() if self.running() else None
        if first:
            os.kill(first, signal.SIGTERM)
        return self.wait(patience)


@unittest.skipUnless(can_make_containers(), "this user can't make namespaces with an overlay")
class Container(support.RelayTestCase):

    def setUp(self):
        super().setUp()
        self.server = self.start_devserver()
        self.lab = self.directory / "container"
        (self.lab / "layers").mkdir(parents=True)
        for volume in ("etc/flowrelay", "var/lib/flowrelay", "run/flowrelay", "run/secrets"):
            (self.lab / "volumes" / volume).mkdir(parents=True)
            shutil.chown(self.lab / "volumes" / volume, int(USER), int(USER))
        example = (ROOT / "config/examples/container/flowrelay.yaml").read_text()
        config = self.volume("etc/flowrelay/flowrelay.yaml")
        config.write_text(example.replace("https://api.flowdock.com", self.server.url))
        secret = self.volume("run/secrets/ci.token")
        secret.write_text(self.token() + "\n")
        secret.chmod(0o400)
        shutil.chown(secret, int(USER), int(USER))
        self.ingest = self.volume("run/flowrelay/ingest.sock")

    def volume(self, path):
        return self.lab / "volumes" / path

    def start(self):
        container = ContainerProgram(
            "container", ["unshare", "--mount", "--pid", "--fork", "--kill-child",
                          "--propagation", "private", "sh", "-c", CONTAINER, "sh", self.lab,
                          support.BIN], self.directory)
        self.programs.append(container)
        container.wait_for_output(r"event=relay\.ready")
        return container, container.first_process()

    def inside(self, pid, *words):
        """Runs a command in the container, as `docker exec` and a health check do."""
        return self.command(["nsenter", "-t", str(pid), "-m", "-p", "-r", "setpriv",
                             f"--reuid={USER}", f"--regid={USER}", "--clear-groups",
                             "env", "PATH=/opt/bin:/usr/bin", *words])

    def stop(self, container):
        begun = time.monotonic()
        self.assertEqual(container.terminate(), 0)
        return time.monotonic() - begun

    def hand_in(self, thread):
        with Producer(self.ingest) as producer:
            return producer.submit({"source": "ci", "external_thread_id": thread, "title": "t"})

    def test_it_runs_as_pid_1_of_a_user_without_a_name_on_a_read_only_root(self):
        container, pid = self.start()
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        self.assertRegex(status, r"(?m)^NSpid:\s+\d+\s+1$")
        self.assertRegex(status, rf"(?m)^Uid:\s+{USER}\s")
        self.assertNotEqual(self.inside(pid, "touch", "/etc/flowrelay-was-here").status, 0)
        self.assertEqual(self.hand_in("a")["status"], "accepted")
        self.server.wait_for(1)
        self.assertEqual(self.inside(pid, "flowrelay", "health").status, 0)
        self.assertLess(self.stop(container), 8 * support.SCALE)

    def test_it_stops_within_8_seconds_with_a_request_that_hangs_and_loses_nothing(self):
        self.server.rules({"match": {"external_thread_id": "hangs"}, "status": 202,
                           "delay_ms": 60000})
        container, pid = self.start()
        self.assertEqual(self.hand_in("hangs")["status"], "accepted")
        support.wait_until(
            lambda: re.search(r"1 in flight", self.inside(pid, "flowrelay", "status").stdout),
            "the request to be under way")
        self.assertLess(self.stop(container), 8 * support.SCALE)
        self.server.rules()
        container, pid = self.start()
        self.server.wait_for(1)
        self.stop(container)


if __name__ == "__main__":
    support.main()
