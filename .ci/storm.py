#!/usr/bin/env python3
"""Kills runs, lets two hosts share a store, and puts folders where files belong; each time the next run must end as ever.

    python3 .ci/storm.py target/release/repro [ROUNDS]

The pipeline consists of commands alone, so that a round takes about a second. ROUNDS kills come first (100); a quarter
as many rounds with two hosts follow, and then as many files of the store become folders, or all. What needs a tool that
is missing (faketime, unshare) is skipped with a word. The moments are drawn from a fixed seed.
"""
import json, os, random, shutil, signal, subprocess, sys, tempfile, time

repro, rounds = os.path.abspath(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 100
work = os.path.realpath(tempfile.mkdtemp(prefix="storm-"))
draw = random.Random(1)
# How long a command's forgotten child would sleep: a number that no other process here uses.
FORGOTTEN = f"4242{os.getpid()}"
PIPELINE = """Pipeline(
    name: "storm",
    stages: {
        "words": Command(run: ["sh", "{file:script}", "{out:text}", "one"], files: {"script": "make.sh"}, outputs: {"text": "words.txt"}),
        "family": Command(run: ["sh", "{file:script}", "{out:text}", "two"], files: {"script": "family.sh"}, outputs: {"text": "family.txt"}),
        "both": Command(
            run: ["sh", "{file:script}", "{out:text}", "three", "{in:words.text}", "{in:family.text}"],
            inputs: {"words": "words", "family": "family"}, files: {"script": "make.sh"}, outputs: {"text": "both.txt"},
        ),
        "folder": Command(
            run: ["sh", "{file:script}", "{out:files}", "{in:both}"],
            inputs: {"both": "both"}, files: {"script": "folder.sh"}, outputs: {"files": "files"},
        ),
        "last": Command(
            run: ["sh", "{file:script}", "{out:text}", "four", "{in:folder.files}/a/x", "{in:folder.files}/y"],
            inputs: {"folder": "folder"}, files: {"script": "make.sh"}, outputs: {"text": "last.txt"},
        ),
    },
)
"""
SCRIPTS = {
    "make.sh": 'out=$1; shift; echo "$1" > "$out.half"; shift; for f in "$@"; do cat "$f" >> "$out.half"; done; sleep 0.1; mv "$out.half" "$out"\n',
    # Its children would outlive it: one in a session of its own, one that ignores requests to stop.
    "family.sh": f"setsid sleep {FORGOTTEN} & (trap '' TERM HUP INT; sleep {FORGOTTEN}) & echo $2 > $1; sleep 0.2; kill $! 2>/dev/null\n",
    "folder.sh": 'mkdir -p "$1/a"; cat "$2" > "$1/a/x"; echo y > "$1/y"; sleep 0.1\n',
}


def project(name):
    folder = os.path.join(work, name)
    os.makedirs(os.path.join(folder, "pipelines"))
    for file, text in {"storm.ron": PIPELINE, **SCRIPTS}.items():
        with open(os.path.join(folder, "pipelines", file), "w") as f:
            f.write(text)
    return folder


def command(folder, before=(), *more):
    return [*before, repro, "run", "pipelines/storm.ron", "--json", "--jobs", "2", *more]


def start(folder, before=(), *more):
    # Standard output is a file: a reader that is killed with a run must not matter.
    out = open(os.path.join(folder, f"out-{time.monotonic_ns()}"), "w+")
    return subprocess.Popen(command(folder, before, *more), cwd=folder, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True), out


def said(out):
    out.seek(0)
    return out.read()


def call(folder, *line):
    return subprocess.run([repro, *line], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, stdin=subprocess.DEVNULL)


def show(folder):
    answer = subprocess.run([repro, "show", "latest", "--format", "json"], cwd=folder, stdout=subprocess.PIPE)
    return json.loads(answer.stdout) if answer.returncode == 0 else None


def digests(folder):
    return {f"{n['stage']}.{name}": out["digest"] for n in show(folder)["nodes"] for name, out in n["outputs"].items()}


def published(folder):
    results, files = os.path.join(folder, "results"), {}
    for place, _, names in os.walk(results):
        for name in (name for name in names if not name.endswith(".tmp")):
            with open(os.path.join(place, name), "rb") as f:
                files[os.path.relpath(os.path.join(place, name), results)] = f.read()
    return files


def living():
    """The processes that a run of this storm started."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                line = f.read().decode(errors="replace").split("\0")
        except OSError:
            continue
        if int(pid) != os.getpid() and (FORGOTTEN in line or any(work in part for part in line)):
            found.append(f"{pid}: {' '.join(line)}")
    return found


def fail(folder, what, text=""):
    print(f"FAULT: {what}\n{text}\nIts folder is {folder}.", flush=True)
    sys.exit(1)


def check(folder, what):
    """A run now ends well, with the digests and files of an undisturbed one."""
    again = call(folder, "run", "pipelines/storm.ron", "--jobs", "2")
    if again.returncode != 0:
        fail(folder, f"{what}: the next run has exit code {again.returncode}", again.stdout)
    if digests(folder) != expected:
        fail(folder, f"{what}: other digests", json.dumps(digests(folder), indent=1))
    if published(folder) != files:
        fail(folder, f"{what}: other files in `results`", f"{sorted(published(folder))}")


def nobody_lives(folder, what):
    deadline = time.monotonic() + 20
    while (left := living()) and time.monotonic() < deadline:
        time.sleep(0.02)
    if left:
        fail(folder, f"{what}: processes that it started are alive", "\n".join(left))


def ended_nodes_are_told(folder, what, text):
    """What a run said to be done, its record says too, whoever was killed."""
    done = set()
    for line in text.splitlines():
        try:
            event = json.loads(line)
        except json.JSONDecodeError:
            continue  # The line that the kill cut.
        if event["event"] in ("node_done", "node_hit"):
            done.add(event["node"]["stage"])
    record = show(folder)
    told = {n["stage"] for n in record["nodes"] if n["status"] in ("ran", "hit")} if record else set()
    if not done <= told:
        fail(folder, f"{what}: the record does not tell that {sorted(done - told)} are done", json.dumps(record, indent=1))
    if record and record["status"] == "running":
        fail(folder, f"{what}: its record says that it goes on")


def kills():
    styles = {
        "SIGKILL of the run": lambda pid, stages: os.kill(pid, signal.SIGKILL),
        "SIGKILL of the run and its stages": lambda pid, stages: [os.kill(p, signal.SIGKILL) for p in (pid, *stages)],
        "SIGKILL of its stages": lambda pid, stages: [os.kill(p, signal.SIGKILL) for p in stages],
        "SIGTERM": lambda pid, stages: os.kill(pid, signal.SIGTERM),
        "SIGHUP": lambda pid, stages: os.kill(pid, signal.SIGHUP),
        "Ctrl-C": lambda pid, stages: os.killpg(pid, signal.SIGINT),
    }
    for i in range(rounds):
        name = list(styles)[i % len(styles)]
        folder = project(f"kill{i}")
        run, out = start(folder)
        moment = length * draw.random()
        time.sleep(moment)
        stages = subprocess.run(["pgrep", "-P", str(run.pid)], stdout=subprocess.PIPE, text=True).stdout.split()
        try:
            styles[name](run.pid, list(map(int, stages)))
        except ProcessLookupError:
            pass  # It ended by itself in this moment.
        try:
            run.wait(timeout=30)
        except subprocess.TimeoutExpired:
            fail(folder, f"{name} after {moment:.2f} s: the run does not end")
        what = f"kill {i}, {name} after {moment:.2f} s"
        if os.path.exists(os.path.join(folder, ".repro", "runs")):
            ended_nodes_are_told(folder, what, said(out))
        nobody_lives(folder, what)
        check(folder, what)
        nobody_lives(folder, f"{what}, then a whole run")
        shutil.rmtree(folder)
    print(f"{rounds} kills: the same digests after each, and no process left", flush=True)


def works(*line):
    return subprocess.run(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


def hosts():
    if not shutil.which("faketime") and os.geteuid() == 0 and shutil.which("apt-get"):
        # The error that matters is told below.
        works("sh", "-c", "apt-get install -qq -y faketime || (apt-get update -qq && apt-get install -qq -y faketime)")
    apart = ["unshare", "--fork", "--pid", "--mount-proc", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"])]
    if not (shutil.which("unshare") and works(*apart, "true")):
        print("skipped: two hosts, since process numbers of their own (unshare --pid) are not allowed here")
        return
    if not (shutil.which("faketime") and works("faketime", "-f", "+2d", "true")):
        print("skipped: two hosts, since `faketime` is missing")
        return
    # Without the wrapper: it names its semaphores by process numbers, which are all the same here. The clock that a wait
    # goes by stays as it is, since the system itself does not know the other one.
    library = subprocess.check_output(["faketime", "-f", "+2d", "printenv", "LD_PRELOAD"], text=True).strip()
    settings = [f"LD_PRELOAD={library}", "FAKETIME=+2d", "FAKETIME_DISABLE_SHM=1", "FAKETIME_DONT_FAKE_MONOTONIC=1", "DONT_FAKE_MONOTONIC=1"]
    ahead_of_time = ["env", *settings]
    # Both to the end, and one killed.
    count = max(rounds // 4, 2)
    for i in range(count):
        folder = project(f"hosts{i}")
        # Both are process 1; the clock of one is two days ahead.
        ahead, behind = start(folder, [*apart, *ahead_of_time]), start(folder, apart)
        killed = None
        if i % 2:
            killed = draw.choice([ahead, behind])[0]
            time.sleep(length * draw.random())
            os.killpg(killed.pid, signal.SIGKILL)
        what = f"two hosts, {'one killed' if killed else 'both to the end'}"
        for run, out in (ahead, behind):
            try:
                run.wait(timeout=60)
            except subprocess.TimeoutExpired:
                fail(folder, f"{what}: a run does not end", said(out))
            if run is not killed and run.returncode != 0:
                fail(folder, f"{what}: exit code {run.returncode}", said(out))
        nobody_lives(folder, what)
        check(folder, what)
        newest = show(folder)
        runs = json.loads(call(folder, "runs", "--format", "json").stdout)
        if [run["status"] for run in runs].count("done") < 2 or runs[0]["id"] != newest["id"]:
            fail(folder, f"{what}: wrong list of runs", json.dumps(runs, indent=1))
        if newest["started"] > time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600)):
            fail(folder, f"{what}: the run of the clock that is ahead stays the newest", json.dumps(runs, indent=1))
        shutil.rmtree(folder)
    print(f"{count} rounds with two hosts, a clock two days ahead: the same digests, the newest run is the last one", flush=True)


def folders():
    whole = project("whole")
    check(whole, "a run for the store whose files become folders")
    store = os.path.join(whole, ".repro")
    all_files = sorted(os.path.relpath(os.path.join(place, name), store) for place, _, names in os.walk(store) for name in names)
    # An empty folder, and one with something in it.
    count = max(rounds // 4, 2)
    victims = [[file] for file in (all_files if len(all_files) <= count else draw.sample(all_files, count))] + [all_files]
    healed = 0
    for at, chosen in enumerate(victims):
        folder = os.path.join(work, f"folders{at}")
        shutil.copytree(whole, folder, symlinks=True)
        shutil.rmtree(os.path.join(folder, "results"))
        for file in chosen:
            path = os.path.join(folder, ".repro", file)
            os.remove(path)
            os.mkdir(path)
            if at % 2:
                open(os.path.join(path, "inside"), "w").close()
        what = f"a folder in the place of `{chosen[0]}`" if len(chosen) == 1 else "folders in the place of all files of the store"
        for line in (["runs"], ["show", "latest"], ["plan", "pipelines/storm.ron"]):
            answer = call(folder, *line)
            if answer.returncode not in (0, 2, 5) or "panicked" in answer.stdout:
                fail(folder, f"{what}: `repro {line[0]}` has exit code {answer.returncode}", answer.stdout)
        answer = call(folder, "run", "pipelines/storm.ron", "--jobs", "2")
        if answer.returncode == 0:
            healed += 1
            check(folder, what)
        elif answer.returncode != 5 or len([line for line in answer.stdout.splitlines() if line.startswith("error")]) != 1:
            fail(folder, f"{what}: neither healed nor one error of exit code 5, but {answer.returncode}", answer.stdout)
        shutil.rmtree(folder)
    print(f"{len(victims)} times folders in the place of files: {healed} healed, {len(victims) - healed} told by one error", flush=True)


undisturbed = project("undisturbed")
began = time.monotonic()
first = call(undisturbed, "run", "pipelines/storm.ron", "--jobs", "2")
length = time.monotonic() - began
if first.returncode != 0:
    fail(undisturbed, "the undisturbed run fails", first.stdout)
expected, files = digests(undisturbed), published(undisturbed)
kills()
hosts()
folders()
shutil.rmtree(work)
print(f"the storm is over after {time.monotonic() - began:.0f} s; an undisturbed run takes {length:.1f} s")
