# SPDX-License-Identifier: MIT
"""Which solver, grid and guidance give what for how many evaluations of the network.

    solvers.py --medaug PROGRAM --checkpoint RUN --manifest VAL.jsonl [--images 48] [--mask-guidance 1.5] [--json FILE]

From the same noise, every setting makes the same images; each row says how far they are from those of 500 Euler steps
(PSNR, a mean over images, and the share of images that are closer than those of Euler with 50 steps). The guided part
does the same with the mask's guidance at every step as the reference. Needs numpy and pillow."""

import argparse
import itertools
import json
import os
import subprocess
import tempfile
import time

import numpy
from PIL import Image

PLAIN = [("euler", steps, "linear", 1) for steps in (14, 25, 50, 100)] + [
    ("euler", 14, "logit", 1), ("midpoint", 7, "linear", 2), ("heun", 7, "linear", 2), ("heun", 12, "logit", 2),
    ("rk4", 4, "linear", 4), ("dpm2m", 14, "linear", 1),
    *[("dpm2m", steps, "logit", 1) for steps in (6, 8, 10, 12, 14, 18, 24)],
    *[("dpm3m", steps, "logit", 1) for steps in (8, 10, 14)], *[("unipc", steps, "logit", 1) for steps in (8, 10, 14)],
]
GUIDED = [("euler", 50, "linear", (0.0, 1.0))] + [
    ("dpm2m", steps, "logit", interval) for steps, interval in
    itertools.product((10, 14), ((0.0, 1.0), (0.1, 0.9), (0.1, 0.7), (0.3, 0.9)))] + [
    ("unipc", steps, "logit", (0.0, 1.0)) for steps in (8, 10, 12)]


class Maker:
    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.root = os.path.dirname(os.path.abspath(options.manifest))
        self.manifest = os.path.join(folder, "some.jsonl")
        with open(options.manifest) as source, open(self.manifest, "w") as some:
            some.writelines(itertools.islice(source, options.images))
        self.made = 0

    def images(self, solver, steps, grid, mask_guidance=1.0, interval=(0.0, 1.0)):
        """(N, ...) in [0, 1], and the seconds of the program."""
        self.made += 1
        out = os.path.join(self.folder, str(self.made))
        begin = time.time()
        subprocess.run(
            [self.options.medaug, "generate", "--checkpoint", self.options.checkpoint, "--manifest", self.manifest,
             "--root", self.root, "--output", out, "--quiet", "--solver", solver, "--steps", str(steps),
             "--mask-guidance", str(mask_guidance), "--set", f"sampling.grid={grid}",
             "--set", f"guidance.interval_low={interval[0]}", "--set", f"guidance.interval_high={interval[1]}"],
            check=True, stdout=subprocess.DEVNULL)
        seconds = time.time() - begin
        with open(os.path.join(out, "generated.jsonl")) as file:
            names = [json.loads(line)["image_path"] for line in file]
        pictures = [numpy.asarray(Image.open(os.path.join(out, name)), dtype=numpy.float64) / 255 for name in names]
        return numpy.stack(pictures), seconds


def psnr(a, b):
    """One for each image; equal ones count as 60 dB."""
    error = ((a - b) ** 2).reshape(len(a), -1).mean(1)
    return -10 * numpy.log10(numpy.maximum(error, 1e-6))


def guided_share(steps, interval, low=0.02, high=0.98):
    """Share of the evaluations of the logit grid (or of the linear one: all) that are guided."""
    logit = numpy.linspace(numpy.log(low / (1 - low)), numpy.log(high / (1 - high)), steps - 1)
    times = numpy.concatenate([[0.0], 1 / (1 + numpy.exp(-logit))])
    return ((times >= interval[0]) & (times <= interval[1])).mean()


def row(name, evaluations, images, seconds, reference, yardstick):
    distance = psnr(images, reference)
    closer = (distance >= yardstick).mean()
    print(f"| {name} | {evaluations:.0f} | {distance.mean():.1f} | {closer:.0%} | {seconds:.1f} |", flush=True)
    return {"setting": name, "evaluations": evaluations, "psnr": distance.mean(), "as_close_as_euler_50": closer,
            "seconds": seconds}


def head(title):
    print(f"\n{title}\n\n| setting | evaluations | PSNR to 500 Euler steps, dB | images as close as those of Euler, 50 steps "
          "| seconds |\n|---|---|---|---|---|", flush=True)


def plain_table(maker):
    reference, _ = maker.images("euler", 500, "linear")
    yardstick = psnr(maker.images("euler", 50, "linear")[0], reference)
    head("Without guidance")
    rows = []
    for solver, steps, grid, cost in PLAIN:
        images, seconds = maker.images(solver, steps, grid)
        # Heun's last interval is one Euler step.
        evaluations = steps * cost - (1 if solver == "heun" else 3 if solver == "rk4" else 0)
        rows.append(row(f"{solver}, {steps} steps, {grid}", evaluations, images, seconds, reference, yardstick))
    return rows


def guided_table(maker, scale):
    reference, _ = maker.images("euler", 500, "linear", scale)
    yardstick = psnr(maker.images("euler", 50, "linear", scale)[0], reference)
    head(f"Guidance of the mask, {scale}")
    rows = []
    for solver, steps, grid, interval in GUIDED:
        images, seconds = maker.images(solver, steps, grid, scale, interval)
        share = guided_share(steps, interval) if grid == "logit" else 1.0
        name = f"{solver}, {steps} steps, {grid}, guided in [{interval[0]}, {interval[1]}]"
        rows.append(row(name, steps * (1 + share), images, seconds, reference, yardstick))
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--medaug", required=True)
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--manifest", required=True)
    parser.add_argument("--images", type=int, default=48)
    parser.add_argument("--mask-guidance", type=float, default=1.5)
    parser.add_argument("--json")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        maker = Maker(options, folder)
        tables = {"plain": plain_table(maker), "guided": guided_table(maker, options.mask_guidance)}
    if options.json:
        with open(options.json, "w") as file:
            json.dump(tables, file, indent=1)


if __name__ == "__main__":
    main()
