//! Which device something happens on is asked in one file of `src/ml`, so that a new device, or a new operation, is one place
//! to look at. No other file may ask: not by the tensor library's methods, and not by a pattern of its types.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};

use crate::layers::{children, is_test, sources};

/// The file that asks.
const DISPATCH: &str = "ops/dispatch.rs";

/// Functions that say which device it is, the tensor library's and one that stood in many files once.
const FUNCTIONS: [&str; 6] = ["is_cpu", "is_cuda", "is_metal", "location", "same_device", "applies"];

/// Types with a variant for each device.
const TYPES: [&str; 3] = ["Device", "Storage", "DeviceLocation"];

/// The questions of a file, each with its line.
#[derive(Default)]
struct Questions {
    found: Vec<(usize, String)>,
    /// Modules in files of their own that only tests build.
    test_files: Vec<String>,
}

impl Questions {
    fn of(text: &str) -> Self {
        let mut questions = Questions::default();
        questions.visit_file(&syn::parse_file(text).unwrap());
        questions
    }

    fn ask(&mut self, at: &syn::Ident, what: String) {
        self.found.push((at.span().start().line, what));
    }

    /// A path in a pattern, or imported: one that ends with a variant of a device's type is a question.
    fn variant(&mut self, path: &syn::Path) {
        let mut last = path.segments.iter().rev().map(|segment| &segment.ident);
        if let (Some(variant), Some(of)) = (last.next(), last.next())
            && TYPES.iter().any(|name| of == name)
        {
            self.ask(variant, format!("a match on {of}::{variant}"));
        }
    }
}

impl<'ast> Visit<'ast> for Questions {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        if is_test(&module.attrs) {
            self.test_files.push(module.ident.to_string());
        } else {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        if FUNCTIONS.iter().any(|name| call.method == name) {
            self.ask(&call.method, format!("a call of {}", call.method));
        }
        visit::visit_expr_method_call(self, call);
    }

    fn visit_expr_path(&mut self, path: &'ast syn::ExprPath) {
        if let Some(last) = path.path.segments.last()
            && FUNCTIONS.iter().any(|name| last.ident == name)
        {
            self.ask(&last.ident, format!("the function {}", last.ident));
        }
        visit::visit_expr_path(self, path);
    }

    fn visit_pat(&mut self, pattern: &'ast syn::Pat) {
        match pattern {
            syn::Pat::TupleStruct(pattern) => self.variant(&pattern.path),
            syn::Pat::Struct(pattern) => self.variant(&pattern.path),
            syn::Pat::Path(pattern) => self.variant(&pattern.path),
            _ => {}
        }
        visit::visit_pat(self, pattern);
    }

    fn visit_use_path(&mut self, path: &'ast syn::UsePath) {
        if TYPES.iter().any(|name| path.ident == name) {
            self.ask(&path.ident, format!("an import of the variants of {}", path.ident));
        }
        visit::visit_use_path(self, path);
    }

    fn visit_macro(&mut self, mac: &'ast syn::Macro) {
        // What a macro is given is tokens, not syntax.
        let text = mac.tokens.to_string();
        let line = mac.path.segments[0].ident.clone();
        if mac.path.is_ident("matches") && TYPES.iter().any(|name| text.contains(&format!("{name} ::"))) {
            self.ask(&line, "a match on a device's type".to_owned());
        }
        for name in FUNCTIONS.iter().filter(|name| text.contains(&format!(". {name} ("))) {
            self.ask(&line, format!("a call of {name}"));
        }
        visit::visit_macro(self, mac);
    }
}

#[test]
fn one_file_asks_which_device_it_is() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ml");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let parsed: Vec<(PathBuf, Questions)> = files
        .into_iter()
        .map(|file| {
            let questions = Questions::of(&std::fs::read_to_string(&file).unwrap());
            (file, questions)
        })
        .collect();
    let of_tests: BTreeSet<PathBuf> = parsed
        .iter()
        .flat_map(|(file, questions)| questions.test_files.iter().map(|name| children(file).join(name)))
        .collect();
    let mut faults = Vec::new();
    let mut asked = 0;
    for (file, questions) in &parsed {
        if file.ancestors().any(|path| of_tests.contains(&path.with_extension(""))) {
            continue;
        }
        let name = file.strip_prefix(&root).unwrap().to_str().unwrap();
        if name == DISPATCH {
            asked = questions.found.len();
            continue;
        }
        faults.extend(questions.found.iter().map(|(line, what)| format!("src/ml/{name}:{line}: {what}")));
    }
    assert!(asked > 3 && parsed.len() > 50, "the test reads nothing: {asked} questions, {} files", parsed.len());
    assert!(faults.is_empty(), "only {DISPATCH} asks which device it is:\n{}", faults.join("\n"));
}

#[test]
fn every_way_to_ask_is_found() {
    let ways = [
        "fn f(t: &Tensor) -> bool { t.device().is_cpu() }",
        "fn f(t: &Tensor) -> bool { t.device().is_cuda() }",
        "fn f(all: &[Device]) -> bool { all.iter().any(Device::is_cuda) }",
        "fn f(d: &Device) -> bool { cuda::applies(d) }",
        "fn f(d: &Device) -> bool { match d { Device::Cpu => true, _ => false } }",
        "fn f(s: &Storage) { let candle_core::Storage::Cuda(_) = s else { return }; }",
        "fn f(s: &Storage) -> bool { if let Storage::Cpu(_) = s { true } else { false } }",
        "fn f(d: &Device) -> bool { matches!(d, Device::Cuda(_)) }",
        "fn f(d: &Device) { assert!(d.is_cpu()); }",
        "use candle_core::Device::Cpu;",
        "fn f(d: &Device) -> bool { d.same_device(&Device::Cpu) }",
    ];
    for way in ways {
        assert_eq!(Questions::of(way).found.len(), 1, "{way}");
    }
    let sound = "use candle_core::{Device, Storage};\nfn f(x: &Tensor) -> Result<Tensor> { Ok(x.to_device(&Device::Cpu)?) }\n\
                 #[cfg(test)]\nmod tests { fn f(d: &Device) -> bool { d.is_cpu() } }";
    assert!(Questions::of(sound).found.is_empty());
}
