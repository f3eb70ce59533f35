# SPDX-License-Identifier: MIT
import os

from . import _native
from .errors import UsageError
from .progress import callback


class Evaluation(dict):
    """The figures of docs/EVALUATION_GUIDE.md as a dict, with `summary()` and `write_report(path)`."""

    def __init__(self, native):
        super().__init__(native.as_dict())
        self._native = native

    def summary(self, language="en"):
        """As the program prints it; language "en" or "zh"."""
        return self._native.summary(language)

    def write_report(self, path):
        self._native.write_report(os.fspath(path))


def evaluate(generated, reference=None, *, progress=None, **options):
    """Image quality, structure, distribution and copies of generated images: `medaug evaluate`.

    generated, reference, masks, training  folders or manifests
    unpaired, resize_reference, structure, distribution, copies  True to ask for it
    segmenter  file of `medaug segmenter train`
    progress   function of (done, total), or True for a bar
    """
    wanted = _native.EvaluateOptions()
    paths = {"generated": generated, "reference": reference, "masks": options.pop("masks", None),
             "training": options.pop("training", None), "segmenter": options.pop("segmenter", None)}
    for name, path in paths.items():
        if path is not None:
            setattr(wanted, name, os.fspath(path))
    for name, value in options.items():
        if name.startswith("_") or not hasattr(wanted, name):
            raise UsageError("is no option of evaluate", name)
        setattr(wanted, name, value)
    step, end = callback(progress, "evaluating")
    try:
        return Evaluation(_native.evaluate(wanted, step and (lambda part, done, total: step(done, total))))
    finally:
        end()
