//! The manual pages: each command has one, and it says what the command's help says.

use std::collections::BTreeSet;

use crate::harness::Bench;

/// The commands below `command` that its help lists.
fn listed(bench: &Bench, command: &str) -> Vec<String> {
    let help = bench.ok(&format!("{command} --help"));
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names = commands.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names = names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help");
    names.map(|name| format!("{command} {name}").trim().to_owned()).collect()
}

/// The long options that a help text lists at the starts of its lines.
fn options(help: &str) -> BTreeSet<String> {
    let starts = help.lines().filter(|line| line.trim_start().starts_with('-'));
    let words = starts.flat_map(|line| line.split_whitespace().take(2));
    // `--tensorboard[=<DIR>]` is an option whose value may be left out.
    let name = |word: &str| word.split(['[', ',']).next().unwrap_or_default().to_owned();
    words.filter(|word| word.starts_with("--")).map(name).collect()
}

#[test]
fn every_command_has_a_page_with_every_option_of_its_help() {
    let bench = Bench::new();
    let said = bench.ok("man pages");
    let mut commands = listed(&bench, "");
    commands.extend(commands.clone().iter().flat_map(|command| listed(&bench, command)));
    assert!(commands.iter().any(|name| name == "run") && commands.iter().any(|name| name == "weights convert"));
    let mut expected = BTreeSet::from(["repro.1".to_owned()]);
    for command in &commands {
        let name = format!("repro-{}.1", command.replace(' ', "-"));
        let page = std::fs::read_to_string(bench.path("pages").join(&name)).unwrap();
        assert!(page.contains(&format!(".TH {} 1 \"\" \"repro ", name.trim_end_matches(".1"))), "{name}:\n{page}");
        for part in [".SH NAME", ".SH SYNOPSIS", ".SH DESCRIPTION", ".SH OPTIONS", ".SH \"SEE ALSO\""] {
            assert!(page.contains(part), "{name} lacks {part}:\n{page}");
        }
        let stated = options(&bench.ok(&format!("{command} --help")));
        assert!(stated.contains("--help"), "{command}: {stated:?}");
        for option in stated {
            assert!(
                page.contains(&format!("\\fB{}\\fR", option.replace('-', "\\-"))),
                "{name} lacks {option}:\n{page}"
            );
        }
        expected.insert(name);
    }
    let written = std::fs::read_dir(bench.path("pages")).unwrap().map(|file| file.unwrap().file_name());
    assert_eq!(written.map(|name| name.into_string().unwrap()).collect::<BTreeSet<_>>(), expected);
    assert_eq!(said, format!("pages: {} manual pages\n", expected.len()));
}

#[test]
fn the_page_of_the_program_is_printed_and_has_every_exit_code() {
    let bench = Bench::new();
    let page = bench.ok("man");
    bench.ok("man pages");
    assert_eq!(page, std::fs::read_to_string(bench.path("pages/repro.1")).unwrap());
    let status = page.split(".SH \"EXIT STATUS\"\n").nth(1).unwrap();
    let help = bench.ok("--help");
    let codes: Vec<(&str, &str)> = help
        .lines()
        .skip_while(|line| *line != "Exit codes:")
        .skip(1)
        .map_while(|line| line.trim_start().split_once("  "))
        .collect();
    assert!(codes.len() > 9, "{help}");
    for (code, meaning) in codes {
        let entry = format!(".TP\n\\fB{code}\\fR\n{}\n", meaning.replace('-', "\\-"));
        assert!(status.contains(&entry), "{entry} is not in:\n{status}");
    }
}
