"""Runs the programs that are measured: the daemon, servers, load; each in a fresh directory."""

import contextlib
import json
import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "integration"))

from producers import ApiConnection  # noqa: E402  (its place is named above)

PATIENCE = 120  # seconds that nothing in here may take longer than, but filling large backlogs

POST_LUA = """
wrk.method = "POST"
wrk.body = {body}
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Accept"] = "application/json"
wrk.headers["Idempotency-Key"] = "01970000-0000-7000-8000-000000000000"
"""

NGINX_CONF = """
worker_processes 1;
pid {directory}/nginx.pid;
error_log {directory}/nginx.log crit;
events {{ worker_connections 512; }}
http {{
  access_log off;
  keepalive_requests 100000000;
  client_body_temp_path {directory};
  proxy_temp_path {directory};
  fastcgi_temp_path {directory};
  uwsgi_temp_path {directory};
  scgi_temp_path {directory};
  server {{
    listen 127.0.0.1:{port}{tls};
    location / {{ return 202; }}
  }}
}}
"""


class Failed(Exception):
    """A row could not be measured."""


class Missing(Exception):
    """A program to compare with is not installed."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def find_program(name):
    path = os.environ.get(f"FLOWRELAY_BENCH_{name.upper()}") or shutil.which(
        name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/bin")
    if not path:
        raise Missing(f"{name} is not installed")
    return path


def until(condition, what, patience=PATIENCE, pause=0.01):
    end = time.monotonic() + patience
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise Failed(f"waited {patience} s in vain for {what}")
        time.sleep(pause)


def counts_instructions():
    """Whether perf can count the instructions of a program here."""
    try:
        done = subprocess.run(["perf", "stat", "-x,", "-e", "instructions:u", "true"],
                              capture_output=True, text=True, timeout=30, check=False)
    except OSError:
        return False
    return re.search(r"^\d+,,instructions", done.stderr, re.MULTILINE) is not None


class Program:
    """A program that runs in the background; its output goes to a file."""

    def __init__(self, bench, name, command):
        self.name = name
        self.ca_file = None  # of a server with TLS
        self.output_path = bench.new_path(name)
        self.started = time.monotonic()
        with open(self.output_path, "wb") as output:
            self.process = subprocess.Popen([str(word) for word in command], stdout=output,
                                            stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        bench.programs.append(self)

    @property
    def output(self):
        return self.output_path.read_text(errors="replace")

    def wait_for_output(self, pattern, patience=PATIENCE):
        def look():
            ended = self.process.poll() is not None
            match = re.search(pattern, self.output)
            if ended and not match:
                raise Failed(f"{self.name} has ended:\n{self.output[-2000:]}")
            return match
        return until(look, f"{self.name} to say {pattern!r}", patience, 0.002)

    def stop(self, how=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            return self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)
            raise Failed(f"{self.name} did not end") from None

    def memory(self, field="VmRSS"):
        """MiB; VmRSS now, VmHWM the most so far."""
        text = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"^{field}:\s+(\d+) kB", text, re.MULTILINE).group(1)) / 1024

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Relay:
    """The daemon with a directory of its own."""

    def __init__(self, bench, url, state=None, ingest=None, **spool):
        self.bench = bench
        self.directory = bench.new_path("relay")
        self.directory.mkdir()
        self.ingest_socket = self.directory / "ingest.sock"
        self.control_socket = self.directory / "control.sock"
        self.state = state or self.directory / "state"
        self.config = self.directory / "flowrelay.yaml"
        self.spool = spool
        self.ingest = ingest or {}
        self.program = None
        self.aim(url)

    def aim(self, url, ca_file=None):
        settings = {
            "destination": {"base_url": url, **({"ca_file": str(ca_file)} if ca_file else {})},
            "ingest": {"socket": str(self.ingest_socket), **self.ingest},
            "control": {"socket": str(self.control_socket)},
            "spool": {"directory": str(self.state), "max_size": "64GiB", **self.spool},
            "log": {"stats_interval": "0"},
        }
        # JSON is YAML.
        self.config.write_text("".join(f"{section}: {json.dumps(values)}\n"
                                       for section, values in settings.items()))

    def start(self, wait=True):
        prefix = self.bench.options.prefix.split()
        self.program = Program(self.bench, "flowrelayd",
                               [*prefix, self.bench.bin / "flowrelayd", "--config", self.config])
        if wait:
            self.program.wait_for_output(r"relay\.ready")
        return self

    def stop(self, how=signal.SIGTERM):
        self.program.stop(how)

    def status(self):
        with contextlib.closing(ApiConnection(str(self.control_socket), PATIENCE)) as connection:
            return json.loads(connection.request("GET", "/v1/status").body)

    def wait_for_delivered(self, count, patience=PATIENCE):
        until(lambda: self.status()["delivered"] >= count, f"{count} deliveries", patience, 0.02)

    def drain_rate(self, count, patience=PATIENCE):
        """Waits for the end of a drain; gives events/s between a tenth and nine tenths of it."""
        samples = []

        def look():
            samples.append((time.monotonic(), self.status()["delivered"]))
            return samples[-1][1] >= count
        until(look, f"{count} deliveries", patience, 0.02)
        middle = [s for s in samples if count * 0.1 <= s[1] <= count * 0.9]
        if len(middle) < 5:
            raise Failed(f"{count} events are too few to measure a drain")
        return (middle[-1][1] - middle[0][1]) / (middle[-1][0] - middle[0][0])


class FirstRequest:
    """A destination that only tells when the first request came, and then goes away."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(PATIENCE)
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.arrived = None
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        with contextlib.suppress(OSError), self.listener:
            connection, _ = self.listener.accept()
            with connection:
                if connection.recv(1):
                    self.arrived = time.monotonic()

    def wait(self):
        self.thread.join(PATIENCE)
        if self.arrived is None:
            raise Failed("the first delivery did not come")
        return self.arrived


class Bench:
    """What the rows share: options, directories, programs, the results."""

    def __init__(self, options):
        self.options = options
        self.bin = pathlib.Path(options.bin).resolve()
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="flowrelay-bench-",
                                                       dir=options.directory))
        self.programs = []
        self.results = []
        self._count = 0
        self._counts = None  # not tried yet

    def new_path(self, name):
        self._count += 1
        return self.directory / f"{self._count:03}-{name}"

    def stop_programs(self):
        """Politely: an nginx that is killed leaves its worker behind."""
        for program in reversed(self.programs):
            with contextlib.suppress(Failed):
                program.stop()
        self.programs.clear()

    def clean(self):
        """Between rows: nothing runs on, nothing fills the disk."""
        self.stop_programs()
        for path in self.directory.iterdir():
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()

    def close(self):
        self.stop_programs()
        shutil.rmtree(self.directory, ignore_errors=True)

    def tool(self, name, *arguments, patience=PATIENCE):
        """One of our measuring programs; gives what it printed as JSON."""
        command = [str(self.bin / name), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, timeout=patience, check=False)
        if done.returncode != 0:
            raise Failed(f"{name} failed: {done.stderr.decode(errors='replace').strip()}")
        return json.loads(done.stdout)

    def load(self, socket_path, patience=PATIENCE, **options):
        words = []
        for key, value in {"size": self.options.size, **options}.items():
            words += [f"--{key}"] if value is True else [f"--{key}", value]
        return self.tool("bench_load", "--socket", socket_path, *words, patience=patience)

    def commits(self, engine, batch, seconds=None, events=400_000):
        directory = self.new_path(engine)
        directory.mkdir()
        result = self.tool("bench_commit", "--engine", engine, "--batch", batch, "--directory",
                           directory, "--size", self.options.size, "--events", events,
                           "--seconds", seconds or self.options.seconds)
        shutil.rmtree(directory)
        return result

    def count_instructions(self, program):
        """Begins to count; gives a function that ends it and returns the count of user mode, or
        None where there is no perf or the processor's counters are not to be had."""
        if self._counts is None:
            self._counts = counts_instructions()
        if not self._counts:
            return lambda: None
        perf = subprocess.Popen(["perf", "stat", "-x,", "-e", "instructions:u", "-p",
                                 str(program.process.pid)], stderr=subprocess.PIPE, text=True)

        def end():
            perf.send_signal(signal.SIGINT)
            _, text = perf.communicate(timeout=30)
            match = re.search(r"^(\d+),,instructions", text, re.MULTILINE)
            return int(match.group(1)) if match else None
        return end

    # -- destinations

    def devserver(self, port=0):
        program = Program(self, "devserver", [self.bin / "flowrelay-devserver", "--listen",
                                              f"127.0.0.1:{port}", "--fast", "--max-received", "0"])
        return program, program.wait_for_output(r"listening on (http://\S+)").group(1)

    def nginx_tls(self):
        """With a certificate of its own, TLS 1.3 alone, an elliptic curve as most servers have."""
        directory = self.new_path("certificate")
        directory.mkdir()
        certificate, key = directory / "cert.pem", directory / "key.pem"
        subprocess.run([find_program("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
                        "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                        "-keyout", str(key), "-out", str(certificate)],
                       check=True, capture_output=True, timeout=PATIENCE)
        program, url = self.nginx(tls=f" ssl;\n    ssl_protocols TLSv1.3;\n    ssl_certificate "
                                      f"{certificate};\n    ssl_certificate_key {key}")
        program.ca_file = certificate
        return program, url.replace("http://", "https://")

    def nginx(self, port=0, tls=""):
        port = port or free_port()
        directory = self.new_path("nginx")
        directory.mkdir()
        config = directory / "nginx.conf"
        config.write_text(NGINX_CONF.format(directory=directory, port=port, tls=tls))
        program = Program(self, "nginx", [find_program("nginx"), "-p", directory, "-c", config,
                                          "-g", "daemon off;"])

        def listening():
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                return True
            return program.process.poll() is not None
        until(listening, "nginx", 10)
        if program.process.poll() is not None:
            raise Failed(f"nginx has ended:\n{program.output}")
        return program, f"http://127.0.0.1:{port}"

    def wrk(self, url):
        """Requests a second with the body that the relay would send, and processor time of one."""
        script = self.new_path("post.lua")
        body = json.dumps({"flow_token": "0" * 32, "uuid": "0" * 36, "body": ""})
        body = body[:-2] + "x" * (self.options.size + 48 - len(body)) + '"}'
        script.write_text(POST_LUA.format(body=json.dumps(body)))
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run([find_program("wrk"), "-t1", "-c32", f"-d{self.options.seconds}s",
                               "-s", str(script), f"{url}/messages"],
                              capture_output=True, timeout=PATIENCE, check=False)
        match = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout.decode())
        if not match or b"Non-2xx" in done.stdout:
            raise Failed(f"wrk: {done.stdout.decode()} {done.stderr.decode()}")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        count = re.search(r"(\d+) requests in", done.stdout.decode())
        return float(match.group(1)), seconds / int(count.group(1)) * 1e6

    # -- other ends of ingest

    def reference(self):
        directory = self.new_path("reference")
        directory.mkdir()
        path = directory / "ref.sock"
        program = Program(self, "reference", [self.bin / "bench_reference", "--socket", path,
                                              "--file", directory / "log"])
        program.wait_for_output("listening on")
        return program, path

    def beanstalkd(self):
        directory = self.new_path("beanstalkd")
        directory.mkdir()
        path = directory / "b.sock"
        program = Program(self, "beanstalkd", [find_program("beanstalkd"), "-l", f"unix:{path}",
                                               "-b", directory, "-f0"])
        until(path.exists, "beanstalkd", 10)
        return program, path
