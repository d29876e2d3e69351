#!/usr/bin/env python3
"""Trains over the emulation of NVIDIA's libraries: on several GPUs with a rank each, and with recorded passes.

    python3 .ci/emulated.py FOLDER

FOLDER has the program built for CUDA and the emulated libraries (see `.ci/cuda`). The state after two updates must be
that of one rank with the same batches; where the same bits are wanted, the sums must be those in the order of ranks. A
library or a GPU that is missing, and a rank that is killed amid a sum, must be the error that says so. Recorded passes must
give the same bits as others. What a training reads from a GPU, and so waits for, is counted: a batch and an update read as
often with trained batch norms as without, and a state is read in one copy of each flat buffer.
"""
import glob, json, os, struct, subprocess, sys, tempfile, time

folder = os.path.realpath(sys.argv[1])
work = tempfile.TemporaryDirectory()
runs = 0


def run(ranks, deterministic=True, expected=0, libraries=folder, device="cuda:0", sets={}, **emulation):
    """What a training of two updates, or as `sets` say, says, and its store. `expected` is its exit code, None any failure."""
    global runs
    runs += 1
    store = os.path.join(work.name, str(runs))
    sets = {"iterations": 1, "steps": 2, "batch": 3, "crop": "(49, 49)", "ranks": ranks, "deterministic": str(deterministic).lower()} | sets
    command = [os.path.join(folder, "repro"), "run", "pipelines/smoke.ron", "--only", "train", "--device", device,
               "--store", store, *(part for name, value in sets.items() for part in ("--set", f"train.{name}={value}"))]
    environment = {"EMULATED_GPUS": "3"} | emulation
    answer = subprocess.run(command, env=os.environ | environment | {"LD_LIBRARY_PATH": libraries}, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=1800)
    assert answer.returncode if expected is None else answer.returncode == expected, (answer.returncode, answer.stdout)
    return answer.stdout, store


def state(ranks, *how, **also):
    """The bytes of the model and the optimiser's momentum after a training."""
    _, store = run(ranks, *how, **also)
    shown = subprocess.check_output([os.path.join(folder, "repro"), "show", "latest", "--format", "json", "--store", store])
    [digest] = [node["outputs"]["model"]["digest"] for node in json.loads(shown)["nodes"] if node["kind"] == "Train"]
    return open(os.path.join(store, "objects", digest[:2], digest[2:]), "rb").read()


def tensors(state):
    length = struct.unpack("<Q", state[:8])[0]
    head, data = json.loads(state[8:8 + length]), state[8 + length:]
    for name, tensor in head.items():
        if tensor.get("dtype") == "F32":
            start, end = tensor["data_offsets"]
            yield name, struct.unpack(f"<{(end - start) // 4}f", data[start:end])


def gap(found, expected):
    """The greatest gap between two states' weights, as a part of the greatest weight of its tensor."""
    expected = dict(tensors(expected))
    weights = [(values, expected[name]) for name, values in tensors(found) if not name.startswith("momentum/")]
    assert len(weights) == sum(not name.startswith("momentum/") for name in expected) > 10
    return max(max(abs(a - b) for a, b in zip(*pair)) / max(1e-30, *map(abs, pair[1])) for pair in weights)


def refused(what, expected, *words, ranks=2, **how):
    began = time.time()
    said, _ = run(ranks, expected=expected, **how)
    print(f"{what}: {'failed' if expected is None else f'exit code {expected}'}, {time.time() - began:.1f} s")
    assert all(word in said for word in words) and "panicked" not in said, said


def still_there():
    """The processes of the program."""
    links = ((process, f"/proc/{process}/exe") for process in os.listdir("/proc") if process.isdecimal())
    return [process for process, link in links if os.path.exists(link) and os.path.realpath(link) == f"{folder}/repro"]


one = state(1)
assert one == state(1), "one rank, other bits"
assert state(1, False) != state(1, False), "the fast algorithms of convolutions sum in one order"
# Of the ranks, the order of their own sums alone is looked at: all algorithms have one order.
still = {"EMULATED_ORDER": "one"}
for ranks in (2, 3):
    ordered = state(ranks, **still)
    assert ordered == state(ranks, **still), "the same ranks, other bits"
    assert ordered == state(ranks, False, EMULATED_NCCL_ORDER="ranks", **still), "the sums are not in the order of ranks"
    any_order = state(ranks, False, **still)
    print(f"{ranks} ranks, gaps from one: {gap(ordered, one):.1e} in the order of ranks, {gap(any_order, one):.1e} in another")
    # Convolutions over a share of a batch sum in an order of their own too.
    assert gap(ordered, one) < 1e-5 and gap(any_order, one) < 1e-5
    assert (any_order == ordered) == (ranks == 2), "with three ranks, another order has other bits"

with tempfile.TemporaryDirectory() as without:
    for library in os.listdir(folder):
        if library.startswith("lib") and "nccl" not in library:
            os.symlink(os.path.realpath(os.path.join(folder, library)), os.path.join(without, library))
    refused("no NCCL", 6, "libnccl.so.2 was not found", libraries=without)
refused("too few GPUs", 6, "`cuda:1`", "counts 1 GPUs", EMULATED_GPUS="1")
# After that, every call fails, also those by which the program gives back what it holds.
refused("a kernel that touches an illegal address", 6, "ILLEGAL_ADDRESS", "The GPU failed at", ranks=1, EMULATED_FAILS="descend")
refused("a convolution that does", 6, "The GPU failed at", ranks=1, EMULATED_FAILS="convolution")
refused("a kernel that does in one of the ranks' passes", None, "ILLEGAL_ADDRESS", EMULATED_FAILS="descend")
for rank, also in [(0, {}), (1, {}), (1, {"EMULATED_NCCL_TELLS": "1"})]:
    word = "Rank 1 of the training failed: It ended early." if rank == 1 else ""
    refused(f"rank {rank} killed amid a sum", 3, word, EMULATED_NCCL_DIES=f"{rank}:2", **also)
    # They end by themselves; how soon, a slow machine decides.
    until = time.time() + 120
    while left := still_there():
        assert time.time() < until, f"the ranks {left} outlive the training"
        time.sleep(0.05)
refused("GPUs of two kinds", 6, "`cuda:1`", "is 9.0", "of `cuda:0` is 8.0", EMULATED_CAPABILITY="8.0,9.0")
refused("GPUs of two names", 6, "`cuda:1`", "name is B", "of `cuda:0` is A", EMULATED_NAME="A,B")
refused("a part of a GPU", 6, "`cuda:1`", "multiprocessors is 14", "of `cuda:0` is 108", EMULATED_MULTIPROCESSORS="108,14")

def reads(**sets):
    """How often a training reads from a GPU, and how many bytes; how many states those have, and the bytes of one."""
    logs = [os.path.join(work.name, f"{what} {runs}") for what in ("reads", "bytes")]
    size = len(state(1, sets=sets, EMULATED_READS=logs[0], EMULATED_READ_BYTES=logs[1]))
    events = "".join(open(path).read() for path in glob.glob(os.path.join(work.name, str(runs), "jobs", "*", "*", "events")))
    return [sum(map(int, open(log))) for log in logs], 1 + events.count('"event":"checkpoint"'), size


# A slow machine makes inner checkpoints, each of which reads a state as the end of a training does, but none before the first
# update is done: a training of one update reads one state on any machine.
for encoder in ("Tiny", "Tiny(trainable_norm: true)"):
    sets = {"batch": 2, "model.encoder": encoder}
    (few, states, size), (many, more_states, _) = (reads(**sets, steps=1, accumulate=batches) for batches in (2, 4))
    assert (states, more_states) == (1, 1), "an inner checkpoint before the first update was done"
    [batch, odd], [batch_bytes, _] = (divmod(last - first, 2) for first, last in zip(few, many))
    end, end_bytes = few[0] - 2 * batch, few[1] - 2 * batch_bytes
    print(f"{encoder}: each batch reads {batch} times, {batch_bytes} bytes; "
          f"the update and a state of {size} bytes {end} times, {end_bytes} bytes")
    assert (batch, odd) == (2, 0), "the loss and the predicted classes are what is read of a batch"
    assert batch_bytes < size / 4, "a batch copies flat buffers"
    assert size / 2 < end_bytes < 1.25 * size, "a state is read in several copies of a flat buffer"
    # Of an update, the L2 term is read, and whether gradients and weights are finite; of a state, two flat buffers.
    assert end == 3 + 2, "an update or a state is read more often"
    updates = 3
    all_reads, states, _ = reads(**sets, steps=updates, accumulate=2)
    alone, alone_bytes = (total - updates * 2 * of_batch - states * of_end for total, of_batch, of_end in
                          zip(all_reads, (batch, batch_bytes), (end, end_bytes)))
    print(f"{encoder}: {updates - states} of {updates} updates are no end of a training or a checkpoint; they read {alone} times, "
          f"{alone_bytes} bytes")
    assert alone == 3 * (updates - states), "an update reads other than three numbers"
    assert 0 <= alone_bytes <= (updates - states) * size / 4, "an update copies flat buffers"

points = os.path.join(work.name, "graphs")
for ranks, scales, sets in [(1, 1, {}), (1, 1, {"deterministic": "false", "model.prefilter": "Regular()"}), (2, 1, {"recompute": 2}),
                            (1, 2, {"accumulate": 2, "scales": "[1, 0.75]"}), (1, 1, {"precision": "Bf16"})] + [
                                (1, 1, {"steps": 3, "model.prefilter": f"{kind}()"})
                                for kind in ("Gaussian", "SeparableShared", "Aggregation", "GroupInteraction")]:
    sets = {"steps": 4} | sets
    open(points, "w").close()
    order = still if sets.get("deterministic") == "false" else {}
    recorded = state(ranks, sets=sets | {"graph": "true"}, EMULATED_GRAPHS=points, **order)
    assert recorded == state(ranks, sets=sets, **order), f"recorded passes have other bits: {sets}"
    # Each pass of each scale, of each batch but the first.
    wanted = 2 * ranks * scales * (sets["steps"] * sets.get("accumulate", 1) - 1)
    print(f"the same bits from {os.path.getsize(points)} recorded passes, {ranks} ranks, {sets}")
    assert os.path.getsize(points) == wanted, wanted
refused("recorded on the processor", 6, "`cpu` records no work", ranks=1, device="cpu", sets={"graph": "true"})
