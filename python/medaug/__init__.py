# SPDX-License-Identifier: MIT
"""Medical images from captions and masks: generate, augment, evaluate, train.

    from medaug import ImageGenerator
    generator = ImageGenerator(checkpoint_path="runs/demo")
    image = generator.generate(caption="a retina", mask="mask.png", seed=7)

Images are synthetic, for research and education only, never for diagnosis."""

import os as _os

# Read when the library is loaded: threads that spin between two loops make a busy machine a hundred times slower.
_os.environ.setdefault("GOMP_SPINCOUNT", "3000")

import torch as _torch  # noqa: E402,F401  its libraries are those that ours is linked to

from ._native import __version__  # noqa: E402
from .dataset import SyntheticDataset  # noqa: E402
from .errors import (  # noqa: E402
    CheckpointError, ConfigError, DataError, InvalidArgumentError, MedaugError, NumericError, QualityGateError,
    ResourceError, StoppedError, UsageError)
from .evaluation import Evaluation, evaluate  # noqa: E402
from .generator import ImageGenerator  # noqa: E402
from .program import augment, run, train  # noqa: E402

__all__ = [
    "CheckpointError", "ConfigError", "DataError", "Evaluation", "ImageGenerator", "InvalidArgumentError", "MedaugError",
    "NumericError", "QualityGateError", "ResourceError", "StoppedError", "SyntheticDataset", "UsageError", "augment",
    "evaluate", "run", "train", "__version__"]
