//! Holds the sources against the table of layers in `src/lib.rs`, since one package has no crate walls.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use syn::visit::Visit;

/// What each room may import. `main` and `cli` join everything.
const ALLOWED: &[(&str, &[&str])] = &[
    ("hash", &[]),
    ("dag", &[]),
    ("fsio", &["hash"]),
    ("rng", &[]),
    ("syntax", &[]),
    ("stage", &["hash", "fsio"]),
    ("table", &["hash", "fsio"]),
    ("ml", &["hash", "fsio", "rng", "syntax"]),
    ("bench", &["fsio", "rng", "program", "ml"]),
    ("stats", &["rng"]),
    ("tensorboard", &[]),
    ("figure", &["table"]),
    ("page", &["hash", "fsio", "syntax", "table", "stats", "figure", "ml"]),
    ("program", &["fsio"]),
    ("store", &["hash", "fsio", "stage"]),
    ("pipeline", &["hash", "dag", "fsio", "syntax", "stage"]),
    ("engine", &["hash", "dag", "fsio", "syntax", "program", "stage", "store", "pipeline"]),
    (
        "results",
        &["hash", "fsio", "syntax", "stage", "store", "stats", "table", "page", "figure", "pipeline", "engine"],
    ),
    (
        "stages",
        &[
            "hash",
            "fsio",
            "syntax",
            "program",
            "stage",
            "stats",
            "table",
            "figure",
            "page",
            "ml",
            "tensorboard",
            "bench",
            "params",
        ],
    ),
];

/// Everything a file refers to by path, in `use` and inline.
#[derive(Default)]
struct Paths {
    paths: Vec<(usize, Vec<String>)>,
    unsafe_lines: Vec<usize>,
    /// Modules in files of their own that only tests build.
    test_files: Vec<String>,
}

pub(crate) fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|a| {
        a.path().is_ident("test")
            || (a.path().is_ident("cfg")
                && matches!(&a.meta, syn::Meta::List(list) if list.tokens.to_string() == "test"))
    })
}

impl Paths {
    fn tree(&mut self, tree: &syn::UseTree, prefix: &mut Vec<String>) {
        match tree {
            syn::UseTree::Path(path) => {
                prefix.push(path.ident.to_string());
                self.tree(&path.tree, prefix);
                prefix.pop();
            }
            syn::UseTree::Name(name) => self.leaf(name.ident.span(), prefix, name.ident.to_string()),
            syn::UseTree::Rename(name) => self.leaf(name.ident.span(), prefix, name.ident.to_string()),
            syn::UseTree::Glob(glob) => self.leaf(glob.star_token.spans[0], prefix, "*".to_owned()),
            syn::UseTree::Group(group) => group.items.iter().for_each(|item| self.tree(item, prefix)),
        }
    }

    fn leaf(&mut self, span: proc_macro2::Span, prefix: &[String], name: String) {
        let mut path = prefix.to_vec();
        path.push(name);
        self.paths.push((span.start().line, path));
    }
}

impl<'ast> Visit<'ast> for Paths {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        // Modules that only tests build may reach anywhere.
        if is_test(&module.attrs) {
            self.test_files.push(module.ident.to_string());
        } else {
            syn::visit::visit_item_mod(self, module);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.tree(&item.tree, &mut Vec::new());
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        let line = path.segments.first().map_or(0, |segment| segment.ident.span().start().line);
        self.paths.push((line, names));
        syn::visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, mac: &'ast syn::Macro) {
        // What a macro is given is tokens, not syntax; a path in it still reads `crate :: room`.
        let text = mac.tokens.to_string();
        for (at, _) in text.match_indices("crate :: ") {
            if text[..at].ends_with('$') || text[..at].ends_with("$ ") {
                continue;
            }
            let rest = &text[at + "crate :: ".len()..];
            let room: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            self.paths.push((0, vec!["crate".to_owned(), room]));
        }
        syn::visit::visit_macro(self, mac);
    }

    fn visit_expr_unsafe(&mut self, block: &'ast syn::ExprUnsafe) {
        self.unsafe_lines.push(block.unsafe_token.span.start().line);
        syn::visit::visit_expr_unsafe(self, block);
    }
}

/// Where a file's modules are: beside a `mod.rs`, `lib.rs` or `main.rs`, below any other.
pub(crate) fn children(file: &Path) -> PathBuf {
    let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let parent = file.parent().unwrap_or(file);
    if ["mod", "lib", "main"].contains(&stem) { parent.to_owned() } else { parent.join(stem) }
}

pub(crate) fn sources(dir: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

#[test]
fn each_room_imports_only_from_lower_ones() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let allowed: BTreeMap<&str, BTreeSet<&str>> =
        ALLOWED.iter().map(|(room, rooms)| (*room, rooms.iter().copied().collect())).collect();
    let mut files = Vec::new();
    sources(&root, &mut files);
    files.sort();
    let mut faults = Vec::new();
    let mut imports = 0;
    let parsed: Vec<Paths> = files
        .iter()
        .map(|file| {
            let mut paths = Paths::default();
            paths.visit_file(&syn::parse_file(&std::fs::read_to_string(file).unwrap()).unwrap());
            paths
        })
        .collect();
    let of_tests: BTreeSet<PathBuf> = files
        .iter()
        .zip(&parsed)
        .flat_map(|(file, paths)| paths.test_files.iter().map(|name| children(file).join(name)))
        .collect();
    for (file, paths) in files.iter().zip(&parsed) {
        if file.ancestors().any(|path| of_tests.contains(&path.with_extension(""))) {
            continue;
        }
        let relative = file.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
        let module: Vec<String> =
            relative.trim_end_matches(".rs").split('/').filter(|part| *part != "mod").map(str::to_owned).collect();
        let room = module[0].as_str();
        // What must be asked before Rust's own start has its place in `main`: one call, and nothing else.
        let calls = if relative == "main.rs" { 1 } else { 0 };
        for line in paths.unsafe_lines.iter().skip(calls) {
            if !["ml/cpu/", "ml/gpu/", "ml/ops/"].iter().any(|folder| relative.starts_with(folder)) {
                faults.push(format!("src/{relative}:{line}: unsafe code outside ml::cpu, ml::gpu and ml::ops"));
            }
        }
        for (line, path) in &paths.paths {
            if path.len() >= 2 && path[0] == "std" && path[1] == "fs" && room != "fsio" {
                faults.push(format!("src/{relative}:{line}: std::fs outside fsio"));
            }
            let Some(target) = room_of(path, &module) else { continue };
            imports += 1;
            let known = allowed.contains_key(target.as_str()) || ["params", "cli"].contains(&target.as_str());
            let lower = matches!(room, "main" | "cli" | "lib")
                || target == room
                || allowed.get(room).is_some_and(|rooms| rooms.contains(target.as_str()));
            if known && !lower {
                faults.push(format!("src/{relative}:{line}: `{room}` imports `{target}`"));
            }
        }
    }
    assert!(files.len() > 20 && imports > 100, "the test reads nothing: {} files, {imports} imports", files.len());
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The room that a path leads to: `crate::room::…`, or `super::…` climbing out of the own room. `module` is the
/// file's path of modules; `super` once from a room's root, or twice from a file in it, is the crate's root.
fn room_of(path: &[String], module: &[String]) -> Option<String> {
    let climbs = path.iter().take_while(|part| *part == "super").count();
    match path.first()?.as_str() {
        "crate" => path.get(1).cloned(),
        _ if climbs >= module.len() => path.get(climbs).cloned(),
        _ => None,
    }
}
