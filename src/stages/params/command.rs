//! What a pipeline may state of an external program.

use std::collections::BTreeMap;

use crate::params;
use crate::stage::params::{FileRef, Ref};
use crate::stages::yields::ALL;

params! {
    /// Runs an external program. Its arguments may hold placeholders. `{in:NAME}` is the path of a copy of an input's
    /// output, which is a file or a folder. If the input has several outputs, name one of them, as
    /// `{in:table.summary}`. If the input is a stage with iterations, state the number too, as `{in:table[2].summary}`.
    /// `{root:NAME}` is the data root that an input's paths start from. `{file:NAME}`, `{out:NAME}` and `{param:NAME}`
    /// are a file, an output and a parameter. The stage runs again when an argument, an input, a file or a parameter
    /// changes, or when one of its tools prints something else. It also runs again when its program changes, if this is
    /// a file of the project. The stage knows of nothing else that the program reads. "Programs of your own" says what
    /// a program may do with its inputs and outputs.
    pub struct CommandParams {
        /// The program and its arguments. A name alone is looked for on the PATH. A relative path with a `/` starts
        /// from the folder of the pipeline's file. If a program is named by such a path, or by an absolute path into
        /// the project, its content is in the key. A missing program is an error when the run is planned.
        run: Vec<String>, where nonempty();
        /// The stages whose outputs are inputs.
        inputs: BTreeMap<String, Ref> = BTreeMap::new(),
            where to(&ALL);
        /// Files that are inputs, as a script.
        files: BTreeMap<String, FileRef> = BTreeMap::new();
        /// What the program makes: the name of each output, and its path in the program's folder.
        outputs: BTreeMap<String, String>;
        /// The values for `{param:NAME}`.
        parameters: BTreeMap<String, String> = BTreeMap::new();
        /// Environment variables to set. All others but PATH, HOME and TMPDIR are removed.
        env: BTreeMap<String, String> = BTreeMap::new();
        /// Programs whose versions enter the key. Each is stated with the arguments that make it print its version,
        /// as `{"python": ["python3", "--version"]}`. It is started when a run is planned, and again before the stage
        /// runs. It may print up to 4096 bytes within 30 seconds, and must end with exit code 0. `{param:NAME}` may
        /// stand here too.
        tools: BTreeMap<String, Vec<String>> = BTreeMap::new(), where since("0.1.0");
    }
}
