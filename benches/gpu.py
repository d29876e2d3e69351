"""Runs what `gpu.sh pack` packed, on a machine with a GPU: see `gpu.sh`.

Each process has its own time limit, and each answer is printed as it comes. A process that fails, hangs or dies ends
nothing but itself. The table comes last, and the exit code is 1 if anything failed or had no time.
"""
import collections, concurrent.futures, contextlib, csv, glob, json, lzma, math, os, re, shutil, signal, statistics
import subprocess, sys, tempfile, threading, time, traceback

PEERS = {"Regular": "regular", "Average": "average"}
# The most bytes of a log, so that all of them can be carried back.
MOST = 16 << 20
# Plain names, which the bindings look for first, and those in NVIDIA's wheels.
LIBRARIES = {"libcuda.so": "libcuda.so.1", "libcudnn.so": "libcudnn.so.9", "libcublas.so": "libcublas.so.13",
             "libcublasLt.so": "libcublasLt.so.13", "libcurand.so": "libcurand.so.10", "libnvrtc.so": "libnvrtc.so.13",
             "libcudart.so": "libcudart.so.13", "libnccl.so": "libnccl.so.2"}

NANOSECONDS = {"ns": 1, "nsecond": 1, "us": 1e3, "usecond": 1e3, "ms": 1e6, "msecond": 1e6, "s": 1e9, "second": 1e9}


def number(name, default):
    text = os.environ.get(name, default)
    if not re.fullmatch("[1-9][0-9]{0,5}", text):
        sys.exit(f"{name} must be a whole number above 0, not `{text}`")
    return int(text)


budget, size, batch, steps, jobs, test_seconds = (number(*pair) for pair in [
    ("BUDGET", "540"), ("SIZE", "321"), ("BATCH", "10"), ("STEPS", "10"), ("JOBS", "6"), ("TEST_SECONDS", "90")])
encoder = os.environ.get("ENCODER", "ResNet101")
end = time.monotonic() + budget
lock = threading.RLock()
running = set()
# What failed or had no time, and why.
missed = []
# (whose, type, precision, mode) -> a row's numbers.
measured = {}
Answer = collections.namedtuple("Answer", "status seconds text")


def say(text=""):
    with lock:
        print(text, flush=True)
        log("run.txt", text + "\n")


def log(file, text):
    path = os.path.join(logs, file)
    with lock, open(path, "ab") as out:
        out.write(text.encode(errors="replace")[:max(0, MOST - out.tell())])


def last(text, lines=6, width=300):
    """The lines of a panic, or the last ones."""
    all_lines = [line for line in text.splitlines() if line.strip()]
    at = next((at for at, line in enumerate(all_lines) if " panicked at " in line), None)
    shown = all_lines[-lines:]
    if at is not None:
        trace = next((n for n, line in enumerate(all_lines) if n > at and line.startswith(("stack backtrace", "note: "))), None)
        shown = all_lines[at:min(trace or at + lines, at + lines - 1)] + all_lines[-1:]
    return "".join(f"\n    {line[:width]}" for line in shown)


def killed(process):
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def start(command, seconds, env):
    """Runs a process, and ends it and all that it started after so many seconds."""
    began = time.monotonic()
    with tempfile.TemporaryFile() as out:
        try:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, cwd=work,
                                       env=env, start_new_session=True)
        except OSError as error:
            return Answer("FAILED", 0.0, f"{command[0]} does not start: {error.strerror}")
        running.add(process)
        try:
            code = process.wait(seconds)
            status, why = "ok" if code == 0 else "FAILED", "" if code == 0 else f"\nexit code {code}"
            if code < 0:
                why = f"\nended by {signal.Signals(-code).name}"
        except subprocess.TimeoutExpired:
            status, why = "TIMED OUT", f"\nended after {seconds:.0f} s"
        killed(process)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)
        running.discard(process)
        took = time.monotonic() - began
        length = out.seek(0, os.SEEK_END)
        out.seek(0)
        text = out.read(1 << 20)
        if length > 2 << 20:
            text += b"\n[...]\n"
            out.seek(length - (1 << 20))
        return Answer(status, took, (text + out.read()).decode(errors="replace") + why)


def ours():
    # The driver compiles the kernels once, for all processes, also where it finds no home for what it keeps.
    return os.environ | {"LD_LIBRARY_PATH": libraries, "REPRO_STORE": os.path.join(work, "store"),
                         "CUDA_CACHE_PATH": os.path.join(work, "compiled")}


def attempt(title, file, command, until, most=math.inf, env=None, quiet=False):
    """A process's answer, which is logged, and told if it is a failure; None where there is no time for it."""
    seconds = min(until - time.monotonic(), most)
    if seconds < 1:
        missed.append((title, "no time", ""))
        say(f"  {title}: no time")
        return None
    answer = start(command, seconds, env or ours())
    log(file, f"### {title}: {answer.status}, {answer.seconds:.1f} s\n$ {' '.join(map(str, command))}\n{answer.text}\n")
    if answer.status != "ok" and not quiet:
        fault(title, answer)
    return answer


def fault(title, answer, more=""):
    missed.append((title, answer.status, " / ".join(line.strip() for line in last(answer.text, 3).splitlines()[1:][-2:])))
    say(f"  {title}: {answer.status} after {answer.seconds:.1f} s{more or last(answer.text)}")


def wanted(title, found, answer):
    """Whether an answer has what it should have; if not, that is a failure."""
    if answer and answer.status == "ok" and not found:
        fault(title, Answer("FAILED", answer.seconds, answer.text + "\nthe numbers are not in the output"))
    return bool(found)


def repro(*arguments):
    return [os.path.join(work, "repro"), *map(str, arguments)]


def bench(types, *options, size=size, batch=batch, encoder=encoder, rounds=steps, warmup=3):
    names = (part for name in types for part in ("--prefilter", name))
    return repro("bench", "--device", "cuda:0", "--encoder", encoder, *names, "--work", "training", "--size", size,
                 "--batch", batch, "--rounds", rounds, "--warmup", warmup, *options)


@contextlib.contextmanager
def held_open():
    """Keeps the GPU open: where no process does, the driver may start it anew for each one."""
    try:
        process = subprocess.Popen(["nvidia-smi", "--query-gpu=name", "--format=csv", "-l", "3600"], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    except OSError:
        # The versions tell that it is missing.
        yield
        return
    running.add(process)
    try:
        yield
    finally:
        killed(process)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)
        running.discard(process)


def unpack(folder):
    for name in ("repro", "tests"):
        path = os.path.join(folder, name)
        target = os.path.join(work, name)
        packed = lzma.open(path + ".xz") if os.path.exists(path + ".xz") else open(path, "rb")
        with packed, open(target, "wb") as out:
            shutil.copyfileobj(packed, out)
        os.chmod(target, 0o755)


def look_for_libraries():
    """The folders in which the program is to look, those of NVIDIA's wheels before the system's."""
    links = os.path.join(work, "plain")
    os.mkdir(links)
    try:
        import nvidia
        wheels = sorted(path for root in nvidia.__path__ for path in glob.glob(root + "/*/lib"))
    except ImportError:
        wheels = []
        say("the Python package nvidia is missing: the system's libraries are taken")
    for plain, versioned in LIBRARIES.items():
        for path in [os.path.join(wheel, versioned) for wheel in wheels]:
            if os.path.exists(path) and not os.path.lexists(os.path.join(links, plain)):
                os.symlink(path, os.path.join(links, plain))
    folders = [os.environ.get("EMULATED", ""), links, *wheels, os.environ.get("LD_LIBRARY_PATH", "")]
    return ":".join(folder for folder in folders if folder)


def versions(until):
    def show(title, command, env=None):
        answer = attempt(title, "setup.log", command, until, env=env)
        if answer and answer.status == "ok":
            say(last(answer.text, 12).lstrip("\n"))

    query = "name,driver_version,persistence_mode,memory.total,clocks.max.sm,clocks.max.mem,clocks.sm,clocks.mem"
    show("nvidia-smi", ["nvidia-smi", f"--query-gpu={query}", "--format=csv"])
    show("libraries", [sys.executable, "-c", LOADED, json.dumps(LIBRARIES)])
    show("repro --version", repro("--version"))
    doctor(until)
    # Last, since reading PyTorch from the disk may take long.
    show("torch", [sys.executable, "-c", "import torch; print('torch', torch.__version__, 'cuDNN', "
                                         "torch.backends.cudnn.version())"], dict(os.environ))


def doctor(until):
    answer = attempt("repro doctor", "setup.log", repro("doctor", "--device", "cuda:0", "--json"), until, quiet=True)
    if not answer:
        return
    try:
        checks = json.loads(answer.text[answer.text.index("["):answer.text.rindex("]") + 1])
    except ValueError:
        return fault("repro doctor", answer._replace(status="FAILED"))
    for check in checks:
        if check["level"] != "ok" or check["name"].startswith("cuda"):
            say(f"    {check['level']} {check['name']}: {check['seen']}")
    if answer.status != "ok":
        fault("repro doctor", answer._replace(text=answer.text.splitlines()[-1]))


# Loads each library as the program does, and says which file it was.
LOADED = """
import ctypes, json, os, sys
for plain, versioned in json.loads(sys.argv[1]).items():
    for name in (plain, versioned):
        try:
            ctypes.CDLL(name)
        except OSError:
            continue
        files = {line.split(None, 5)[5].strip() for line in open("/proc/self/maps") if "/" in line}
        print(name, *sorted(file for file in files if os.path.basename(file).startswith(plain)))
        break
    else:
        print(plain, "is not found")
"""


def first(until):
    """The smallest steps. False: without these nothing else of ours can work."""
    for title, options in [("first fp32", []), ("first bf16 --fast --graph", ["--precision", "bf16", "--fast", "--graph"])]:
        command = bench(["Regular"], *options, encoder="Tiny", size=65, batch=2, rounds=3, warmup=1)
        answer = attempt(title, "setup.log", command, until, quiet=True)
        if answer and answer.status == "ok":
            say(f"  {title}: ok, {answer.seconds:.1f} s")
        elif answer:
            fault(title, answer, last(answer.text[-4000:], 60))
        if not options and (answer is None or answer.status != "ok"):
            return False
    return True


def tests(until):
    listed = start([os.path.join(work, "tests"), "--list", "ml::ops::agreement", "ml::gpu"], min(20, until - time.monotonic()), ours())
    names = re.findall(r"^(\S+): test$", listed.text, re.M)
    if listed.status != "ok" or not names:
        return fault("the list of tests", Answer("FAILED", listed.seconds, listed.text + "\nno test was listed"))
    told = [0]

    def one(name):
        title = name.removeprefix("ml::ops::agreement::")
        command = [os.path.join(work, "tests"), "--exact", name, "--nocapture", "--test-threads", "1"]
        answer = attempt(title, "tests.log", command, until, test_seconds, ours() | {"REPRO_TEST_DEVICE": "gpu"}, quiet=True)
        if answer is None:
            return
        found = re.findall(r"^(?:test \S+ \.\.\. )?(gap (ok|near|FAR) (\S+) of (\S+?):? (.*))$", answer.text, re.M)
        if answer.status == "ok":
            if not re.search(r"\b1 passed", answer.text):
                answer = answer._replace(status="FAILED", text=answer.text + "\nthe test did not run")
            elif re.search("skipped on the GPU", answer.text) or any(gap[1] == "FAR" for gap in found):
                answer = answer._replace(status="FAILED", text=answer.text + "\nit passed, but what it printed says otherwise")
        worst = max(found, key=lambda gap: share(gap[2], gap[3]), default=None)
        gaps = f", {len(found)} gaps, worst {worst[0][4:110]}" if worst else ", 0 gaps"
        if answer.status == "ok":
            return say(f"  {title}: ok, {answer.seconds:.1f} s{gaps}")
        far = [f"\n    {line[:200]}" for line, word, *_ in found if word == "FAR"]
        if len(far) > 8:
            far[8:] = [f"\n    and {len(far) - 8} more"]
        detail = f"{gaps}{''.join(far)}{last(answer.text)}"
        told[0] += len(detail)
        # The table must be among what comes back.
        fault(title, answer, detail if told[0] < 4000 else f"{gaps} (see tests.log)")

    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        list(pool.map(one, names))


def share(gap, tolerance):
    """A gap as a part of what is allowed."""
    try:
        gap, tolerance = float(gap), float(tolerance)
    except ValueError:
        return math.inf
    return math.inf if math.isnan(gap) else gap / tolerance if tolerance else math.inf if gap else 0.0


def ours_in_steps(until):
    helped = start(repro("bench", "--help"), min(10, until - time.monotonic()), ours()).text
    # Each alone in its process, back to back, as the peer's.
    for kind, precision, mode in [("Regular", "tf32", "fast"), ("Regular", "bf16", "fast"), ("Regular", "bf16", "fast graph"),
                                  ("Average", "bf16", "fast"), ("Average", "tf32", "fast"), ("Regular", "bf16", "deterministic"),
                                  ("Regular", "tf32", "deterministic")]:
        title = f"ours {kind} {precision} {mode}"
        out, algorithms = (os.path.join(work, f"{title} {what}.csv".replace(" ", "-")) for what in ("rows", "algorithms"))
        options = [f"--{word}" for word in mode.split() if word != "deterministic"] + ["--precision", precision, "--out", out]
        if "--algorithms" in helped:
            options += ["--algorithms", algorithms]
        answer = attempt(title, "steps.log", bench([kind], *options), until, 90)
        rows = table_of(out)
        if answer and answer.status == "ok" and "--algorithms" in helped:
            wanted(f"{title}: algorithms", table_of(algorithms), answer)
            keep("algorithms.csv", algorithms, title)
        keep("steps.csv", out, title)
        if wanted(title, [row["prefilter"] for row in rows] == [kind], answer):
            record(("ours", kind, precision, mode), rows[0]["least_s"], rows[0]["median_s"], rows[0])


def table_of(path):
    if not os.path.exists(path):
        return []
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def keep(file, path, label):
    """Adds a table to those that are carried back, with what it was measured with."""
    if os.path.exists(path):
        with open(path) as table:
            log(file, f"# {label}\n{table.read()}")


def record(key, least, median, row={}):
    measured[key] = {"least": float(least), "median": float(median)} | row
    more = "".join(f", {name} {row[name]}" for name in ("launches", "operand_gib", "waits") if row.get(name))
    say(f"  {' '.join(key)}: least {float(least) * 1e3:.2f} ms, median {float(median) * 1e3:.2f} ms{more}")


def peer(until):
    script = os.path.join(folder, "peer.py")
    if not os.path.exists(script):
        return fault("peer", Answer("FAILED", 0.0, f"the peer's script is missing: {script}"))
    layers = re.fullmatch(r"ResNet(50|101)", encoder)
    if not layers:
        return fault("peer", Answer("FAILED", 0.0, f"the peer has no encoder {encoder}"))
    for kind, precision, mode in [("Regular", "tf32", "eager"), ("Regular", "bf16", "compiled"), ("Regular", "bf16", "eager"),
                                  ("Average", "tf32", "eager"), ("Average", "bf16", "compiled")]:
        # In bfloat16 it counts compiled. Where that fails, this tells at least how fast it is otherwise.
        if (precision, mode) == ("bf16", "eager") and ("peer", kind, precision, "compiled") in measured:
            continue
        title = f"peer {kind} {precision} {mode}"
        command = [sys.executable, script, "--device", "cuda", "--layers", layers[1], "--size", size, "--batch", batch,
                   "--precision", precision, "--channels-last", "--cudnn-benchmark", "--filter", PEERS[kind], "--steps", steps,
                   "--warmup", 5, *(["--compile"] if mode == "compiled" else [])]
        answer = attempt(title, "peer.log", [*map(str, command)], until, env=dict(os.environ))
        times = [line["times"] for line in map(parsed, answer.text.splitlines()) if line.get("times")] if answer else []
        if wanted(title, times, answer):
            record(("peer", kind, precision, mode), min(times[-1]), statistics.median(times[-1]))


def parsed(line):
    """A line of JSON's fields; none if it is another line."""
    with contextlib.suppress(ValueError):
        value = json.loads(line)
        return value if isinstance(value, dict) else {}
    return {}


def ncu(until):
    program = shutil.which("ncu") or next(iter(glob.glob("/usr/local/cuda*/bin/ncu") + glob.glob("/opt/nvidia/nsight-compute/*/ncu")), None)
    if not program:
        return fault("ncu", Answer("FAILED", 0.0, "ncu is missing"))
    out = os.path.join(work, "ncu.csv")
    command = [program, "--clock-control", "none", "--metrics", "gpu__time_duration.sum", "--csv", "--print-units", "base",
               "--target-processes", "all", "--log-file", out, *bench(["Regular"], "--precision", "bf16", rounds=1, warmup=0)]
    answer = attempt("ncu", "ncu.log", command, until)
    lines = open(out, errors="replace").read().splitlines() if os.path.exists(out) else []
    log("ncu.log", "\n".join(lines) + "\n")
    header = next((at for at, line in enumerate(lines) if '"Kernel Name"' in line), len(lines))
    counts, sums = collections.Counter(), collections.Counter()
    for row in csv.DictReader(lines[header:]):
        # Other lines are remarks of ncu's.
        if row.get("Metric Value"):
            sums[row["Kernel Name"]] += float(row["Metric Value"].replace(",", "")) * NANOSECONDS[row["Metric Unit"]]
            counts[row["Kernel Name"]] += 1
    if answer and answer.status == "ok" and not sums:
        answer = answer._replace(text=answer.text + "\n" + "\n".join(lines[-6:]))
    if not wanted("ncu", sums, answer):
        return
    whole = sum(sums.values())
    for which in ("sm80", "sm90", ""):
        names = [name for name in sums if generation(name) == which]
        part = sum(sums[name] for name in names)
        say(f"  {which or 'neither in the name'}: {len(names)} kernels, {sum(counts[name] for name in names)} launches, "
            f"{part / 1e6:.3f} ms, {part / whole:.1%}")
    say("\n| kernel | for | launches | ms | share |\n|---|---|---|---|---|")
    for name, ns in sums.most_common(25):
        short = re.sub(r"^void ", "", name)
        short = short if len(short) <= 80 else f"{short[:60]}..{short[-18:]}"
        say(f"| {short.replace('|', '/')} | {generation(name)} | {counts[name]} | {ns / 1e6:.3f} | {ns / whole:.1%} |")


def generation(name):
    """The generation of GPUs that a kernel of NVIDIA's was made for, where its name has it."""
    found = re.search("sm(80|90)", name.lower())
    return found[0] if found else ""


def ratios():
    def best(*keys):
        there = [measured[key] for key in keys if key in measured]
        return min(there, key=lambda row: row["median"], default=None)

    fast = {(kind, p): ("ours", kind, p, "fast") for kind in PEERS for p in ("tf32", "bf16")}
    graph = ("ours", "Regular", "bf16", "fast graph")
    rows = []
    for kind, goals in [("Regular", (1.5, 1.0)), ("Average", (None, None))]:
        rows.append((f"{kind}: peer tf32 eager over ours tf32 fast", best(("peer", kind, "tf32", "eager")),
                     best(fast[kind, "tf32"]), ">=", goals[0]))
        also = [graph] if kind == "Regular" else []
        rows.append((f"{kind}: peer bf16 compiled over ours bf16 fast{', best of both' if also else ''}",
                     best(("peer", kind, "bf16", "compiled")), best(fast[kind, "bf16"], *also), ">=", goals[1]))
    for p in ("bf16", "tf32"):
        rows.append((f"{p}: deterministic over fast", best(("ours", "Regular", p, "deterministic")),
                     best(fast["Regular", p]), "<=", 1.1))
    for p in ("bf16", "tf32"):
        rows.append((f"{p}: Average over Regular", best(fast["Average", p]), best(fast["Regular", p]), "<=", 1.03))
    rows.append(("bf16 fast: without graph over with", best(fast["Regular", "bf16"]), best(graph), ">=", None))
    for title, a, b, sign, goal in rows:
        if not a or not b:
            if goal:
                yield f"| {title} | not measured | | {sign} {goal} | |"
            continue
        least, median = a["least"] / b["least"], a["median"] / b["median"]
        if goal is None:
            yield f"| {title} | {least:.3f} | {median:.3f} | | |"
            continue
        met = {(r >= goal) if sign == ">=" else (r <= goal) for r in (least, median)}
        yield f"| {title} | {least:.3f} | {median:.3f} | {sign} {goal} | {'by one of both' if len(met) > 1 else 'yes' if met == {True} else 'NO'} |"


def table():
    if measured:
        say(f"\n## {encoder}, {batch} x {size} x {size}, {steps} steps\n")
        say("| step | least ms | median ms |\n|---|---|---|")
        for key, row in measured.items():
            say(f"| {' '.join(key)} | {row['least'] * 1e3:.2f} | {row['median'] * 1e3:.2f} |")
        say("\n| ratio | of least | of medians | goal | met |\n|---|---|---|---|---|")
        for row in ratios():
            say(row)
    say(f"\n{len(missed)} failed or had no time" + (":" if missed else ""))
    for title, status, why in missed[:40]:
        say(f"- {title}: {status}{': ' if why else ''}{why[:160]}{' (not counted)' if spare(title, status) else ''}")
    if len(missed) > 40:
        say(f"- and {len(missed) - 40} more")


def spare(title, status):
    """Whether this is measured only where time is left."""
    return title.startswith("peer Average") and status != "FAILED"


def ended_from_outside(*_):
    for process in list(running):
        killed(process)
    missed.append(("the run", "ended from outside", ""))
    table()
    shutil.rmtree(work, ignore_errors=True)
    os._exit(1)


# With the seconds that each may take, beside those that the parts before it have left.
PARTS = {"versions": (30, versions), "first": (50, first), "tests": (105, tests), "steps": (130, ours_in_steps),
         "peer": (170, peer), "ncu": (55, ncu)}


def main(named):
    global libraries
    works = True
    try:
        unpack(folder)
        libraries = look_for_libraries()
    except Exception:
        return fault("unpacking", Answer("FAILED", 0.0, traceback.format_exc()))
    parts = {name: part for name, part in PARTS.items() if not named or name in named}
    # Where there is more time than all of them may take, each may take more.
    longer = max(1.0, budget / sum(limit for limit, _ in parts.values()))
    until = end - budget
    for name, (limit, part) in parts.items():
        until += limit * longer
        began = time.monotonic()
        say(f"=== {name}, {end - began:.0f} s left")
        if end - began < 1:
            missed.append((name, "no time", ""))
            continue
        if not works and name in ("tests", "steps", "ncu"):
            missed.append((name, "skipped", "the first step of ours fails"))
            continue
        try:
            answer = part(min(end, until))
        except Exception:
            fault(name, Answer("FAILED", time.monotonic() - began, traceback.format_exc()))
        else:
            works = works and answer is not False


if __name__ == "__main__":
    folder, named = os.path.realpath(sys.argv[1]), sys.argv[2:]
    if not set(named) <= set(PARTS):
        sys.exit(f"the parts are {', '.join(PARTS)}, not `{' '.join(named)}`")
    logs = os.environ.get("OUT", "")
    if not os.path.isdir(logs):
        logs = os.path.join(folder, "logs")
        shutil.rmtree(logs, ignore_errors=True)
        os.makedirs(logs)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as work:
        signal.signal(signal.SIGTERM, ended_from_outside)
        with held_open():
            main(named)
        table()
    sys.exit(0 if all(spare(*row[:2]) for row in missed) else 1)
