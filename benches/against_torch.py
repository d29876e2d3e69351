#!/usr/bin/env python3
"""Training steps and predictions, side by side with PyTorch on the same machine.

    benches/against_torch.py --python VENV/bin/python --peer ../shared/bench/torch_deeplab.py

Builds our benchmark, then alternates: ours, the peer, ours, the peer, each in a process of its own, for every row.
The peer counts at its best: contiguous or channels last, whichever was faster. Prints a Markdown table with the least
and the median seconds of all rounds, ratios (the peer's seconds over ours: more is better), peak memory (ours over
the peer's: less is better), and the load of the machine before and after.

    benches/against_torch.py --before OLD/step --rounds 3

Instead of the peer, the same benchmark of an older program takes turns with ours. The ratio is the older program's
seconds over ours: below 1, ours has become slower. That program is what `cargo bench --bench step --no-run` built from
the older commit.
"""
import argparse, json, os, subprocess, sys
from statistics import median

ROWS = [("train", filter) for filter in ("regular", "average", "gaussian", "ssc", "aggregation", "gi")] + [("infer", "regular")]
OURS = dict(regular="Regular", average="Average", gaussian="Gaussian", ssc="SeparableShared", gi="GroupInteraction",
            aggregation="Aggregation")


def built(name="step"):
    """The program of a benchmark."""
    lines = subprocess.run(["cargo", "bench", "--bench", name, "--no-run", "--message-format", "json"],
                           check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    made = (json.loads(line) for line in lines if line.startswith("{"))
    return [m["executable"] for m in made if m.get("executable") and m["target"]["name"] == name][-1]


def measured(command):
    answer = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    return json.loads(answer.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default=sys.executable, help="a Python with torch")
    parser.add_argument("--peer", default="../shared/bench/torch_deeplab.py")
    parser.add_argument("--before", help="the benchmark `step` of an older commit, to measure instead of the peer")
    parser.add_argument("--layers", type=int, default=101, choices=(50, 101))
    parser.add_argument("--size", type=int, default=321, help="the side of a training crop")
    parser.add_argument("--image", type=int, default=433, help="the side of an image to predict: the area of 500 x 375")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--rows", nargs="*", default=None, help="as train:average infer:regular; all by default")
    options = parser.parse_args()
    rows = [tuple(row.split(":")) for row in options.rows] if options.rows else ROWS
    program, before = built(), os.getloadavg()
    other = "the older program" if options.before else "PyTorch"
    print(f"| work | ours, s: least, median | {other}, s: least, median | ratio: least, median "
          f"| memory, MiB: ours, {other}, ratio |")
    print("|---|---|---|---|---|")
    ratios = []
    for mode, filter in rows:
        infer = ["--infer"] if mode == "infer" else []
        size = options.image if infer else options.size
        common = ["--warmup", 1, "--size", size, "--batch", 1, "--threads", options.threads, "--steps", options.steps, *infer]
        own = ["--encoder", f"ResNet{options.layers}", "--prefilter", OURS[filter], *common]
        peer = [options.python, options.peer, "--layers", options.layers, "--filter", filter, *common]
        commands = {"ours": [program, *own]}
        if options.before:
            commands["before"] = [options.before, *own]
        else:
            commands |= {"contiguous": peer, "channels last": [*peer, "--channels-last"]}
        results = {name: [] for name in commands}
        for _ in range(options.rounds):
            for name, command in commands.items():
                results[name].append(measured([str(word) for word in command]))
        times = {name: [t for r in of for t in r["times"]] for name, of in results.items()}
        memory = {name: max(r["peak_mib"] for r in of) for name, of in results.items()}
        best = min((name for name in commands if name != "ours"), key=lambda name: median(times[name]))
        (a, b), (x, y) = ((min(times[n]), median(times[n])) for n in ("ours", best))
        m, n = memory["ours"], memory[best]
        ratios.append(y / b)
        print(f"| {mode}, {OURS[filter]}, {size} | {a:.3f}, {b:.3f} | {x:.3f}, {y:.3f} ({best}) | {x / a:.2f}, {y / b:.2f} "
              f"| {m:.0f}, {n:.0f}, {m / n:.2f} |", flush=True)
    print(f"\nMedian of the rows' median ratios: {median(ratios):.2f}; the least: {min(ratios):.2f}.")
    print(f"Load before {before[0]:.2f}, after {os.getloadavg()[0]:.2f}; {options.threads} threads.")


if __name__ == "__main__":
    main()
