# SPDX-License-Identifier: MIT
import json
import os

import numpy
import torch

from .errors import DataError
from .generator import ImageGenerator, _levels


class SyntheticDataset(torch.utils.data.Dataset):
    """Made-up samples for the masks and captions of a manifest, made when they are asked for.

    Item i is {"image": (C, H, W) float32 in [-1, 1], "mask": (H, W) int64 or None, "caption", "label", "seed"}. The same
    i gives the same sample; `set_epoch` gives new ones. Made in batches of `batch_size` and kept until the next one.
    In a DataLoader use num_workers=0: the generator has threads of its own.

    generator  ImageGenerator, or a checkpoint's path
    manifest   JSONL with caption, mask_path, label
    length     samples of an epoch; None = as many as the manifest has
    transform  called with each sample
    """

    def __init__(self, generator, manifest, length=None, seed=0, batch_size=16, transform=None, **settings):
        self._generator = generator if isinstance(generator, ImageGenerator) else ImageGenerator(generator)
        folder = os.path.dirname(os.path.abspath(manifest))
        with open(manifest, encoding="utf-8-sig") as file:
            self._records = [json.loads(line) for line in file if line.strip()]
        if not self._records:
            raise DataError("has no records", os.fspath(manifest))
        self._folder, self._settings, self._transform = folder, settings, transform
        self._length = len(self._records) if length is None else int(length)
        self._seed, self._epoch, self._batch_size, self._block, self._made = seed, 0, batch_size, None, []

    def set_epoch(self, epoch):
        self._epoch, self._block = int(epoch), None

    def __len__(self):
        return self._length

    def _request(self, index):
        record = self._records[index % len(self._records)]
        path = record.get("mask_path")
        return {"caption": record.get("caption") or "",
                "mask": _levels(os.path.join(self._folder, path)) if path else None,
                "seed": self._seed + self._epoch * self._length + index}

    def _fill(self, block):
        first = block * self._batch_size
        requests = [self._request(i) for i in range(first, min(first + self._batch_size, self._length))]
        images = self._generator.generate_batch(
            [one["caption"] for one in requests], [one["mask"] for one in requests], [one["seed"] for one in requests],
            **self._settings)
        self._made, self._block = list(zip(requests, images)), block

    def __getitem__(self, index):
        if not 0 <= index < self._length:
            raise IndexError(index)
        block = index // self._batch_size
        if block != self._block:
            self._fill(block)
        request, image = self._made[index % self._batch_size]
        levels = numpy.asarray(image)
        top = 65535.0 if levels.dtype == numpy.uint16 else 255.0
        planes = levels[None] if levels.ndim == 2 else levels.transpose(2, 0, 1)
        label = self._records[index % len(self._records)].get("label")
        mask = request["mask"]
        sample = {"image": torch.from_numpy(planes.astype(numpy.float32) * (2 / top) - 1),
                  "mask": None if mask is None else torch.from_numpy(mask.astype(numpy.int64)),
                  "caption": request["caption"], "label": label, "seed": request["seed"]}
        return self._transform(sample) if self._transform else sample
