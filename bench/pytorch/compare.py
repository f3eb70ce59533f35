# SPDX-License-Identifier: MIT
"""Ours against the same network in PyTorch: the same weights, batch, times and noise, round-robin, medians.

    compare.py [--cases plain,wide,small] [--batch 64] [--rounds 7] [--compile] [--neighbour] [--default-malloc]
               [--device cpu|cuda] [--json FILE] STEP_BENCH

Outputs and gradients are compared first: each bfloat16 worker against PyTorch in float32. All workers run with malloc
settings that keep memory, each with those that make it fastest (--default-malloc: all without). --neighbour repeats the
training rounds while another process keeps one core busy. A run is called noisy, and the program ends with 1, when
other processes took more than a tenth of the cores or a median wavers by more than 15 %."""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

import torch

import safetensors_file

# As src/cli/front/main.cc sets it. PyTorch runs without the last part, which makes its backward pass a third slower.
MALLOC = "glibc.malloc.mmap_threshold=1073741824:glibc.malloc.trim_threshold=8589934592:glibc.malloc.hugetlb=1"
MALLOC_MEDAUG = MALLOC + ":glibc.malloc.arena_max=1"
HERE = os.path.dirname(os.path.abspath(__file__))


class Process:
    def __init__(self, name, command, malloc):
        self.name = name
        environment = os.environ | ({"GLIBC_TUNABLES": malloc} if malloc else {})
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"compare: {self.name} ended with status {self.process.wait()}")
        return line.strip()

    def seconds(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        seconds, self.optimiser, self.faults, self.peak = map(float, self.answer().split())
        return seconds

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def cpu_times():
    """(busy of the machine, own and children) in seconds."""
    with open("/proc/stat") as file:
        fields = [int(x) for x in file.readline().split()[1:]]
    return (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")


def process_seconds(processes):
    total = 0.0
    for pid in [os.getpid()] + [p.process.pid for p in processes]:
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


KINDS = {"train": 3, "forward": 1, "sample": 1, "sample_one": 3}  # and how often in a round


def quiet_rounds(workers, rounds):
    """({(worker, kind): seconds}, {worker: seconds of the optimiser}, {(worker, kind): (faults, peak)}, load)"""
    times = {(w.name, kind): [] for w in workers for kind in KINDS}
    optimiser, memory = {w.name: [] for w in workers}, {}
    begin = time.time(), cpu_times(), process_seconds(workers)
    for _ in range(rounds):
        for kind, repeats in KINDS.items():
            for w in workers:
                for _ in range(repeats):
                    times[w.name, kind].append(w.seconds(kind))
                    if kind == "train":
                        optimiser[w.name].append(w.optimiser)
                memory[w.name, kind] = w.faults, w.peak
    others = (cpu_times() - begin[1]) - (process_seconds(workers) - begin[2])
    return times, optimiser, memory, others / (time.time() - begin[0]) / os.cpu_count()


def busy_rounds(workers, rounds):
    """Seconds of training steps while another process has a core of its own to burn."""
    core = max(os.sched_getaffinity(0))
    pin = lambda: os.sched_setaffinity(0, {core})
    neighbour = subprocess.Popen([sys.executable, "-c", "while True: pass"], preexec_fn=pin)
    try:
        times = {w.name: [] for w in workers}
        for _ in range(rounds):
            for w in workers:
                times[w.name] += [w.seconds("train") for _ in range(2)]
    finally:
        neighbour.kill()
        neighbour.wait()
    return times


def relative_error(value, truth):
    return float((value.double() - truth.double()).norm() / truth.double().norm())


def compare_numbers(folder, names):
    """Largest relative errors against float32."""
    truth, _ = safetensors_file.read(os.path.join(folder, "float32.out"))
    gradients = [name for name in truth if name.startswith("grad.")]
    rows = {}
    for name in names:
        ours, _ = safetensors_file.read(os.path.join(folder, name + ".out"))
        missing = [g for g in gradients if g not in ours]
        if missing:
            sys.exit(f"compare: {name} has no {missing[0]}")
        a = torch.cat([ours[g].double().flatten() for g in gradients])
        b = torch.cat([truth[g].double().flatten() for g in gradients])
        rows[name] = {
            "loss_error": relative_error(ours["loss"], truth["loss"]),
            "image_error": relative_error(ours["images"], truth["images"]),
            "gradient_cosine": float(a @ b / (a.norm() * b.norm())),
        }
        if rows[name]["gradient_cosine"] < 0.999:
            sys.exit(f"compare: {name} computes something else: {rows[name]}")
    return rows


def run_case(case, options, roofline):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "case.safetensors")
        subprocess.run([options.step_bench, "export", case, str(options.batch), path], check=True)
        out = lambda name: os.path.join(folder, name + ".out")
        device = ["cuda"] if options.device == "cuda" else []
        python = lambda mode: [sys.executable, os.path.join(HERE, "worker.py"), path, out(mode), mode, *device]
        malloc, ours = ("", "") if options.default_malloc else (MALLOC, MALLOC_MEDAUG)
        truth = Process("float32", python("float32"), malloc)
        truth.seconds("check")
        truth.close()
        workers = [Process("medaug", [options.step_bench, "worker", path, out("medaug"), *device], ours),
                   Process("eager", python("eager"), malloc)]
        if options.compile:
            workers.append(Process("compile", python("compile"), malloc))
        warm_up = {w.name: w.seconds("check") for w in workers}
        numbers = compare_numbers(folder, [w.name for w in workers])
        for w in workers:
            warm_up[w.name] += sum(w.seconds(kind) for kind in ("train", *KINDS))
        times, optimiser, memory, load = quiet_rounds(workers, options.rounds)
        busy = busy_rounds(workers, 3) if options.neighbour else {}
        for w in workers:
            w.close()
        _, metadata = safetensors_file.read(path)
    result = summary(case, options.batch, times, optimiser, memory, warm_up, numbers, busy)
    result["load"] = load
    result["train_gflop"] = float(metadata["train_flops"]) / 1e9
    show(result, roofline)
    return result


def summary(case, batch, times, optimiser, memory, warm_up, numbers, busy):
    result = {"case": case, "batch": batch, "workers": {}}
    for name in numbers:
        row = {"warm_up_seconds": warm_up[name], **numbers[name]}
        row["faults_per_step"] = memory[name, "train"][0]
        row["train_peak_bytes"], row["peak_bytes"] = memory[name, "train"][1], memory[name, "sample"][1]
        row["optimiser_seconds"] = statistics.median(optimiser[name])
        for kind in KINDS:
            rates = sorted((1 if kind == "sample_one" else batch) / t for t in times[name, kind])
            quartiles = statistics.quantiles(rates, n=4)
            row[kind] = {"median": statistics.median(rates), "min": rates[0], "max": rates[-1],
                         "quartile_spread": (quartiles[2] - quartiles[0]) / statistics.median(rates)}
        if busy:
            row["kept_beside_a_busy_core"] = statistics.median(times[name, "train"]) / statistics.median(busy[name])
        result["workers"][name] = row
    return result


def spread(rate):
    return f"{rate['median']:.1f} ({rate['min']:.1f}-{rate['max']:.1f})"


def show(result, roofline):
    batch, workers = result["batch"], result["workers"]
    print(f"\n{result['case']}, batch {batch}, {result['train_gflop']:.2f} GFLOP per training image; other processes took "
          f"{result['load']:.1%} of the cores")
    print("| worker | training images/s (min-max) | TFLOP/s (share of products' peak) | sampling images/s (min-max) "
          "| one image alone, images/s | forward + backward + optimiser, ms | page faults a step | peak GB | loss error "
          "| image error | gradient cosine | warm-up s | kept beside a busy core |")
    print("|---" * 13 + "|")
    for name, row in workers.items():
        tflops = row["train"]["median"] * result["train_gflop"] / 1e3
        step, forward = 1e3 * batch / row["train"]["median"], 1e3 * batch / row["forward"]["median"]
        optimiser = 1e3 * row["optimiser_seconds"]
        alone = row["sample_one"]["median"]
        kept = f"{row['kept_beside_a_busy_core']:.0%}" if "kept_beside_a_busy_core" in row else "-"
        print(
            f"| {name} | {spread(row['train'])} | {tflops:.3f} ({tflops / roofline['bf16_tflops']:.0%}) | {spread(row['sample'])} "
            f"| {alone:.1f} ({alone / row['sample']['median']:.0%}) "
            f"| {forward:.0f} + {step - forward - optimiser:.0f} + {optimiser:.0f} | {row['faults_per_step']:.0f} "
            f"| {row['peak_bytes'] / 1e9:.2f} | {row['loss_error']:.1e} | {row['image_error']:.1e} "
            f"| {row['gradient_cosine']:.6f} | {row['warm_up_seconds']:.1f} | {kept} |"
        )
    ours = workers["medaug"]
    for name, row in workers.items():
        if name != "medaug":
            print(f"medaug / {name}: training {ours['train']['median'] / row['train']['median']:.2f} x, "
                  f"sampling {ours['sample']['median'] / row['sample']['median']:.2f} x, "
                  f"memory {ours['peak_bytes'] / row['peak_bytes']:.2f} x")
    steady = all(row[kind]["quartile_spread"] <= 0.15 for row in workers.values() for kind in ("train", "sample"))
    result["noisy"] = result["load"] > 0.1 or not steady
    if result["noisy"]:
        print("NOISY: not a result")


def gpu_tflops():
    """The best of ten bfloat16 products of 8192 x 8192."""
    x = torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16)
    best = float("inf")
    for _ in range(10):
        torch.cuda.synchronize()
        begin = time.perf_counter()
        x @ x
        torch.cuda.synchronize()
        best = min(best, time.perf_counter() - begin)
    return 2 * 8192**3 / best / 1e12


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step_bench")
    parser.add_argument("--cases", default="plain,wide,small")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--neighbour", action="store_true")
    parser.add_argument("--default-malloc", action="store_true")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--json")
    options = parser.parse_args()
    if options.rounds < 2:
        parser.error("--rounds: a spread needs at least two")
    os.environ.setdefault("GOMP_SPINCOUNT", "3000")
    roofline = json.loads(subprocess.run([options.step_bench, "roofline"], check=True, capture_output=True).stdout)
    if options.device == "cuda":
        roofline["bf16_tflops"] = gpu_tflops()
    print("this machine:", json.dumps(roofline))
    results = [run_case(case, options, roofline) for case in options.cases.split(",")]
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"roofline": roofline, "cases": results}, file, indent=1)
    return 1 if any(r["noisy"] for r in results) else 0


if __name__ == "__main__":
    sys.exit(main())
