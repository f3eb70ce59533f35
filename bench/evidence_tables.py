# SPDX-License-Identifier: MIT
"""Prints what bench/evidence.sh found as the tables of docs/EVIDENCE.md.

    evidence_tables.py OUT [OUT ...]      folders that bench/evidence.sh wrote"""

import json
import os
import sys


def read(*path):
    path = os.path.join(*path)
    if not os.path.exists(path):
        return None
    with open(path) as file:
        return json.load(file)


def table(head, rows):
    print("| " + " | ".join(head) + " |\n|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print()


def interval(x, digits=3):
    ends = x.get("ci95") or x.get("points_ci95")
    return "" if ends is None else f" [{ends[0]:.{digits}f}, {ends[1]:.{digits}f}]"


def mean(x):
    return f"{x['mean']:.3f}{interval(x)}"


def agreement(found):
    part = found["agreement"]
    sizes = [name for name in ("small", "medium", "large") if part["ceiling"]["per_size"]]
    rows = []
    for kind in ("generated", "ceiling", "null"):
        rows.append([kind, str(part[kind]["n"]), mean(part[kind])] + [mean(part[kind]["per_size"][s]) for s in sizes])
    table(["images", "n", "Dice", *sizes], rows)
    print(f"over ceiling {part['over_ceiling']:.3f}, null over ceiling {part['null_over_ceiling']:.3f}\n")


def distribution(found):
    rows = []
    for space in found["distribution"]["spaces"]:
        for kind in ("generated", "floor"):
            one = space[kind]
            kid = f"{one['kid']['value']:.4f} ± {one['kid']['se']:.4f}"
            infinity = f"{one['fid_infinity']['value']:.2f} ± {one['fid_infinity']['se']:.2f}"
            rows.append([space["name"], kind, kid, f"{one['fid']:.2f}", infinity] +
                        [f"{one[key]:.2f}" for key in ("precision", "recall", "density", "coverage")] +
                        [f"{one['authpct']:.0f}"])
    table(["space", "images", "KID", "FID", "FID∞", "precision", "recall", "density", "coverage", "AuthPct"], rows)
    look = found["distribution"]["appearance"]
    print("ratios to real: " + ", ".join(f"{key} {value:.2f}" for key, value in look["ratio"].items()) +
          "; spectrum distance {0:.3f} (floor {2:.3f}), histogram distance {1:.2f} (floor {3:.2f})\n".format(
              *[look[kind][key] for kind in ("distance", "floor") for key in ("spectrum_distance", "histogram_distance")]))


def copies(name, found):
    part = found["copies"]
    planted = part["planted"]
    kinds = ", ".join(f"{kind} {one['found']}/{one['n']}" for kind, one in planted["by_kind"].items())
    print(f"{name}: {part['flagged']} of {found['count']} flagged, share {part['share']:.4f} "
          f"[{part['share_ci95'][0]:.4f}, {part['share_ci95'][1]:.4f}]; false alarms on held-out real images "
          f"{part['false_alarms']:.4f} of {part['held_out_images']}; planted found {planted['found']} of {planted['n']} "
          f"[{planted['sensitivity_ci95'][0]:.3f}, {planted['sensitivity_ci95'][1]:.3f}] ({kinds}); AuthPct {part['authpct']:.1f}\n")


def experiment(name, found):
    print(f"{name}: {found['steps']} steps, {found['seeds']} seeds, {found['data']['test']['images']} test images")
    scores = list(next(iter(found["arms"].values()))["test"])
    differences = found.get("differences", {})
    rows = []
    for arm, one in found["arms"].items():
        against = differences.get(arm, {}).get(scores[0])
        rows.append([arm, str(one["real_images"]), str(one["synthetic_images"]), f"{one['val_score']:.3f}"] +
                    [mean(one["test"][score]) for score in scores] +
                    ["" if against is None else f"{against['points']:+.1f}{interval(against, 1)}"])
    verdict = found["verdict"] or {"control": "-"}
    table(["arm", "real", "synthetic", "val", *scores, f"points over {verdict['control']}"], rows)
    if "arm" in verdict:
        print(f"verdict: {verdict['arm']} against {verdict['control']}: {verdict['points']:+.1f}{interval(verdict, 1)}, "
              f"{verdict['text']}\n")


for out in sys.argv[1:]:
    print(f"## {os.path.basename(os.path.normpath(out))}\n")
    if found := read(out, "val.json"):
        agreement(found)
        distribution(found)
        copies("one image for each held-out mask", found)
    for name in ("gate", "few_gate", "half_gate"):
        if funnel := read(out, name, "funnel.json"):
            print(f"{name}: asked {funnel['asked']}, refused {json.dumps(funnel['refused'])}, kept {funnel['kept']}, "
                  f"given up {funnel['given_up']}")
    if found := read(out, "gate.json"):
        copies("behind the gate", found)
    for name in ("segmentation", "full", "few_segmentation", "half_segmentation", "classification"):
        if found := read(out, name, "experiment.json"):
            experiment(name, found)
