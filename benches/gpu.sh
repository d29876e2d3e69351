#!/usr/bin/env bash
# What a GPU has to show, on a machine that is lent for minutes and where nothing is built.
#
#   benches/gpu.sh pack FOLDER [PEER]     here: builds the program and its tests for CUDA, without CUDA, into FOLDER, with
#                                         the peer's script (../shared/bench/torch_deeplab.py if none is given). With
#                                         NO_BUILD=1, takes the files PROGRAM and TESTS instead
#   benches/gpu.sh run FOLDER [PART...]   there: runs the parts that are named, or all: `versions` of libraries, the
#                                         `first` steps, `tests` of every operation and of whole trainings, `steps` and
#                                         PyTorch's (`peer`), the time of each kernel (`ncu`); and ends with a table
#
# There it needs python3, and for `peer` PyTorch, whose wheels have NVIDIA's libraries. `run` ends by itself after BUDGET
# seconds (540). SIZE (321), BATCH (10), STEPS (10) and ENCODER (ResNet101) say what is measured, JOBS (6) how many tests
# run at a time, TEST_SECONDS (90) how long each may take, PYTHON (python3) which Python. EMULATED is a folder of libraries
# that are taken before NVIDIA's. The logs are left in the folder $OUT, or in FOLDER/logs.
set -euo pipefail
here=$(dirname "$0")

# The most that may have to be carried to the other machine.
limit=$((60 << 20))

pack() {
  local folder peer program tests environment file bytes
  [ $# -ge 1 ] && [ $# -le 2 ] || usage
  mkdir -p "$1"
  folder=$(realpath "$1")
  peer=$(realpath "${2:-$here/../../shared/bench/torch_deeplab.py}")
  if [ "${NO_BUILD:-}" = 1 ]; then
    program=$(realpath "${PROGRAM:?NO_BUILD=1 needs PROGRAM}")
    tests=$(realpath "${TESTS:?NO_BUILD=1 needs TESTS}")
  else
    cd "$here/.."
    export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}
    environment=$(.ci/cuda-toolkit "$CARGO_TARGET_DIR/cuda")
    eval "$environment"
    cargo build --release --features cuda --bin repro
    program=$CARGO_TARGET_DIR/release/repro
    tests=$(cargo test --release --features cuda --lib --no-run --message-format json |
      python3 -c 'import json, sys
print(*[m["executable"] for m in map(json.loads, sys.stdin) if m.get("executable") and m["profile"]["test"]])')
    cd "$OLDPWD"
  fi
  rm -f "$folder"/{repro,tests}{,.xz}
  cp "$program" "$folder/repro"
  cp "$tests" "$folder/tests"
  cp -f "$peer" "$folder/peer.py"
  cp -f "$here"/gpu.{sh,py} "$folder/"
  for file in "$folder"/{repro,tests}; do
    # A script has nothing to strip.
    if [ "$(head -c 4 "$file" | tail -c 3)" = ELF ]; then strip "$file"; fi
    xz -T0 -2 "$file"
  done
  bytes=$(cat "$folder"/{repro.xz,tests.xz,peer.py,gpu.sh,gpu.py} | wc -c)
  echo "$folder: $bytes bytes, of at most $limit"
  [ "$bytes" -le "$limit" ] || { echo "that is too much to carry" >&2; exit 1; }
}

usage() {
  sed -n '2,/^set/{/^set/!p}' "$0" >&2
  exit 2
}

case ${1:-} in
  pack) pack "${@:2}" ;;
  run) [ $# -ge 2 ] || usage; exec "${PYTHON:-python3}" "$here/gpu.py" "${@:2}" ;;
  *) usage ;;
esac
