//! A program with one more stage kind: `Words` counts the words of a text. All else is as in `repro`: the kind is checked,
//! documented (`kinds Words`), run in a process of its own, and its result is found in the store the next time.
//!
//! `cargo run --release --example own_kind -- run FILE`, where FILE has a stage like `"count": Words(text: "three small words")`.

use repro::stage::{Bare, Job, Output, Produced, Registry, StageError, TypedKind, Yield};
use repro::{params, stages};

params! {
    /// Counts the words of a text.
    pub struct WordsParams {
        /// The text.
        text: String;
    }
}

/// The only output, which is copied to `results/`.
const COUNT: Output = Output::file("count", "count.txt", "The number of words.").published();

/// The kind.
pub struct Words;

impl TypedKind for Words {
    type Params = WordsParams;
    const NAME: &'static str = "Words";
    const VERSION: u32 = 1;
    const YIELDS: Yield = Yield { name: "count", bare: Bare::Last, outputs: &[COUNT] };
    const OUTPUTS: &'static [Output] = &[COUNT];
    const EXAMPLE: &'static str = r#""count": Words(text: "three small words"),"#;

    fn run(&self, params: &WordsParams, job: &Job<'_>) -> Result<Produced, StageError> {
        let mut produced = Produced::default();
        let words = params.text.split_whitespace().count();
        COUNT.write(job, &mut produced, format!("{words}\n").as_bytes())?;
        produced.metrics.insert("words".to_owned(), words as f64);
        Ok(produced)
    }
}

/// The kinds of `repro`, and this one.
pub fn registry() -> Registry {
    let mut registry = stages::registry();
    registry.kinds.push(Box::new(Words));
    registry
}

/// The command line of `repro`, with these kinds.
#[cfg(not(test))]
fn main() -> std::process::ExitCode {
    std::process::ExitCode::from(repro::cli::main(&registry()) as u8)
}
