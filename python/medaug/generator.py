# SPDX-License-Identifier: MIT
import os

import numpy
from PIL import Image

from . import _native
from .errors import DataError, InvalidArgumentError
from .progress import callback


def _levels(mask):
    """A mask as an array: labels (H, W), or colours (H, W, 3)."""
    if mask is None:
        return None
    if isinstance(mask, (str, os.PathLike)):
        try:
            with Image.open(mask) as picture:
                return _levels(picture)
        except OSError as e:
            raise DataError(f"cannot be read as a mask: {e}", os.fspath(mask)) from None
    if isinstance(mask, Image.Image):
        if mask.mode == "P":
            return numpy.asarray(mask)  # the stored numbers are the labels
        if mask.mode in ("RGBA", "LA", "PA"):
            raise InvalidArgumentError("a mask has no transparency", "mask", "save it as labels or as RGB")
        if mask.mode == "1":
            return numpy.asarray(mask).astype(numpy.uint8) * 255
        return numpy.asarray(mask)
    array = numpy.asarray(mask)
    return array.astype(numpy.uint8) * 255 if array.dtype == bool else array


def _size(image_size):
    """None, a side, or (height, width)."""
    if image_size is None:
        return None, None
    if isinstance(image_size, (tuple, list)):
        height, width = image_size
        return int(height), int(width)
    return int(image_size), int(image_size)


class ImageGenerator:
    """Makes images from a checkpoint of `medaug train`.

    The same arguments give the same image, alone or in a batch, and the image that `medaug generate` makes.

    checkpoint_path  run folder, step folder or .safetensors file
    device           "auto", "cpu" or "cuda"
    precision        "bfloat16" or "float32"
    """

    def __init__(self, checkpoint_path, device="auto", precision="bfloat16"):
        self._native = _native.Generator(os.fspath(checkpoint_path), device, precision)

    @property
    def info(self):
        """What the checkpoint says of itself: size, classes, settings, training, SHA-256."""
        return self._native.info()

    def generate(self, caption="", mask=None, image_size=None, num_inference_steps=None, guidance_scale=None, seed=42,
                 *, mask_guidance_scale=None, solver=None, negative_caption=None, progress=None):
        """One PIL image ("L", "RGB" or "I;16").

        caption              text; may be empty
        mask                 PIL image, array, path or None: labels of the classes, or their colours
        image_size           pixels, or (height, width); None = as trained
        num_inference_steps  solver steps; None = as the checkpoint was saved
        guidance_scale       of the caption; 1 = off
        progress             function of (step, steps), or True for a bar
        """
        return self.generate_batch(
            [caption], [mask], [seed], image_size=image_size, num_inference_steps=num_inference_steps,
            guidance_scale=guidance_scale, mask_guidance_scale=mask_guidance_scale, solver=solver,
            negative_caption=negative_caption, progress=progress)[0]

    def generate_batch(self, captions, masks=None, seeds=None, *, image_size=None, num_inference_steps=None,
                       guidance_scale=None, mask_guidance_scale=None, solver=None, negative_caption=None, progress=None):
        """A PIL image for each caption. masks: one for each caption, or None; seeds: likewise, default 42, 43, ..."""
        captions = list(captions)
        masks = [None] * len(captions) if masks is None else list(masks)
        seeds = [42 + i for i in range(len(captions))] if seeds is None else [int(seed) for seed in seeds]
        if not len(captions) == len(masks) == len(seeds):
            raise InvalidArgumentError(f"{len(captions)} captions, {len(masks)} masks, {len(seeds)} seeds", "captions",
                                       "give as many of each")
        height, width = _size(image_size)
        settings = {"height": height, "width": width, "steps": num_inference_steps, "guidance": guidance_scale,
                    "mask_guidance": mask_guidance_scale, "solver": solver, "negative": negative_caption}
        on_step, end = callback(progress, "generating")
        try:
            arrays = self._native.generate(captions, [_levels(mask) for mask in masks], seeds, settings, on_step)
        finally:
            end()
        return [Image.fromarray(array) for array in arrays]

    def stream(self, requests, batch_size=16, **settings):
        """Images one after the other, made in batches. requests: an iterable of dicts with caption, mask, seed."""
        batch = []
        number = 0
        for request in requests:
            batch.append({"caption": "", "mask": None, "seed": 42 + number, **request})
            number += 1
            if len(batch) == batch_size:
                yield from self._made(batch, settings)
                batch = []
        if batch:
            yield from self._made(batch, settings)

    def _made(self, batch, settings):
        return self.generate_batch([one["caption"] for one in batch], [one["mask"] for one in batch],
                                   [one["seed"] for one in batch], **settings)
