# SPDX-License-Identifier: MIT
"""Progress: a callable, True for a bar (tqdm where it is installed), None for silence."""


class Bar:
    """progress(done, total) as tqdm shows it, in terminals and notebooks."""

    def __init__(self, label):
        self._label, self._bar, self._total = label, None, None

    def __call__(self, done, total):
        try:
            from tqdm.auto import tqdm
        except ImportError:
            return
        if self._bar is None or total != self._total:
            self.close()
            self._bar, self._total = tqdm(total=total, desc=self._label), total
        self._bar.update(done - self._bar.n)

    def close(self):
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def callback(progress, label):
    """(function or None, function to call at the end)"""
    if progress is True:
        bar = Bar(label)
        return bar, bar.close
    return (progress or None), (lambda: None)
