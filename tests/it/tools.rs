//! The programs that a `Command` starts, and the tools that it asks: what of them is in the key, and when they are missed.

use std::os::unix::fs::PermissionsExt;

use crate::harness::{Bench, started};

const NOTHING: [&str; 0] = [];

/// Writes a program.
fn program(bench: &Bench, name: &str, script: &str) {
    let path = bench.write(name, format!("#!/bin/sh\n{script}\n"));
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// A pipeline of one stage `one`, which starts `run` with its output as the last argument.
fn one(run: &str, more: &str) -> String {
    format!(
        r#"Pipeline(name: "one", stages: {{ "one": Command(run: [{run}, "{{out:text}}"], outputs: {{"text": "text.txt"}}, {more}) }})"#
    )
}

fn text(bench: &Bench) -> String {
    std::fs::read_to_string(bench.object(&bench.digests()["one.text"])).unwrap()
}

#[test]
fn a_program_of_the_project_is_in_the_key() {
    let script = r#"files: {"script": "bin/step.sh"},"#;
    let parameter = r#"parameters: {"program": "./bin/step.sh"},"#;
    let ways = [
        ("./bin/step.sh", ""),
        ("bin/step.sh", ""),
        ("bin/../bin/./step.sh", ""),
        ("HERE/bin/step.sh", ""),
        ("{param:program}", parameter),
        ("{file:script}", script),
    ];
    for (run, more) in ways {
        let bench = Bench::new();
        let run = format!("{:?}", run.replace("HERE/", &bench.path("").display().to_string()));
        bench.write("one.ron", one(&run, more));
        program(&bench, "bin/step.sh", "echo first >$1");
        assert_eq!(bench.ran("one.ron"), ["one"], "{run}");
        assert_eq!(text(&bench), "first\n");
        assert_eq!(bench.ran("one.ron"), NOTHING);
        program(&bench, "bin/step.sh", "echo second >$1");
        let plan = bench.ok("plan one.ron");
        let slot = if run.contains("{file:") { "file.files[\"script\"]" } else { "file.run[0]" };
        assert!(plan.contains(slot), "{run}: {plan}");
        assert_eq!(bench.ran("one.ron"), ["one"], "{run}");
        assert_eq!(text(&bench), "second\n");
        let diff = bench.call("diff latest~2 latest");
        assert!(diff.code == Some(1) && diff.out.contains(slot), "{diff:?}");
        program(&bench, "bin/step.sh", "echo first >$1");
        assert_eq!(bench.ran("one.ron"), NOTHING);
    }
}

#[test]
fn a_relative_program_starts_from_the_folder_of_the_pipeline() {
    let bench = Bench::new();
    bench.write("pipelines/one.ron", r#"Pipeline(name: "one", include: ["../stages/one.ron"], stages: { "one": () })"#);
    bench.write(
        "stages/one.ron",
        r#"Stages(stages: { "one": Command(run: ["../bin/step.sh", "{out:text}"], outputs: {"text": "text.txt"}) })"#,
    );
    program(&bench, "bin/step.sh", "echo found >$1");
    assert_eq!(bench.ran("pipelines/one.ron"), ["one"]);
    let key = bench.record("latest")["nodes"][0]["key"].clone();
    // Elsewhere the same files have the same key.
    let other = Bench::new();
    for name in ["pipelines/one.ron", "stages/one.ron", "bin/step.sh"] {
        other.write(name, std::fs::read(bench.path(name)).unwrap());
    }
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(other.path("bin/step.sh"), mode).unwrap();
    assert_eq!(other.ran("pipelines/one.ron"), ["one"]);
    assert_eq!(other.record("latest")["nodes"][0]["key"], key);
}

#[test]
fn a_program_of_the_machine_is_not_in_the_key() {
    let machine = Bench::new();
    program(&machine, "step.sh", "echo first >$1");
    for run in [format!("{:?}", machine.path("step.sh")), "\"step.sh\"".to_owned()] {
        let bench = Bench::new();
        let more = format!("env: {{\"PATH\": \"{}:/usr/bin:/bin\"}},", machine.path("").display());
        bench.write("one.ron", one(&run, &more));
        program(&machine, "step.sh", "echo first >$1");
        assert_eq!(bench.ran("one.ron"), ["one"], "{run}");
        program(&machine, "step.sh", "echo second >$1");
        assert_eq!(bench.ran("one.ron"), NOTHING, "{run}");
        // What is done needs no program.
        std::fs::remove_file(machine.path("step.sh")).unwrap();
        assert_eq!(bench.ran("one.ron"), NOTHING, "{run}");
    }
}

/// The keys of commands as the first version made them: a field that came later moves none of them.
#[test]
fn keys_of_commands_without_tools_are_those_of_the_first_version() {
    let bench = Bench::new();
    bench.write(
        "one.ron",
        one(r#""sh", "-c", "echo $1 >$2", "sh", "{param:word}""#, r#"parameters: {"word": "hello"},"#),
    );
    bench.ran("one.ron");
    let node = &bench.record("latest")["nodes"][0];
    assert_eq!(node["recipe"], "ed08971785be627c5cae82d618fd3d4e0caae418d7365b7c61976aa960d4a503");
    assert_eq!(node["key"], "ed08971785be627c5cae82d618fd3d4e0caae418d7365b7c61976aa960d4a503");
    bench.edit("one.ron", "outputs:", "tools: {}, outputs:");
    assert_eq!(bench.ran("one.ron"), NOTHING, "a stated default is the default");
}

#[test]
fn a_missing_program_is_told_when_planning() {
    let bench = Bench::new();
    program(&bench, "first.sh", "echo x >$1");
    bench.write("plain.sh", "echo x >$1");
    bench.write(
        "missing.ron",
        r#"Pipeline(name: "missing", stages: {
            "first": Command(run: ["./first.sh", "{out:text}"], outputs: {"text": "text.txt"}),
            "second": Command(run: ["no-such-program", "{in:first}"], inputs: {"first": "first"}, outputs: {"text": "text.txt"}),
            "third": Command(run: ["/no/such/program"], outputs: {"text": "text.txt"}),
            "fourth": Command(run: ["./plain.sh", "{out:text}"], outputs: {"text": "text.txt"}),
            "fifth": Command(run: ["sh"], env: {"PATH": "."}, outputs: {"text": "text.txt"}),
            "sixth": Command(run: ["/"], outputs: {"text": "text.txt"}),
        })"#,
    );
    for command in ["plan", "run"] {
        let answer = bench.call(&format!("{command} missing.ron"));
        assert_eq!(answer.code, Some(4), "{answer:?}");
        for words in [
            "stage `second`, `run[0]`: There is no program `no-such-program` on the PATH.",
            "stage `third`, `run[0]`: There is no program `/no/such/program`. Check the path.",
            "plain.sh` cannot be started: it is no program. Make it executable",
            "stage `fifth`, `run[0]`: There is no program `sh` on the PATH.",
            "`/` cannot be started",
        ] {
            assert!(answer.err.contains(words), "{words}: {}", answer.err);
        }
        assert_eq!(answer.err.matches("on the PATH. Install it").count(), 1, "advice is told once: {}", answer.err);
        assert!(!bench.path("store/actions").exists(), "nothing was computed");
    }
    bench.write("gone.ron", one("\"./gone.sh\"", ""));
    let answer = bench.call("plan gone.ron");
    assert!(answer.code == Some(4) && answer.err.contains("gone.sh: This file is missing."), "{answer:?}");
}

#[test]
fn what_a_tool_says_is_in_the_key() {
    let bench = Bench::new();
    let version = |text: &str| program(&bench, "tools/mine", &format!("printf '{text}'"));
    let machine = Bench::new();
    let path = format!("env: {{\"PATH\": \"{}:/usr/bin:/bin\"}},", machine.path("").display());
    program(&machine, "theirs", "test $1 = --version && echo theirs 3.1");
    version("mine 1.0");
    let tools =
        |theirs: &str| format!(r#"{path} tools: {{"mine": ["tools/mine"], "theirs": ["{theirs}", "--version"]}}"#);
    bench.write("one.ron", one(r#""sh", "-c", "echo x >$0""#, &tools("theirs")));
    assert_eq!(bench.ran("one.ron"), ["one"]);
    assert_eq!(bench.ran("one.ron"), NOTHING);
    let preimage = &bench.record("latest")["nodes"][0]["preimage"];
    assert_eq!(
        (&preimage["tool[\"mine\"]"], &preimage["tool[\"theirs\"]"]),
        (&"mine 1.0".into(), &"theirs 3.1".into())
    );
    program(&machine, "theirs", "echo theirs 3.2");
    let plan = bench.ok("plan one.ron");
    assert!(plan.contains("tool[\"theirs\"]: theirs 3.1 -> theirs 3.2"), "{plan}");
    assert_eq!(bench.ran("one.ron"), ["one"]);
    let diff = bench.call("diff latest~2 latest");
    assert!(diff.code == Some(1) && diff.out.contains("tool[\"theirs\"]"), "{diff:?}");
    program(&machine, "theirs", "echo theirs 3.1");
    assert_eq!(bench.ran("one.ron"), NOTHING);
    // Of several lines, each is told by itself.
    program(&machine, "theirs", "echo theirs 3.1; echo built by hand");
    let plan = bench.ok("plan one.ron");
    assert!(plan.contains("tool[\"theirs\"][1]: nothing -> built by hand"), "{plan}");
    // A tool that is a file of the project is in the key as such, too.
    program(&machine, "theirs", "echo theirs 3.1");
    program(&bench, "tools/mine", "# The same words.\nprintf 'mine 1.0'");
    let plan = bench.ok("plan one.ron");
    assert!(plan.contains("file.tools[\"mine\"][0]") && !plan.contains("tool[\"mine\"]:"), "{plan}");
}

#[test]
fn a_tool_that_does_not_answer_is_told_when_planning() {
    let bench = Bench::new();
    program(&bench, "bad", "echo broken >&2; exit 3");
    let tools = r#"tools: {"bad": ["./bad", "-v"], "gone": ["no-such-tool"]}"#;
    bench.write("one.ron", one(r#""sh", "-c", "echo x >$0""#, tools));
    let answer = bench.call("run one.ron");
    assert_eq!(answer.code, Some(4), "{answer:?}");
    assert!(
        answer.err.contains("`tools[\"bad\"][0]`: `./bad -v` ended with exit status: 3, saying `broken`."),
        "{answer:?}"
    );
    assert!(answer.err.contains("`tools[\"gone\"][0]`: There is no program `no-such-tool` on the PATH."), "{answer:?}");
    bench.write("one.ron", one("\"sh\"", r#"tools: {"none": [], "late": ["sh", "{in:x}"]}"#));
    let answer = bench.call("run one.ron");
    assert_eq!(answer.code, Some(2), "{answer:?}");
    assert!(answer.err.contains("The tool `none` names no program."), "{answer:?}");
    assert!(answer.err.contains("`{in:x}` has no value yet when the tool is asked."), "{answer:?}");
}

#[test]
fn a_tool_that_changes_while_the_run_goes_on_is_noticed() {
    let bench = Bench::new();
    let machine = Bench::new();
    program(&machine, "theirs", "echo 1");
    let theirs = machine.path("theirs").display().to_string();
    bench.write(
        "two.ron",
        format!(
            r#"Pipeline(name: "two", stages: {{
                "update": Command(run: ["sh", "-c", "echo '#!/bin/sh\necho 2' >{theirs}; echo x >$0", "{{out:text}}"],
                                  outputs: {{"text": "text.txt"}}),
                "one": Command(run: ["cp", "{{in:update}}", "{{out:text}}"], inputs: {{"update": "update"}},
                               outputs: {{"text": "text.txt"}}, tools: {{"theirs": ["{theirs}"]}}),
            }})"#
        ),
    );
    let answer = bench.call("run two.ron");
    assert_eq!(answer.code, Some(4), "{answer:?}");
    assert!(answer.all().contains("The program says `2`, and said `1` when the run was planned."), "{answer:?}");
    let out = bench.ok("run two.ron --json");
    assert_eq!(started(&out), ["one"]);
}

#[test]
fn fields_of_later_versions_have_defaults() {
    fn fields(ty: &repro::stage::Type, found: &mut usize) {
        use repro::stage::Type;
        let of = |list: &[repro::stage::Field], found: &mut usize| {
            for field in list {
                assert!(field.since.is_none() || field.default.is_some(), "`{}` has no default", field.name);
                *found += usize::from(field.since.is_some());
                fields(&field.ty, found);
            }
        };
        match ty {
            Type::Struct(structure) => of(&structure.fields, found),
            Type::Enum(of_one) => of_one.variants.iter().for_each(|variant| of(&variant.fields, found)),
            Type::List { item, .. } | Type::Map(item) | Type::Option(item) => fields(item, found),
            Type::Tuple(items) => items.iter().for_each(|item| fields(item, found)),
            _ => {}
        }
    }
    let mut found = 0;
    for kind in repro::stages::registry().kinds {
        fields(&repro::stage::Type::Struct(kind.schema()), &mut found);
    }
    assert!(found > 0);
}
