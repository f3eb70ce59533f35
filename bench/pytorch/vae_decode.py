# SPDX-License-Identifier: MIT
"""The SDXL autoencoder: ours against diffusers' AutoencoderKL with the same weights and latent, in turns, medians.

    vae_decode.py [--side 1024] [--rounds 3] [--dtypes float32,bfloat16] [--encode] [--channels-last] [--tile PIXELS]
                  [--json FILE] VAE_BENCH

The images are compared first: each worker against diffusers in float32. --channels-last gives diffusers that memory
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


def relative_rms(folder, name, truth):
    image = safetensors_file.read(os.path.join(folder, name))[0]["image"]
    return float((image.double() - truth.double()).norm() / truth.double().norm())


def start(folder, name, dtype, options):
    out = os.path.join(folder, f"{name}.{dtype}")
    if name.startswith("medaug"):
        tile = [str(options.tile)] if name == "medaug_tiled" else []
        return Process(name, [options.vae_bench, "worker", folder, out, dtype, *tile], MALLOC_MEDAUG)
    extra = ["channels_last"] if options.channels_last else []
    return Process(name, [sys.executable, os.path.join(HERE, "vae_worker.py"), folder, out, dtype, *extra], MALLOC)


def true_image(folder, options):
    worker = start(folder, "diffusers", "float32", options)
    worker.seconds("check")
    worker.close()
    return safetensors_file.read(os.path.join(folder, "diffusers.float32"))[0]["image"]


def run_dtype(folder, dtype, options, truth):
    names = ["medaug", "diffusers"] + (["medaug_tiled"] if options.tile else [])
    workers = [start(folder, name, dtype, options) for name in names]
    kinds = ["decode"] + (["encode"] if options.encode else [])
    for w in workers:
        w.seconds("check")  # warm-up, too
        w.decode_peak = w.peak
    times = {(n, k): [] for n in names for k in kinds}
    cores = {(n, k): [] for n in names for k in kinds}
    begin = time.time(), cpu_times(), process_seconds(workers)
    for _ in range(options.rounds):
        for kind in kinds:
            for w in workers:
                times[w.name, kind].append(w.seconds(kind))
                cores[w.name, kind].append(w.optimiser)  # seconds of all cores together
                print(f"{dtype} {w.name} {kind} {times[w.name, kind][-1]:.2f} s", file=sys.stderr)
    load = (cpu_times() - begin[1] - (process_seconds(workers) - begin[2])) / (time.time() - begin[0]) / os.cpu_count()
    result = {"side": options.side, "dtype": dtype, "load": load, "workers": {}}
    for w in workers:
        row = {k: {"median": statistics.median(times[w.name, k]), "all": times[w.name, k],
                   "core_seconds": statistics.median(cores[w.name, k])} for k in kinds}
        row |= {"peak_bytes": w.peak, "decode_peak_bytes": w.decode_peak}
        row["error"] = relative_rms(folder, f"{w.name}.{dtype}", truth)
        result["workers"][w.name] = row
        w.close()
    show(result, kinds)
    return result


def show(result, kinds):
    workers = result["workers"]
    side = result["side"]
    print(f"\n{result['dtype']}, {side} x {side}; other processes took {result['load']:.1%} of the cores")
    for name, row in workers.items():
        text = ", ".join(f"{k} {row[k]['median']:.2f} s ({min(row[k]['all']):.2f}-{max(row[k]['all']):.2f}; of all cores "
                         f"{row[k]['core_seconds']:.2f} s)" for k in kinds)
        print(f"{name:13s} {text}, peak {row['decode_peak_bytes'] / 1e9:.2f} GB, relative rms {row['error']:.1e}")
    for k in kinds:
        by = {name: workers["diffusers"][k][name] / workers["medaug"][k][name] for name in ("median", "core_seconds")}
        print(f"diffusers / medaug, {k}: {by['median']:.2f} x the time, {by['core_seconds']:.2f} x the core seconds")
    sys.stdout.flush()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("vae_bench")
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dtypes", default="float32,bfloat16")
    parser.add_argument("--encode", action="store_true")
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument("--tile", type=int, default=0)
    parser.add_argument("--json")
    options = parser.parse_args()
    os.environ.setdefault("GOMP_SPINCOUNT", "3000")
    results = []
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([options.vae_bench, "export", folder, str(options.side)], check=True)
        truth = true_image(folder, options)
        for dtype in options.dtypes.split(","):
            results.append(run_dtype(folder, dtype, options, truth))
    if options.json:
        with open(options.json, "w") as file:
            json.dump(results, file, indent=1)
    return 1 if any(r["load"] > 0.1 for r in results) else 0


if __name__ == "__main__":
    sys.exit(main())
