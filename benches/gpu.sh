#!/usr/bin/env bash
# What a GPU has to show, on a machine that is lent for minutes and where nothing is built.
#
#   benches/gpu.sh pack FOLDER [PEER]   here: builds the program and its tests for CUDA, without CUDA, into FOLDER, with
#                                       the peer's script (../shared/bench/torch_deeplab.py if none is given)
#   benches/gpu.sh run FOLDER [PART]    there: `tests`: every operation and whole trainings against the processor, the
#                                       same bits twice, in 32-bit floats and in bfloat16; `steps`: side by side with
#                                       PyTorch at its best (channels last, compiled in bfloat16), taking turns, each row
#                                       as soon as it is measured and a short table last; without PART both
#
# There it needs python3 with PyTorch for CUDA 13, whose wheels have NVIDIA's libraries. ROUNDS (3), STEPS (10), SIZE (321),
# BATCH (10) and TYPES (all six, by their names) change what is measured: PyTorch compiles anew in every round of every type,
# for a minute or more. In ten minutes: `ROUNDS=1 TYPES='Regular Average' benches/gpu.sh run FOLDER steps`.
set -euo pipefail

pack() {
  local folder=$1 peer tests environment
  cd "$(dirname "$0")/.."
  peer=${2:-../shared/bench/torch_deeplab.py}
  mkdir -p "$folder"
  export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}
  environment=$(.ci/cuda-toolkit "$CARGO_TARGET_DIR/cuda")
  eval "$environment"
  cargo build --release --features cuda --bin repro
  cp "$CARGO_TARGET_DIR/release/repro" "$folder/repro"
  tests=$(cargo test --release --features cuda --lib --no-run --message-format json |
    python3 -c 'import json, sys
print(*[m["executable"] for m in map(json.loads, sys.stdin) if m.get("executable") and m["profile"]["test"]])')
  cp "$tests" "$folder/tests"
  strip "$folder/repro" "$folder/tests"
  # A third of the size, for the way there.
  gzip -f "$folder/repro" "$folder/tests"
  cp "$peer" "$folder/peer.py"
  cp benches/gpu.sh "$folder/gpu.sh"
  du -sh "$folder"
}

run() {
  local folder part=${2:-both}
  case $part in both | tests | steps) ;; *) usage ;; esac
  folder=$(mktemp -d)
  cp "$1"/* "$folder"
  gunzip "$folder"/*.gz
  nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader
  LD_LIBRARY_PATH=$(python3 -c 'import glob, nvidia
print(*(path for root in nvidia.__path__ for path in glob.glob(root + "/*/lib")), sep=":")')${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
  export LD_LIBRARY_PATH
  if [ "$part" != steps ]; then run_tests "$folder"; fi
  if [ "$part" != tests ]; then run_steps "$folder"; fi
}

run_tests() {
  local folder=$1
  echo "=== operations and trainings against the processor, and twice for the same bits"
  "$folder/tests" ml::ops::agreement ml::gpu --test-threads 1 --nocapture 2>&1 | tee "$folder/tests.log"
  if grep -q 'skipped on the GPU' "$folder/tests.log"; then
    echo "the GPU was skipped: nothing was shown" >&2
    exit 1
  fi
}

run_steps() {
  local folder=$1
  echo "=== steps side by side with PyTorch"
  python3 - "$folder" <<'PYTHON'
import csv, json, os, statistics, subprocess, sys, tempfile

folder = sys.argv[1]
rounds, steps, size, batch = (int(os.environ.get(k, d)) for k, d in
                              [("ROUNDS", 3), ("STEPS", 10), ("SIZE", 321), ("BATCH", 10)])
names = {"Regular": "regular", "Average": "average", "Gaussian": "gaussian", "SeparableShared": "ssc",
         "Aggregation": "aggregation", "GroupInteraction": "gi"}
types = os.environ.get("TYPES", " ".join(names)).split()
assert set(types) <= set(names), f"TYPES are some of {list(names)}"

def ours(kind, precision, mode):
    """Seconds of steps of one of ours."""
    with tempfile.TemporaryDirectory() as work:
        out = f"{work}/out.csv"
        subprocess.run([f"{folder}/repro", "bench", "--device", "cuda:0", "--prefilter", kind, "--work", "training",
                        "--size", str(size), "--batch", str(batch), "--rounds", str(steps), "--warmup", "3",
                        "--precision", precision, *mode, "--out", out], check=True, stdout=subprocess.DEVNULL)
        row = next(csv.DictReader(open(out)))
        return float(row["least_s"]), float(row["median_s"])

def theirs(kind, *options):
    line = subprocess.run([sys.executable, f"{folder}/peer.py", "--device", "cuda", "--filter", names[kind],
                           "--size", str(size), "--batch", str(batch), "--steps", str(steps), "--warmup", "5",
                           "--channels-last", "--cudnn-benchmark", *options],
                          check=True, capture_output=True, text=True).stdout.splitlines()[-1]
    times = json.loads(line)["times"]
    return min(times), statistics.median(times)

def tried(work):
    try:
        return work()
    except subprocess.CalledProcessError as error:
        return (error.stderr or str(error)).strip().splitlines()[-1]

table = []

def compared(title, a, b, target):
    """Adds the ratio of a's seconds to b's, from rounds in which they take turns."""
    table.append(row(title, a, b, target))
    print(table[-1], flush=True)

def row(title, a, b, target):
    rows = [(tried(a), tried(b)) for _ in range(rounds)]
    for pair in rows:
        for side in pair:
            if isinstance(side, str):
                return f"| {title} | failed: {side} | | | {target} |"
    least = min(x[0] for x, _ in rows) / min(y[0] for _, y in rows)
    median = statistics.median(x[1] / y[1] for x, y in rows)
    return f"| {title} | {min(y[0] for _, y in rows) * 1e3:.1f} | {least:.2f} | {median:.2f} | {target} |"

fast = ["--fast"]
for kind in types:
    compared(f"{kind}, TF32, against eager TF32", lambda: theirs(kind, "--precision", "tf32"),
             lambda: ours(kind, "tf32", fast), ">= 1.5" if kind == "Regular" else "")
compared("Regular, FP32, against eager FP32", lambda: theirs("Regular"), lambda: ours("Regular", "fp32", fast), "")
for kind in types:
    compared(f"{kind}, bf16, against compiled bf16", lambda: theirs(kind, "--precision", "bf16", "--compile"),
             lambda: ours(kind, "bf16", fast), ">= 1.0" if kind == "Regular" else "")
compared("Regular, bf16, against eager bf16", lambda: theirs("Regular", "--precision", "bf16"),
         lambda: ours("Regular", "bf16", fast), "")
compared("Regular, TF32 over bf16", lambda: ours("Regular", "tf32", fast), lambda: ours("Regular", "bf16", fast), "")
for precision in ("tf32", "bf16"):
    compared(f"Regular, {precision}, deterministic over fast", lambda: ours("Regular", precision, []),
             lambda: ours("Regular", precision, fast), "<= 1.1")
    compared(f"Regular, {precision}, passes anew over recorded", lambda: ours("Regular", precision, fast),
             lambda: ours("Regular", precision, [*fast, "--graph"]), "")
    compared(f"Average over Regular, {precision}", lambda: ours("Average", precision, fast),
             lambda: ours("Regular", precision, fast), "<= 1.03")
print(f"\nResNet101, {batch} x {size} x {size}, {rounds} rounds of {steps} steps, taking turns\n")
print("| step | ours or second, least ms | ratio of least | median ratio | target |\n|---|---|---|---|---|")
print("\n".join(table))
PYTHON
}

usage() {
  sed -n '2,/^set/{/^set/!p}' "$0"
  exit 2
}

case ${1:-} in
  pack) pack "${@:2}" ;;
  run) run "${@:2}" ;;
  *) usage ;;
esac
