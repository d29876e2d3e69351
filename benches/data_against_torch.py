#!/usr/bin/env python3
"""What surrounds the network, side by side with torchvision and PIL on the same machine: batches from files, and
logits to counts.

    benches/data_against_torch.py --python VENV/bin/python --data ../shared/data/voc-mini

Builds our benchmarks, then alternates: ours, the peer, ours, the peer, each in a process of its own. Where the peer
has two ways, the one with the lower median counts. Without `--data`, files are made. Prints a Markdown table with the
least and the median milliseconds an image of all rounds, ratios (the peer's over ours: more is better), and the load.
"""
import argparse, os, subprocess, sys, tempfile
from pathlib import Path
from statistics import median

from against_torch import built, measured


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default=sys.executable, help="a Python with torch, torchvision and PIL")
    parser.add_argument("--data", help="a folder with `train.txt`, whose images and labels lie below it")
    parser.add_argument("--size", type=int, default=321)
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of the evaluation; input is a core's")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    here, before = Path(__file__).parent, os.getloadavg()
    ours = {name: built(name) for name in ("input", "evaluate")}
    with tempfile.TemporaryDirectory() as folder:
        data = options.data or folder
        if not options.data:
            subprocess.run([ours["input"], "--make", folder], check=True)
        files = ["--root", data, "--list", f"{data}/train.txt", "--size", str(options.size)]
        torch = lambda name, *more: [options.python, here / f"{name}_torch.py", *more]
        threads = ["--threads", str(options.threads)]
        rows = [
            (f"input, crops of {options.size}, one core", [ours["input"], *files],
             {way: torch("input", *files, "--way", way) for way in ("pil", "tensor")}),
            (f"resize, argmax and confusion, 500 x 375, {options.threads} threads", [ours["evaluate"], *threads],
             {way: torch("evaluate", *threads, "--way", way) for way in ("contiguous", "channels_last")}),
        ]
        print("| work | ours, ms: least, median | peer, ms: least, median | ratio: least, median | ours, images/s |")
        print("|---|---|---|---|---|")
        for what, command, peers in rows:
            results = {"ours": [], **{name: [] for name in peers}}
            for _ in range(options.rounds):
                for name, command_of in {"ours": command, **peers}.items():
                    results[name] += [1e3 * seconds for seconds in measured(command_of)["times"]]
            best = min(peers, key=lambda name: median(results[name]))
            (a, b), (x, y) = ((min(results[name]), median(results[name])) for name in ("ours", best))
            print(f"| {what} | {a:.2f}, {b:.2f} | {x:.2f}, {y:.2f} {best} | {x / a:.2f}, {y / b:.2f} | {1e3 / b:.0f} |", flush=True)
    print(f"\nLoad before {before[0]:.2f}, after {os.getloadavg()[0]:.2f}.")


if __name__ == "__main__":
    main()
