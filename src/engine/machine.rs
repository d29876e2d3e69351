//! What the run record and the keys of measurements say about the machine and the program.

use std::collections::BTreeMap;

use crate::{fsio, program};

/// What a measurement is of, for its key: the machine, this build of the program, and how many threads it has. Memory counts
/// in whole gibibytes, since another kernel leaves a little more or less of it.
pub(super) fn measured(program: &program::Id, threads: usize) -> BTreeMap<String, String> {
    let mut facts = fsio::machine();
    facts.retain(|name, _| ["host", "cpu", "arch", "cores", "memory"].contains(&name.as_str()));
    if let Some(memory) = facts.get_mut("memory")
        && let Some(kibibytes) = memory.strip_suffix(" kB").and_then(|text| text.parse::<u64>().ok())
    {
        *memory = format!("{} GiB", (kibibytes + (1 << 19)) >> 20);
    }
    facts.insert("program".to_owned(), format!("{}, build {}", program::VERSION, program.build()));
    facts.insert("threads".to_owned(), threads.to_string());
    facts
}

/// The program's version, and the commit that it was built from where that is known.
pub(super) fn versions() -> BTreeMap<String, String> {
    let commit = program::COMMIT.map(|commit| ("commit".to_owned(), commit.to_owned()));
    commit.into_iter().chain([("repro".to_owned(), env!("CARGO_PKG_VERSION").to_owned())]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_measurement_is_of_a_machine_a_build_and_a_number_of_threads() {
        let facts = |threads| measured(program::id().unwrap(), threads);
        let (one, two) = (facts(1), facts(2));
        let machine = fsio::machine();
        assert_eq!((&one["host"], &one["cores"], &*one["threads"]), (&machine["host"], &machine["cores"], "1"));
        assert!(one["program"].starts_with(&format!("{}, build ", program::VERSION)), "{one:?}");
        assert!(one.get("memory").is_none_or(|memory| memory.ends_with(" GiB")), "{one:?}");
        assert!(versions().contains_key("repro"));
        let differ: Vec<&String> = one.keys().filter(|name| one[*name] != two[*name]).collect();
        assert_eq!(differ, ["threads"]);
    }
}
