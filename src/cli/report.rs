//! `repro report RUN… -o FILE`: a page of runs that opens offline.

use std::path::{Path, PathBuf};

use clap::Args;

use super::config;
use super::failure::{Failure, fail};
use super::taken::side;
use super::terminal::{print, print_bytes, warn};
use crate::cli::exit::Exit;
use crate::results::diff::Side;
use crate::results::page::{self, Kept, PageOf};
use crate::stage::Registry;
use crate::store::Store;

/// The name of standard output.
const STDOUT: &str = "-";

/// The arguments of `repro report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// The runs, side by side. A run is named by its id or its start, a pipeline's name (`smoke`, `smoke@tiny`, `smoke~1`),
    /// `latest`, or an archive of `repro export`.
    #[arg(default_value = "latest", value_name = "RUN")]
    runs: Vec<String>,
    /// The file to write. `-` is standard output.
    #[arg(short, long, value_name = "FILE", default_value = "report.html")]
    out: PathBuf,
    /// The title of the page [default: the names of the pipelines]
    #[arg(long)]
    title: Option<String>,
    /// How many images are shown at most.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(..=40))]
    images: u16,
    /// Give the folder of a data root, for photographs; may be repeated [also REPRO_DATA_NAME]
    #[arg(long = "data", value_name = "NAME=PATH")]
    data: Vec<String>,
    /// Replace a file that is there, also one that is no such page.
    #[arg(long)]
    force: bool,
}

/// Writes the page.
pub fn run(store: &Store, registry: &Registry, args: &ReportArgs) -> Result<Exit, Failure> {
    let roots = config::roots(&args.data)?;
    let sides = args.runs.iter().map(|asked| whole(store, asked)).collect::<Result<Vec<Side<'_>>, Failure>>()?;
    let images = usize::from(args.images);
    let page = PageOf { registry, sides: &sides, title: args.title.clone(), images, roots: &roots }.page()?;
    let written = page.write();
    written.warnings.iter().for_each(|text| warn(text));
    let marked = page::marked(&written.bytes);
    if args.out == Path::new(STDOUT) {
        print_bytes(&marked);
        return Ok(Exit::Success);
    }
    let kept = if args.force { Kept::Nothing } else { Kept::Others };
    page::write(&written.bytes, &args.out, kept)?;
    let ids: Vec<&str> = sides.iter().map(|side| side.run.id.as_str()).collect();
    let runs = if ids.len() == 1 { "run" } else { "runs" };
    print(&format!("{}: {runs} {}, {} bytes", args.out.display(), ids.join(", "), marked.len()));
    Ok(Exit::Success)
}

/// A whole run.
fn whole<'a>(store: &'a Store, asked: &str) -> Result<Side<'a>, Failure> {
    let side = side(store, asked)?;
    match &side.stage {
        None => Ok(side),
        Some(stage) => Err(fail(Exit::Usage, format!("`{asked}` names the stage `{stage}`: a page shows whole runs."))
            .hint("Leave out what follows the run's name.")),
    }
}
