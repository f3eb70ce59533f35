# SPDX-License-Identifier: MIT
"""What the tests of `medaug serve` share: a tiny checkpoint, a server of one's own, raw requests, a JUnit report.

MEDAUG names the program, MEDAUG_SOURCE_DIR the project."""

import base64
import http.client
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest
import xml.etree.ElementTree as ElementTree
import zlib

MEDAUG = os.environ.get("MEDAUG", "build/release/medaug")
SOURCE = os.environ.get("MEDAUG_SOURCE_DIR", ".")
SIDE = 32  # pixels of the tiny model's images


def run(*arguments, **options):
    done = subprocess.run([MEDAUG, *arguments], capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise AssertionError(f"medaug {' '.join(arguments)}: {done.returncode}\n{done.stderr}")
    return done


class Material:
    """Made once: phantom data, a run of a few steps on it, a segmenter."""

    folder = None

    @classmethod
    def get(cls):
        if cls.folder is None:
            cls.folder = tempfile.mkdtemp(prefix="medaug_app_")
            cls._make(cls.folder)
        return cls.folder

    @staticmethod
    def _make(folder):
        run("phantom", f"{folder}/phantom", "--count", "40", "--size", str(SIDE), "--quiet")
        sets = {
            "data.train_data": f"{folder}/phantom/train.jsonl", "data.val_data": f"{folder}/phantom/val.jsonl",
            "data.allow_outside": "true", "training.max_minutes": "0", "training.max_steps": "20",
            "training.batch_size": "4", "training.sample_count": "4", "data.image_size": str(SIDE)}
        arguments = [part for key, value in sets.items() for part in ("--set", f"{key}={value}")]
        run("train", "--config", f"{SOURCE}/configs/tiny.yaml", "--output", f"{folder}/runs/tiny", "--quiet", *arguments)
        run("segmenter", "train", "--config", f"{SOURCE}/configs/tiny.yaml", "--data", f"{folder}/phantom/train.jsonl",
            "--val", f"{folder}/phantom/val.jsonl", "--allow-outside", "--size", str(SIDE), "--width", "4", "--steps", "20",
            "--output", f"{folder}/segmenter.safetensors", "--quiet")

    @classmethod
    def remove(cls):
        if cls.folder:
            shutil.rmtree(cls.folder, ignore_errors=True)


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        return self.json()["error"]["code"]


class Server:
    """`medaug serve` on a free port."""

    def __init__(self, *arguments, history=None, environment=None, port=0):
        self.folder = Material.get()
        self.history = history or tempfile.mkdtemp(prefix="history_", dir=self.folder)
        self.log = open(os.path.join(self.history, "server.log"), "a")
        self.process = subprocess.Popen(
            [MEDAUG, "serve", "--checkpoint", f"{self.folder}/runs/tiny", "--port", str(port), "--json",
             "--history", self.history, *arguments],
            stdout=subprocess.PIPE, stderr=self.log, text=True, env={**os.environ, **(environment or {})})
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError("no server: " + open(self.log.name).read())
        self.port = json.loads(line)["port"]
        self.host = f"127.0.0.1:{self.port}"

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        self.stop()

    def stop(self, with_signal=signal.SIGTERM, timeout=60):
        if self.process.poll() is None:
            self.process.send_signal(with_signal)
        status = self.process.wait(timeout)
        self.process.stdout.close()
        self.log.close()
        return status

    def connect(self, timeout=30):
        return socket.create_connection(("127.0.0.1", self.port), timeout=timeout)

    def ask(self, method, path, body=None, headers=None, timeout=60):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        headers = dict(headers or {})
        if isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
            headers.setdefault("Content-Type", "application/json")
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def raw(self, data, timeout=15):
        """What comes back for these bytes until the server closes or falls silent."""
        with self.connect(timeout) as connection:
            try:
                connection.sendall(data)
            except (BrokenPipeError, ConnectionResetError):
                pass
            out = b""
            try:
                while True:
                    some = connection.recv(65536)
                    if not some:
                        break
                    out += some
                    if b"\r\n\r\n" in out and b"Connection: close" not in out and self._whole(out):
                        break
            except (ConnectionResetError, socket.timeout):
                pass
            return out

    @staticmethod
    def _whole(out):
        head, _, body = out.partition(b"\r\n\r\n")
        for line in head.split(b"\r\n"):
            if line.lower().startswith(b"content-length:"):
                return len(body) >= int(line.split(b":")[1])
        return False

    def raw_status(self, data, timeout=15):
        out = self.raw(data, timeout)
        return int(out.split(b" ", 2)[1]) if out.startswith(b"HTTP/1.1 ") else 0

    def job(self, **fields):
        answer = self.ask("POST", "/v1/jobs", {"prompt": "a phantom", **fields})
        assert answer.status == 202, answer.body
        return answer.json()

    def state(self, job):
        return self.ask("GET", f"/v1/jobs/{job['id']}").json()

    def wait(self, job, timeout=120):
        end = time.time() + timeout
        while time.time() < end:
            found = self.state(job)
            if found["state"] not in ("queued", "running"):
                return found
            time.sleep(0.02)
        raise AssertionError(f"job {job['id']} is not done")

    def metric(self, name):
        for line in self.ask("GET", "/metrics").body.decode().splitlines():
            if line.startswith(name + " "):
                return float(line.rsplit(" ", 1)[1])
        raise KeyError(name)


def events(stream):
    """(event, data) of a text/event-stream response of http.client."""
    name, data = None, None
    for line in stream:
        line = line.decode().rstrip("\n").rstrip("\r")
        if line.startswith("event: "):
            name = line[7:]
        elif line.startswith("data: "):
            data = json.loads(line[6:])
        elif not line and name:
            yield name, data
            name = None


def png(rows, alpha=None):
    """An 8-bit grey PNG of rows of numbers; with alpha: grey and alpha."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    height, width = len(rows), len(rows[0])
    lines = b""
    for y, row in enumerate(rows):
        lines += b"\0"
        for x, value in enumerate(row):
            lines += bytes([value]) if alpha is None else bytes([value, alpha[y][x]])
    kind = 0 if alpha is None else 4
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b""))


def label_map(value=1):
    """A disc in the middle."""
    middle = SIDE / 2
    return [[value if (x - middle) ** 2 + (y - middle) ** 2 < (SIDE / 5) ** 2 else 0 for x in range(SIDE)]
            for y in range(SIDE)]


def mask_base64(value=1):
    return base64.b64encode(png(label_map(value))).decode()


def text_chunks(data):
    """tEXt and iTXt of a PNG."""
    found, at = {}, 8
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at:at + 8])
        body = data[at + 8:at + 8 + size]
        if kind == b"tEXt":
            key, value = body.split(b"\0", 1)
            found[key.decode()] = value.decode("latin-1")
        elif kind == b"iTXt":
            key, rest = body.split(b"\0", 1)
            found[key.decode()] = rest[2:].split(b"\0", 2)[2].decode()
        at += size + 12
    return found


def main(name):
    """Runs the tests of the calling module and reports them as GoogleTest would (scripts/count_tests.py)."""
    loader = unittest.defaultTestLoader
    module = sys.modules["__main__"]
    wanted = sys.argv[1:]
    suite = loader.loadTestsFromNames(wanted, module) if wanted else loader.loadTestsFromModule(module)
    result = Report(verbosity=2)
    suite.run(result)
    Material.remove()
    folder = os.environ.get("GTEST_OUTPUT", "")[4:]
    if folder:
        result.write(os.path.join(folder, f"{name}.xml"))
    print(f"{result.passed} passed, {len(result.failures) + len(result.errors)} failed, {len(result.skipped)} skipped")
    sys.exit(0 if result.wasSuccessful() and result.passed else 1)


class Report(unittest.TestResult):
    def __init__(self, verbosity):
        super().__init__(sys.stderr, None, verbosity)
        self.passed = 0
        self.root = ElementTree.Element("testsuites")

    def _case(self, test):
        name = test.id().split(".")
        return ElementTree.SubElement(self.root, "testcase", classname=".".join(name[-2:-1]), name=name[-1], status="run")

    def addSuccess(self, test):
        super().addSuccess(test)
        self.passed += 1
        self._case(test)
        print("ok     ", test.id(), file=sys.stderr)

    def _bad(self, test, error):
        text = self._exc_info_to_string(error, test)
        ElementTree.SubElement(self._case(test), "failure", message=text)
        print("FAILED ", test.id(), text, sep="\n", file=sys.stderr)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._bad(test, err)

    def addError(self, test, err):
        super().addError(test, err)
        self._bad(test, err)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self._bad(subtest, err)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        ElementTree.SubElement(self._case(test), "skipped", message=reason)

    def write(self, path):
        ElementTree.ElementTree(self.root).write(path)
