"""Bad networks for the black-box tests: a forwarder that cuts connections, and network namespaces of
the kernel's own."""

import os
import random
import re
import shutil
import socket
import subprocess
import threading
import time
import unittest

import support


class Forwarder:
    """Passes TCP connections on, as badly as it is told to. Everything can be changed at any time."""

    def __init__(self, target_port, seed=1):
        self.target_port = target_port
        self.random = random.Random(seed)
        self.cut_chance = 0.0  # of each piece: it is cut off in the middle and the connection reset
        self.delay = 0.0  # seconds, of each piece
        self.away = False  # nothing gets through; what comes back later is let through
        self.connections = 0
        self.cuts = 0
        self.open = True
        self.sockets = []
        self.threads = []
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.listener.settimeout(0.1)
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def close(self):
        self.open = False
        self.thread.join(support.PATIENCE)
        for thread in self.threads:
            thread.join(support.PATIENCE)
        for end in (self.listener, *self.sockets):
            end.close()

    def _accept(self):
        while self.open:
            try:
                client, _ = self.listener.accept()
            except socket.timeout:
                continue
            self.connections += 1
            server = socket.create_connection(("127.0.0.1", self.target_port))
            self.sockets += [client, server]
            for source, sink in ((client, server), (server, client)):
                source.settimeout(0.1)
                thread = threading.Thread(target=self._pass_on, args=(source, sink), daemon=True)
                self.threads.append(thread)
                thread.start()

    def _pass_on(self, source, sink):
        try:
            while self.open:
                try:
                    piece = source.recv(65536)
                except socket.timeout:
                    continue
                while self.away and self.open:
                    time.sleep(0.01)
                time.sleep(self.delay)
                if self.random.random() < self.cut_chance:
                    self.cuts += 1
                    sink.sendall(piece[:self.random.randrange(len(piece) + 1)])
                    break
                if not piece:
                    break
                sink.sendall(piece)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class Namespaces:
    """Two network namespaces with a link between them: the relay's and the server's."""

    CLIENT, SERVER = "10.213.7.1", "10.213.7.2"
    CLIENT6, SERVER6 = "fd5f:77::1", "fd5f:77::2"
    NOBODY6 = "fd5f:77::99"  # on the link, so that a packet to it is lost without an answer

    def __init__(self, test):
        name = f"flowrelay-{os.getpid()}-{id(test) % 10000}"
        self.client, self.server = f"{name}-c", f"{name}-s"
        if os.geteuid() != 0 or not shutil.which("ip"):
            raise unittest.SkipTest("network namespaces need root and the command ip")
        for namespace in (self.client, self.server):
            made = self._ip("netns", "add", namespace, check=False)
            if made.returncode != 0:
                raise unittest.SkipTest("network namespaces are not permitted here: "
                                        + made.stdout.decode().strip())
            test.addCleanup(self._ip, "netns", "del", namespace, check=False)
        self._ip("-n", self.client, "link", "add", "link0", "type", "veth", "peer", "name", "link0",
                 "netns", self.server)
        self._ip("-n", self.server, "link", "set", "lo", "up")
        self._ip("-n", self.client, "link", "set", "lo", "up")
        for namespace, v4, v6 in ((self.client, self.CLIENT, self.CLIENT6),
                                  (self.server, self.SERVER, self.SERVER6)):
            self._ip("-n", namespace, "addr", "add", f"{v4}/24", "dev", "link0")
            self._ip("-n", namespace, "addr", "add", f"{v6}/64", "dev", "link0", "nodad")
            self._ip("-n", namespace, "link", "set", "link0", "up")

    @staticmethod
    def _ip(*arguments, check=True):
        return subprocess.run(["ip", *arguments], check=check, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=30)

    def inside(self, namespace):
        """The words in front of a command that is to run in there."""
        return ["ip", "netns", "exec", namespace]

    def link(self, state):
        self._ip("-n", self.server, "link", "set", "link0", state)
        if state == "up":  # an IPv6 address goes with the link
            self._ip("-n", self.server, "addr", "replace", f"{self.SERVER6}/64", "dev", "link0",
                     "nodad")

    def worsen(self, kind, *parameters):
        """Both directions get a queue of this kind (`tc`): netem with "delay 50ms loss 10%"."""
        for namespace in (self.client, self.server):
            done = subprocess.run([*self.inside(namespace), "tc", "qdisc", "replace", "dev", "link0",
                                   "root", kind, *parameters], check=False, timeout=30,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            if done.returncode != 0:
                raise unittest.SkipTest(f"this kernel has no {kind}: "
                                        + done.stdout.decode().strip())

    def lost(self):
        """Packets that the queues of both directions have dropped."""
        total = 0
        for namespace in (self.client, self.server):
            shown = subprocess.run([*self.inside(namespace), "tc", "-s", "qdisc", "show", "dev",
                                    "link0"], check=True, timeout=30, stdout=subprocess.PIPE)
            total += int(re.search(rb"dropped (\d+)", shown.stdout).group(1))
        return total

    def _etc(self, test, name, lines):
        directory = f"/etc/netns/{self.client}"
        os.makedirs(directory, exist_ok=True)
        test.addCleanup(shutil.rmtree, directory, ignore_errors=True)
        with open(f"{directory}/{name}", "w", encoding="ascii") as out:
            out.write("".join(line + "\n" for line in lines))

    def hosts(self, test, *lines):
        """What /etc/hosts says in the client's namespace."""
        self._etc(test, "hosts", ("127.0.0.1 localhost", *lines))

    def silent_nameserver(self, test):
        """The only name server of the client's namespace takes questions and never answers."""
        self.hosts(test)
        self._etc(test, "resolv.conf", (f"nameserver {self.SERVER}",
                                        "options timeout:30 attempts:1"))
        code = f"import socket, time; s = socket.socket(type=socket.SOCK_DGRAM); " \
               f"s.bind(('{self.SERVER}', 53)); print('silent', flush=True); time.sleep(300)"
        server = subprocess.Popen([*self.inside(self.server), "/usr/bin/python3", "-c", code],
                                  stdout=subprocess.PIPE)
        test.addCleanup(server.stdout.close)
        test.addCleanup(server.wait)
        test.addCleanup(server.kill)
        server.stdout.readline()
