#!/usr/bin/env python3
"""Kills smoke with SIGKILL at moments spread over its stages, runs it again, and compares the final digests.

    python3 .ci/kill.py target/release/repro [MOMENTS]

Every kill hits the run and the stages that it has started. The second run must end with the digests of an undisturbed
run; its events say whether a training iteration was taken up in the middle.
"""
import json, os, shutil, signal, subprocess, sys, tempfile, time

repro, moments = os.path.abspath(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 20
work = tempfile.mkdtemp()


def command(store):
    return [repro, "run", "pipelines/smoke.ron", "--json", "--store", store]


def digests(store):
    record = json.loads(subprocess.check_output([repro, "show", "latest", "--format", "json", "--store", store]))
    return {f"{n['stage']}[{n['iteration']}].{name}": out["digest"] for n in record["nodes"] for name, out in n["outputs"].items()}


undisturbed = os.path.join(work, "undisturbed")
began = time.time()
subprocess.run(command(undisturbed), check=True, stdout=subprocess.DEVNULL)
length = time.time() - began
expected = digests(undisturbed)
resumed = 0
for i in range(moments):
    store = os.path.join(work, f"store{i}")
    moment = length * (i + 0.5) / moments
    run = subprocess.Popen(command(store), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    time.sleep(moment)
    # Stages have process groups of their own.
    stages = subprocess.run(["pgrep", "-P", str(run.pid)], stdout=subprocess.PIPE, text=True).stdout.split()
    for process in [run.pid, *map(int, stages)]:
        try:
            os.kill(process, signal.SIGKILL)
        except ProcessLookupError:
            pass  # It ended by itself in this moment.
    run.wait()
    again = subprocess.run(command(store), check=True, stdout=subprocess.PIPE, text=True)
    took_up = '"event":"resumed"' in again.stdout
    resumed += took_up
    same = digests(store) == expected
    print(f"killed after {moment:5.1f} s: {'same digests' if same else 'OTHER DIGESTS'}{', resumed inside an iteration' if took_up else ''}", flush=True)
    if not same:
        sys.exit(1)
    shutil.rmtree(store)
shutil.rmtree(work)
print(f"{moments} kills, {resumed} resumed inside an iteration; an undisturbed run takes {length:.1f} s")
sys.exit(0 if resumed * 4 >= moments else 1)
