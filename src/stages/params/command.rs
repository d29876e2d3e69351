//! What a pipeline may state of an external program.

use std::collections::BTreeMap;

use crate::params;
use crate::stage::params::{FileRef, Ref};
use crate::stages::yields::ALL;

params! {
    /// Runs an external program. Its arguments may hold `{in:NAME}` (the path of a copy of an input's output, a folder
    /// where it has several files: `{in:table}`, `{in:table.summary}`, or `{in:table[2].summary}` of a stage with
    /// iterations), `{root:NAME}` (the data root that an input's paths are relative to), `{file:NAME}`, `{out:NAME}` and
    /// `{param:NAME}`. The stage runs again when an argument, an input, a file or a parameter changes, the program where it
    /// is a file of the project, or what one of its tools says; what else the program reads, nobody knows. What it may do
    /// with its inputs and outputs is told under "Programs of your own".
    pub struct CommandParams {
        /// The program and its arguments. A name alone is looked for on the PATH. A relative path with a `/` starts from the
        /// folder of the pipeline's file. The content of a program that is named so, or by a path into the project, enters
        /// the key. Whether the program is there is seen when the run is planned.
        run: Vec<String>, where nonempty();
        /// Stages whose outputs are inputs.
        inputs: BTreeMap<String, Ref> = BTreeMap::new(),
            where to(&ALL);
        /// Files that are inputs, as the script itself.
        files: BTreeMap<String, FileRef> = BTreeMap::new();
        /// What the program makes: names of outputs, and their paths in its folder.
        outputs: BTreeMap<String, String>;
        /// Values for `{param:NAME}`.
        parameters: BTreeMap<String, String> = BTreeMap::new();
        /// Environment variables to set. All others but PATH, HOME and TMPDIR are removed.
        env: BTreeMap<String, String> = BTreeMap::new();
        /// Programs whose version enters the key, each with the arguments that let it print that, as
        /// `{"python": ["python3", "--version"]}`. They are started when a run is planned, and again before the stage
        /// runs. They may print up to 4096 bytes within 30 seconds, and must end with 0. `{param:NAME}` may stand here too.
        tools: BTreeMap<String, Vec<String>> = BTreeMap::new(), where since("0.1.0");
    }
}
