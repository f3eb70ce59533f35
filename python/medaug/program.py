# SPDX-License-Identifier: MIT
"""The program `medaug`, which the package carries: for the console, and for the verbs that run for long."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading

from .errors import MedaugError, make
from .progress import callback


def _program():
    here = os.path.dirname(os.path.abspath(__file__))
    for place in (os.path.join(here, "bin", "medaug"), os.path.join(here, "..", "..", "medaug"),
                  os.environ.get("MEDAUG", "")):
        if place and os.path.exists(place):
            return place
    raise MedaugError("the program is not beside the package", here, "install the package again")


def main():
    """The console script: becomes the program."""
    os.execv(_program(), ["medaug", *sys.argv[1:]])


def run(*arguments, watch=None):
    """Runs a verb and returns its JSON. Ctrl+C asks it to stop and waits until its state is saved.

    watch  called now and then while it runs
    raises the class of its error
    """
    command = [_program(), *map(str, arguments), "--json", "--quiet"]
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = subprocess.Popen(command, stdout=out, stderr=err)
        try:
            while True:
                try:
                    process.wait(0.5)
                    break
                except subprocess.TimeoutExpired:
                    if watch:
                        watch()
        except BaseException:
            process.send_signal(signal.SIGTERM)
            process.wait()
            raise
        if watch:
            watch()
        out.seek(0)
        err.seek(0)
        return _answer(out.read(), err.read(), process.returncode)


def _answer(out, err, status):
    try:
        answer = json.loads(out)
    except ValueError:
        answer = {}
    error = answer.get("error") if isinstance(answer, dict) else None
    if isinstance(error, dict):
        raise make(error.get("code", ""), error.get("where", ""), error.get("message", ""), error.get("hint", ""))
    if status != 0:
        raise make("stopped" if status == 75 else "internal", "", err.strip() or f"ended with status {status}", "")
    return answer


def _flags(options):
    for name, value in options.items():
        flag = "--" + name.replace("_", "-")
        if value is True:
            yield flag
        elif value is not None and value is not False:
            yield flag
            yield str(value)


def _settings(config, prefix=""):
    """{"training": {"seed": 1}} as --set training.seed=1"""
    for key, value in config.items():
        if isinstance(value, dict):
            yield from _settings(value, f"{prefix}{key}.")
        else:
            yield "--set"
            yield f"{prefix}{key}={value if isinstance(value, str) else json.dumps(value)}"


class _Tail:
    """Hands the new lines of a growing JSONL file to a function."""

    def __init__(self, path, use):
        self._path, self._use, self._at, self._lock = path, use, 0, threading.Lock()

    def __call__(self):
        if not os.path.exists(self._path):
            return
        with self._lock, open(self._path, encoding="utf-8") as file:
            file.seek(self._at)
            while line := file.readline():
                if not line.endswith("\n"):
                    break
                self._at = file.tell()
                self._use(json.loads(line))


def train(config, output, *, resume=False, progress=None):
    """Trains in the folder `output`: `medaug train`. config: a YAML file, or a dict of its sections.

    progress  function of a dict for each step: step, loss, gradient_norm, images_seen, elapsed_seconds
    """
    arguments = ["train", "--output", os.fspath(output)]
    empty = None
    if isinstance(config, dict):
        empty = tempfile.NamedTemporaryFile("w", suffix=".yaml")
        empty.write("{}\n")
        empty.flush()
        arguments += ["--config", empty.name, *_settings(config)]
    else:
        arguments += ["--config", os.fspath(config)]
    if resume:
        arguments += ["--resume"]
    watch = _Tail(os.path.join(output, "logs", "metrics.jsonl"), progress) if progress else None
    try:
        return run(*arguments, watch=watch)
    finally:
        if empty:
            empty.close()


def augment(checkpoint, manifest, output, *, count=None, progress=None, **options):
    """Makes a data set of new images for a manifest's masks and captions: `medaug augment`.

    options   as the verb's: gate=True, mask_transform="affine", balance="label", seed=1, ...
    progress  function of (done, total), or True for a bar
    """
    step, end = callback(progress, "augmenting")
    done = [0]

    def line(_):
        done[0] += 1
        step(done[0], count)
    watch = _Tail(os.path.join(output, "manifest.jsonl"), line) if step else None
    try:
        return run("augment", "--checkpoint", os.fspath(checkpoint), "--manifest", os.fspath(manifest), "--output",
                   os.fspath(output), *_flags({"count": count, **options}), watch=watch)
    finally:
        end()
