# SPDX-License-Identifier: MIT
"""`medaug evaluate` against scikit-image: PSNR and SSIM of pairs of pictures, files to numbers, on all cores.

    evaluation.py PROGRAM [--pairs 1000] [--side 512] [--rounds 5] [--json FILE]

Both read the same PNG files and give mean PSNR and mean SSIM (Gaussian window of 11); scikit-image in one process for
each core, started and warm before the clock runs, ours with its start in the figure (and MAE, MSE, MS-SSIM and bootstrap
intervals beside). They take turns; medians. The two means must agree to 1e-6. Needs numpy, pillow and scikit-image."""

import argparse
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time

import numpy
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio, structural_similarity


def write_pairs(folder, pairs, side):
    """Smooth colour pictures with a little noise, and the same with more of it."""
    random = numpy.random.default_rng(0)
    axis = numpy.arange(side) / side
    for name in ("reference", "generated"):
        os.makedirs(os.path.join(folder, name))
    for i in range(pairs):
        fx, fy, phase = random.uniform(1, 9, 3)
        wave = numpy.sin(6.3 * (fx * axis[:, None] + fy * axis[None, :]) + phase)
        base = 128 + 70 * wave[:, :, None] * random.uniform(0.5, 1, 3)
        for name, deviation in (("reference", 2), ("generated", 8)):
            picture = base + random.normal(0, deviation, (side, side, 3))
            Image.fromarray(picture.clip(0, 255).astype(numpy.uint8)).save(
                os.path.join(folder, name, f"{i:05}.png"), compress_level=1)


def measure(pair):
    generated, reference = (numpy.asarray(Image.open(path)) for path in pair)
    return (peak_signal_noise_ratio(reference, generated, data_range=255),
            structural_similarity(reference, generated, data_range=255, channel_axis=2, gaussian_weights=True,
                                  use_sample_covariance=False))


def with_scikit_image(pool, folder, names):
    pairs = [tuple(os.path.join(folder, kind, name) for kind in ("generated", "reference")) for name in names]
    begin = time.time()
    values = numpy.array(pool.map(measure, pairs, chunksize=8))
    return time.time() - begin, values.mean(0)


def with_medaug(program, folder):
    out = os.path.join(folder, "found.json")
    begin = time.time()
    subprocess.run([program, "evaluate", "--generated", os.path.join(folder, "generated"), "--reference",
                    os.path.join(folder, "reference"), "--output", out, "--quiet"], check=True, stdout=subprocess.DEVNULL)
    seconds = time.time() - begin
    with open(out) as file:
        quality = json.load(file)["image_quality"]
    return seconds, numpy.array([quality["psnr"]["mean"], quality["ssim"]["mean"]])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--pairs", type=int, default=1000)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, multiprocessing.Pool(os.cpu_count()) as pool:
        write_pairs(folder, options.pairs, options.side)
        names = sorted(os.listdir(os.path.join(folder, "reference")))
        with_scikit_image(pool, folder, names[:16])
        times = {"scikit-image": [], "medaug": []}
        for _ in range(options.rounds):
            seconds, theirs = with_scikit_image(pool, folder, names)
            times["scikit-image"].append(seconds)
            seconds, ours = with_medaug(options.program, folder)
            times["medaug"].append(seconds)
    print(f"{options.pairs} pairs of {options.side} x {options.side}, {os.cpu_count()} cores, {options.rounds} rounds")
    for name, seconds in times.items():
        print(f"{name:14} {statistics.median(seconds):7.2f} s ({min(seconds):.2f} to {max(seconds):.2f})")
    ratio = statistics.median(times["scikit-image"]) / statistics.median(times["medaug"])
    print(f"medaug is {ratio:.2f} times as fast; PSNR {ours[0]:.6f} / {theirs[0]:.6f}, SSIM {ours[1]:.8f} / {theirs[1]:.8f}")
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"pairs": options.pairs, "side": options.side, "seconds": times, "ratio": ratio}, file, indent=1)
    if not numpy.allclose(ours, theirs, rtol=0, atol=1e-6):
        sys.exit("the figures differ: this is no comparison")


if __name__ == "__main__":
    main()
