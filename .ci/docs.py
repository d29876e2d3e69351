#!/usr/bin/env python3
"""Holds the pages to the program: runs their commands, checks their pipelines, and follows their links.

    .ci/docs.py PROGRAM [PAGE...]     every page, or some
    .ci/docs.py PROGRAM --self-test   shows that faults of each sort are found

The first word after the three backticks says what a block is. What follows says how it is checked:

    sh                     is run by bash, in a copy of the project, with `repro` on the PATH. Must end with exit code 0
    sh exit=8              must end with this exit code
    sh no_run=REASON       is not run; its commands and their options must exist. The reason is printed
    text output            is what the block of commands before it prints, somewhere in its output. A line `…` stands for any
                           lines, and `…` within a line for any text
    ron                    is a whole file that begins with `Pipeline(` or `Stages(`: it is checked as `repro graph` does
    ron include=A,B        is a part of a pipeline which includes A and B: its fields, or entries of its `stages`
    ron from=FILE          is an excerpt of this file of the project. `…` stands for what is left out
    ron config             is `config.ron` of a user
    ron example            is an example of a stage kind, which the tests check
    ron unchecked=REASON   is not checked
    ... file=FILE          is also written to this file, for the commands that follow on the page

Blocks of other languages are not checked. `cargo run --release --` in a block runs the program that was given. `/data/NAME` in a
block is a folder of data that this script draws. Pages share one store, and each page starts with fresh files.

Of each page, links to files and headings are followed. Files that it names in `code` must exist, and so must commands and options.
A page of the book (`docs/`) links only to pages of the book, since the book holds no other file.
"""

import os
import re
import shlex
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
PATIENCE = 300  # seconds for a block
FENCE = re.compile(r"^(\s*)```(.*)$")
ROOMS = ("src/", "tests/", "pipelines/", "stages/", "docs/", ".ci/", "benches/", "examples/", "data_lists/", "fuzz/")
FROM_THE_ROOT = ("README.md", "Cargo.toml", "build.rs")


class Block:
    """A fenced block: its line in the page, the words behind the backticks, its text."""

    def __init__(self, line, info, text):
        self.line, self.text = line, text
        language, _, rest = info.strip().partition(" ")
        self.language, self.options = language, {}
        for key in ("no_run", "unchecked"):
            if rest.startswith(key + "="):
                self.options[key] = rest[len(key) + 1 :].strip()
                return
        for word in rest.split():
            key, _, value = word.partition("=")
            self.options[key] = value


class Page:
    """A Markdown page: its blocks, and its lines outside of them."""

    def __init__(self, root, path):
        self.path, self.blocks, self.prose = path, [], []
        self.name = str(path.relative_to(root))
        block = None
        for number, line in enumerate(path.read_text().splitlines(), 1):
            fence = FENCE.match(line)
            if block is None and fence:
                block = (number, fence[2], [], len(fence[1]))
            elif block is not None and fence and not fence[2].strip():
                self.blocks.append(Block(block[0], block[1], "\n".join(block[2]) + "\n"))
                block = None
            elif block is not None:
                block[2].append(line[block[3] :] if line[: block[3]].isspace() else line)
            else:
                self.prose.append((number, line))
        if block is not None:
            raise SystemExit(f"{self.name}:{block[0]}: this block has no end")

    def anchors(self):
        """The ids of its headings, as GitHub and mdBook make them."""
        seen, found = {}, set()
        for _, line in self.prose:
            heading = re.match(r"#{1,6} +(.*?)\s*$", line)
            if not heading:
                continue
            text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading[1])
            slug = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
            count = seen.get(slug, 0)
            seen[slug] = count + 1
            found.add(slug if count == 0 else f"{slug}-{count}")
        return found


class Check:
    """One pass over pages: the scratch copy of the project, and the faults found."""

    def __init__(self, program, root, work):
        self.program, self.root, self.work = Path(program).resolve(), root, work
        self.tree, self.data, self.home = work / "project", work / "data", work / "home"
        self.faults, self.ran, self.checked, self.left, self.slow = [], 0, 0, [], []
        self.helps, self.pages = {}, {}
        for folder in (self.tree, self.data, self.home, work / "bin"):
            folder.mkdir(parents=True)
        (work / "bin/repro").symlink_to(self.program)
        cargo = work / "bin/cargo"
        cargo.write_text('#!/bin/sh\n[ "$1 $2 $3" = "run --release --" ] || { echo "only cargo run --release -- is run here" >&2; exit 1; }\nshift 3\nexec repro "$@"\n')
        cargo.chmod(0o755)
        self.env = {key: value for key, value in os.environ.items() if not key.startswith(("REPRO_", "XDG_"))}
        self.env |= {"PATH": f"{work / 'bin'}:{os.environ['PATH']}", "HOME": str(self.home), "COLUMNS": "120"}
        self.files = tracked(root)

    def fault(self, page, line, text):
        self.faults.append(f"{page.name}:{line}: {text}")

    def fresh(self):
        """The files of the project as they are, beside the store, which stays."""
        for entry in self.tree.iterdir():
            if entry.name != ".repro":
                shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
        for name in self.files:
            to = self.tree / name
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self.root / name, to)
            shutil.copymode(self.root / name, to)
        shutil.rmtree(self.data)
        self.data.mkdir()
        draw_data(self.data)

    def page(self, path):
        page = self.read(path)
        self.links(page)
        self.names(page)
        said = None
        if any(block.language in ("sh", "ron") or "file" in block.options for block in page.blocks):
            self.fresh()
        for block in page.blocks:
            if "file" in block.options:
                to = self.tree / block.options["file"]
                to.parent.mkdir(parents=True, exist_ok=True)
                to.write_text(self.here(block.text))
            if block.language == "sh":
                said = self.commands(page, block)
            elif block.language == "ron":
                self.ron(page, block)
            elif block.language == "text" and "output" in block.options:
                if said is None:
                    self.fault(page, block.line, "this output has no commands before it that were run")
                elif not occurs(block.text, said):
                    self.fault(page, block.line, f"the commands printed something else:\n{said}")

    def read(self, path):
        path = path.resolve()
        if path not in self.pages:
            self.pages[path] = Page(self.root.resolve(), path)
        return self.pages[path]

    def here(self, text):
        """A text with the folders of data where they lie here."""
        return re.sub(r"(?<![\w./])/data/", f"{self.data}/", text)

    def commands(self, page, block):
        for words in commands(block.text):
            self.command(page, block.line, words)
        if "no_run" in block.options:
            if not block.options["no_run"]:
                self.fault(page, block.line, "`no_run=` states no reason")
            self.left.append(f"{page.name}:{block.line}: {block.options['no_run']}")
            return None
        began = time.time()
        try:
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", self.here(block.text)], cwd=self.tree, env=self.env,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PATIENCE,
            )
        except subprocess.TimeoutExpired:
            self.fault(page, block.line, f"these commands took more than {PATIENCE} s")
            return None
        self.ran += 1
        self.slow.append((time.time() - began, f"{page.name}:{block.line}"))
        said = done.stdout.decode(errors="replace").replace(f"{self.data}/", "/data/").replace(f"{self.tree}", "/project")
        wanted = int(block.options.get("exit", 0))
        if done.returncode != wanted:
            self.fault(page, block.line, f"these commands ended with exit code {done.returncode}, not {wanted}:\n{said}")
        return said

    def command(self, page, line, words):
        """A command of ours that a page names must exist, and so must its options."""
        words = [word.strip("[]") for word in words]
        known = self.help(())
        at, path = 1, ()
        while at < len(words) and not words[at].startswith("-") and words[at] in known[1]:
            path += (words[at],)
            known = self.help(path)
            at += 1
        if at == 1 and len(words) > 1 and re.fullmatch(r"[a-z]+", words[1]):
            return self.fault(page, line, f"there is no command `repro {words[1]}`")
        for word in words[at:]:
            option = re.match(r"--[a-z][a-z-]*", word)
            if option and option[0] not in known[0]:
                self.fault(page, line, f"`{' '.join(('repro',) + path)}` has no option `{option[0]}`")

    def help(self, path):
        """The options and the commands that a command's help names."""
        if path not in self.helps:
            text = subprocess.run(
                [self.program, *path, "--help"], env=self.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            ).stdout
            options = set(re.findall(r"--[a-z][a-z-]*", text)) | {"--version"}
            listed = text.split("Commands:\n", 1)[1].split("\n\n")[0] if "Commands:\n" in text else ""
            self.helps[path] = (options, set(re.findall(r"^  ([a-z-]+)", listed, re.M)))
        return self.helps[path]

    def ron(self, page, block):
        options, text = block.options, block.text
        if "example" in options:
            return
        if "unchecked" in options:
            if not options["unchecked"]:
                self.fault(page, block.line, "`unchecked=` states no reason")
            self.left.append(f"{page.name}:{block.line}: {options['unchecked']}")
            return
        self.checked += 1
        if "from" in options:
            source = self.root / options["from"]
            if not source.is_file():
                self.fault(page, block.line, f"there is no file {options['from']}")
            elif not excerpt(text, source.read_text()):
                self.fault(page, block.line, f"this is no excerpt of {options['from']}")
            return
        if "config" in options:
            folder = self.work / "config/repro"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "config.ron").write_text(text)
            self.graph(page, block, self.tree / "pipelines/smoke.ron", {"XDG_CONFIG_HOME": str(folder.parent)})
            return
        file = self.tree / "pipelines/block_of_a_page.ron"
        includes = [part for part in options.get("include", "").split(",") if part]
        if text.lstrip().startswith("Stages("):
            part = file.with_name("stages_of_a_page.ron")
            part.write_text(text)
            includes, text = [part.name], ""
        elif "include" not in options:
            if not re.match(r"(\s|//.*\n)*Pipeline\(", text):
                return self.fault(page, block.line, "this is no whole pipeline: say `include=` or `from=`, or why it is `unchecked=`")
            file.write_text(text)
            return self.graph(page, block, file)
        if not re.match(r"(matrix|stages|profiles):", text):
            text = f"stages: {{\n{text}\n}},\n"
        names = ", ".join(f'"{name}"' for name in includes)
        file.write_text(f'Pipeline(\nname: "page", include: [{names}],\n{text}\n)\n')
        self.graph(page, block, file)

    def graph(self, page, block, file, more=None):
        done = subprocess.run(
            [self.program, "graph", str(file)], cwd=self.tree, env=self.env | (more or {}), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PATIENCE,
        )
        if done.returncode != 0:
            self.fault(page, block.line, f"the program refuses this:\n{done.stdout}")

    def links(self, page):
        book = (self.root / "docs").resolve()
        for number, line in page.prose:
            for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`]*`", "", line)):
                if re.match(r"[a-z]+://|mailto:", target):
                    continue
                name, _, anchor = target.partition("#")
                to = (page.path.parent / name).resolve() if name else page.path
                if not to.exists():
                    self.fault(page, number, f"the link {target} leads nowhere")
                elif page.path.is_relative_to(book) and not to.is_relative_to(book):
                    self.fault(page, number, f"the link {target} leads out of the book: name the file in `code`")
                elif anchor and to.suffix == ".md" and anchor not in self.read(to).anchors():
                    self.fault(page, number, f"there is no heading for {target}")

    def names(self, page):
        """Files, commands and options that are named in `code`. The page itself may say what is in a file."""
        own = {block.options.get("file") for block in page.blocks}
        for number, line in page.prose:
            for code in re.findall(r"`([^`]+)`", line):
                words = split(code)
                if words and words[0] == "repro" and len(words) > 1:
                    self.command(page, number, words)
                elif re.fullmatch(r"[\w./-]+", code) and (code.startswith(ROOMS) or code in FROM_THE_ROOT):
                    if code not in own and not (self.root / code).exists():
                        self.fault(page, number, f"there is no file `{code}`")


def tracked(root):
    """The files of the project: those of git and those not yet added, or all, where there is no git."""
    listed = subprocess.run(
        ["git", "-C", root, "ls-files", "-co", "--exclude-standard"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    if listed.returncode == 0:
        return [name for name in listed.stdout.splitlines() if (root / name).is_file()]
    return [str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()]


def split(text):
    try:
        return shlex.split(text, comments=True)
    except ValueError:
        return text.split()


def commands(text):
    """The commands of ours in a script, as words."""
    found = []
    for line in text.replace("\\\n", " ").splitlines():
        for part in re.split(r"\|\||&&|[|;]", line):
            words = split(part)
            while words and re.match(r"\w+=", words[0]):
                words = words[1:]
            if words[:4] == ["cargo", "run", "--release", "--"]:
                words = ["repro"] + words[4:]
            if words and words[0] == "repro":
                found.append(words)
    return found


def occurs(wanted, said):
    """Whether lines occur in an output. `…` stands for any text in a line, or, alone, for any lines."""
    pattern = ""
    for line in wanted.strip("\n").splitlines():
        if line.strip() == "…":
            pattern += r"(?:.*\n)*?"
        else:
            pattern += r"[^\n]*?".join(re.escape(part) for part in line.rstrip().split("…")) + r"[ \t]*\n"
    return re.search("^" + pattern, said if said.endswith("\n") else said + "\n", re.M) is not None


def excerpt(text, source):
    """Whether a text of RON is an excerpt of another. Layout, comments and last commas do not count."""
    at, source = 0, plain(source)
    for part in plain(text).split("…"):
        part = part.strip(",")
        at = source.find(part, at)
        if at < 0:
            return False
        at += len(part)
    return True


def plain(text):
    text = re.sub(r'("(?:[^"\\]|\\.)*")|//[^\n]*', lambda m: m[1] or "", text)
    text = re.sub(r'("(?:[^"\\]|\\.)*")|\s+', lambda m: m[1] or "", text)
    return re.sub(r'("(?:[^"\\]|\\.)*")|,(?=[)\]}])', lambda m: m[1] or "", text)


def png(path, width, height, pixel):
    """A PNG file: grey where a pixel is a number, colour where it is three."""
    rows, colour = b"", not isinstance(pixel(0, 0), int)
    for y in range(height):
        rows += b"\0" + b"".join(bytes(pixel(x, y)) if colour else bytes([pixel(x, y)]) for x in range(width))

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2 if colour else 0, 0, 0, 0)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b""))


def draw_data(folder):
    """Small data sets: `fields` (pairs of folders with lists, 5 classes, 255 along the border) and `camvid` (11 classes)."""
    shapes = [(97, 81), (113, 97)]

    def label(index, classes):
        def at(x, y):
            if x == 0 or y == 0:
                return 255
            return (x // 23 + (y // 19) * 2 + index) % classes

        return at

    def photo(label, index):
        def at(x, y):
            value = label(x, y)
            value = 0 if value == 255 else value
            return ((value * 53 + x) % 256, (value * 97 + y) % 256, (value * 31 + index * 7) % 256)

        return at

    def sample(root, image, mask, index, classes):
        width, height = shapes[index % 2]
        truth = label(index, classes)
        png(root / image, width, height, photo(truth, index))
        png(root / mask, width, height, truth)

    fields = folder / "fields"
    for name, numbers in (("train", range(12)), ("val", range(12, 20))):
        lines = []
        for index in numbers:
            image, mask = f"img/field_{index:03}.png", f"lab/field_{index:03}.png"
            sample(fields, image, mask, index, 5)
            lines.append(f"/{image} /{mask}\n")
        (fields / f"{name}.txt").write_text("".join(lines))
    (fields / "classes.txt").write_text("soil\ncrop\nweed\nstone\nsky\n")
    camvid = folder / "camvid"
    for name, numbers in (("train", range(6)), ("val", range(6, 12))):
        lines = []
        for index in numbers:
            image, mask = f"{name}/street_{index:03}.png", f"{name}annot/street_{index:03}.png"
            sample(camvid, image, mask, index, 11)
            lines.append(f"/SegNet/CamVid/{image} /SegNet/CamVid/{mask}\n")
        (camvid / f"{name}.txt").write_text("".join(lines))


def unlisted(root):
    """Faults of the table of contents: every page of the book is in it. What it names exists, as any link."""
    summary = (root / "docs/SUMMARY.md").read_text()
    names = [page.name for page in sorted((root / "docs").glob("*.md")) if page.name != "SUMMARY.md"]
    return [f"docs/SUMMARY.md: the page {name} is not listed" for name in names if f"]({name})" not in summary]


def every_page(root):
    pages = [root / "README.md"]
    for folder in ("docs", "pipelines", "stages", "benches", "results"):
        pages += sorted((root / folder).glob("*.md"))
    return [page for page in pages if page.exists()]


def check(program, root, pages):
    with tempfile.TemporaryDirectory(prefix="repro-docs-") as work:
        found = Check(program, root, Path(work).resolve())
        for page in pages:
            found.page(page)
        return found


def self_test(program):
    """Pages with a fault each: every one must be found. And one without a fault."""
    stages = "include=../stages/shapes.ron"
    broken = {
        "a command that fails": "```sh\nrepro kinds Trian\n```\n",
        "a command that does not fail": "```sh exit=3\nrepro kinds Train\n```\n",
        "an option that is not there": "```sh no_run=it takes hours\nrepro run pipelines/smoke.ron --presto\n```\n",
        "a command that is not there": "Say `repro conquer`.\n",
        "no reason": "```sh no_run=\nrepro kinds\n```\n",
        "another output": "```sh\necho one\n```\n\n```text output\ntwo\n```\n",
        "an output without commands": "```text output\ntwo\n```\n",
        "a pipeline with a fault": '```ron\nPipeline(name: "a", stages: {"b": Train(steps: 1)})\n```\n',
        "a part with a fault": f'```ron {stages}\n"v": Validate(model: "nothing", data: "shapes_val"),\n```\n',
        "a part that says nothing": '```ron\n"v": Validate(model: "nothing", data: "shapes_val"),\n```\n',
        "no excerpt": '```ron from=pipelines/smoke.ron\n"train": … "trains"\n```\n',
        "a link to nowhere": "[there](nowhere.md)\n",
        "a link to no heading": "[there](page.md#nowhere)\n",
        "a file that is not there": "As `src/nowhere.rs` says.\n",
    }
    sound = (
        "# A page\n\n## One & two: `three`\n\n[there](#one--two-three) [page](page.md#a-page) `src/lib.rs` `repro plan FILE --set a.b=1`\n\n"
        "```sh\nrepro kinds Train\necho /data/fields\n```\n\n```text output\n…\n/data/f…s\n```\n\n```sh exit=2\nrepro kinds Trian\n```\n\n"
        f'```ron {stages}\n"b": Dataset(source: Shapes(images: 1), classes: Shapes),\n```\n\n'
        '```ron from=pipelines/smoke.ron\n"validate": Validate(…, every_iteration: true), …\n"predict": Predict(\n    model: "train", // what\n    data: "shapes_val",\n),\n```\n\n'
        '```ron file=pipelines/own.ron\n// Ours.\nPipeline(name: "own", include: ["../stages/shapes.ron"], stages: {})\n```\n\n```sh\nrepro graph pipelines/own.ron\nls /data/fields/train.txt\n```\n'
    )
    with tempfile.TemporaryDirectory(prefix="repro-docs-") as folder:
        root = Path(folder)
        for part in ("pipelines", "stages", "data_lists"):
            shutil.copytree(PROJECT / part, root / part)
        (root / "docs").mkdir()
        (root / "src").mkdir()
        (root / "src/lib.rs").write_text("")
        page = root / "docs/page.md"
        for what, text in broken.items():
            page.write_text(text)
            faults = check(program, root, [page]).faults
            assert len(faults) == 1, f"{what}: one fault is to be found, not {faults}"
        page.write_text(sound)
        faults = check(program, root, [page]).faults
        assert not faults, "\n".join(faults)
        page.write_text("[out](../src/lib.rs)\n")
        assert len(check(program, root, [page]).faults) == 1, "a link out of the book is a fault"
    print(f"{len(broken) + 1} faults are found, and a sound page passes")


def main():
    program, rest = sys.argv[1], sys.argv[2:]
    if rest == ["--self-test"]:
        return self_test(program)
    pages = [Path(page).resolve() for page in rest] or every_page(PROJECT)
    found = check(program, PROJECT, pages)
    found.faults += [] if rest else unlisted(PROJECT)
    for place in found.left:
        print(f"not run: {place}")
    slow = ", ".join(f"{where} {seconds:.0f} s" for seconds, where in sorted(found.slow, reverse=True)[:3])
    print(f"{len(pages)} pages: {found.ran} blocks of commands ran, {found.checked} pipelines and parts were checked, {len(found.left)} were left out")
    print(f"slowest: {slow}")
    for fault in found.faults:
        print(fault, file=sys.stderr)
    if found.faults:
        raise SystemExit(f"{len(found.faults)} faults in the pages")


if __name__ == "__main__":
    main()
