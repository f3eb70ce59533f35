# SPDX-License-Identifier: MIT
"""Parts of the lineage against diffusers with the same weights and inputs, in turns, medians.

    lineage.py vae [--side 1024] [--encode] [--channels-last] [--tile PIXELS] ... VAE_BENCH
    lineage.py backbone [--preset 2b-gqa] [--side 512] [--batch 2] [--gradients] ... BACKBONE_BENCH

    [--rounds 3] [--dtypes float32,bfloat16] [--json FILE]

The autoencoder is SDXL's, --side the image's. The backbone is evaluated for two latents of a --side image, one of them
the unguided one: a step of the sampler. --gradients: also forward and backward of one of them, for all weights.
Results are compared first: each worker against diffusers in float32. --channels-last gives diffusers that memory
format, too; --tile runs ours a second time in tiles. A run is called noisy, and the program ends with 1, when other
processes took more than a tenth of the cores."""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

import safetensors_file
from compare import MALLOC, MALLOC_MEDAUG, Process, cpu_times, process_seconds

HERE = os.path.dirname(os.path.abspath(__file__))
DOWNSCALE = 8  # of SDXL's autoencoder


class Part:
    def __init__(self, options):
        self.options = options
        if options.part == "vae":
            self.export = [str(options.side)]
            self.worker, self.result = "vae_worker.py", "image"
            self.kinds = ["decode"] + (["encode"] if options.encode else [])
        else:
            self.export = [options.preset, str(options.side // DOWNSCALE), str(options.batch)]
            self.worker, self.result = "backbone_worker.py", "velocity"
            self.kinds = ["forward"] + (["gradients"] if options.gradients else [])

    def start(self, folder, name, dtype):
        out = os.path.join(folder, f"{name}.{dtype}")
        if name.startswith("medaug"):
            tile = [str(self.options.tile)] if name == "medaug_tiled" else []
            return Process(name, [self.options.bench, "worker", folder, out, dtype, *tile], MALLOC_MEDAUG)
        extra = ["channels_last"] if self.options.channels_last else []
        return Process(name, [sys.executable, os.path.join(HERE, self.worker), folder, out, dtype, *extra], MALLOC)

    def output(self, folder, name, dtype):
        return safetensors_file.read(os.path.join(folder, f"{name}.{dtype}"))[0][self.result].double()


def truth_of(part, folder):
    worker = part.start(folder, "diffusers", "float32")
    worker.seconds("check")
    worker.close()
    return part.output(folder, "diffusers", "float32")


def run_dtype(part, folder, dtype, truth):
    options = part.options
    names = ["medaug", "diffusers"] + (["medaug_tiled"] if options.tile else [])
    workers = [part.start(folder, name, dtype) for name in names]
    for w in workers:
        w.seconds("check")  # warm-up, too
        w.first_peak = w.peak
    times = {(n, k): [] for n in names for k in part.kinds}
    cores = {(n, k): [] for n in names for k in part.kinds}
    begin = time.time(), cpu_times(), process_seconds(workers)
    for _ in range(options.rounds):
        for kind in part.kinds:
            for w in workers:
                times[w.name, kind].append(w.seconds(kind))
                cores[w.name, kind].append(w.optimiser)  # seconds of all cores together
                print(f"{dtype} {w.name} {kind} {times[w.name, kind][-1]:.2f} s", file=sys.stderr)
    load = (cpu_times() - begin[1] - (process_seconds(workers) - begin[2])) / (time.time() - begin[0]) / os.cpu_count()
    result = {"part": options.part, "side": options.side, "dtype": dtype, "load": load, "workers": {}}
    for w in workers:
        row = {k: {"median": statistics.median(times[w.name, k]), "all": times[w.name, k],
                   "core_seconds": statistics.median(cores[w.name, k])} for k in part.kinds}
        row |= {"peak_bytes": w.peak, "first_peak_bytes": w.first_peak}
        found = part.output(folder, w.name, dtype)
        row["error"] = float((found - truth).norm() / truth.norm())
        result["workers"][w.name] = row
        w.close()
    show(result, part.kinds)
    return result


def show(result, kinds):
    workers = result["workers"]
    side = result["side"]
    print(f"\n{result['part']}, {result['dtype']}, {side} x {side}; other processes took {result['load']:.1%} of the cores")
    for name, row in workers.items():
        text = ", ".join(f"{k} {row[k]['median']:.2f} s ({min(row[k]['all']):.2f}-{max(row[k]['all']):.2f}; of all cores "
                         f"{row[k]['core_seconds']:.2f} s)" for k in kinds)
        print(f"{name:13s} {text}, peak {row['first_peak_bytes'] / 1e9:.2f} GB, relative rms {row['error']:.1e}")
    for k in kinds:
        by = {name: workers["diffusers"][k][name] / workers["medaug"][k][name] for name in ("median", "core_seconds")}
        print(f"diffusers / medaug, {k}: {by['median']:.2f} x the time, {by['core_seconds']:.2f} x the core seconds")
    sys.stdout.flush()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["vae", "backbone"])
    parser.add_argument("bench")
    parser.add_argument("--side", type=int)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dtypes", default="float32,bfloat16")
    parser.add_argument("--encode", action="store_true")
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument("--tile", type=int, default=0)
    parser.add_argument("--preset", default="2b-gqa")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--gradients", action="store_true")
    parser.add_argument("--json")
    options = parser.parse_args()
    options.side = options.side or (1024 if options.part == "vae" else 512)
    os.environ.setdefault("GOMP_SPINCOUNT", "3000")
    part = Part(options)
    results = []
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([options.bench, "export", folder, *part.export], check=True)
        truth = truth_of(part, folder)
        for dtype in options.dtypes.split(","):
            results.append(run_dtype(part, folder, dtype, truth))
    if options.json:
        with open(options.json, "w") as file:
            json.dump(results, file, indent=1)
    return 1 if any(r["load"] > 0.1 for r in results) else 0


if __name__ == "__main__":
    sys.exit(main())
