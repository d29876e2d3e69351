//! Holds the sources free of circles: no file of `src` uses itself through others.
//!
//! Each file is a node. An edge leads to every file that *defines* what a path names; re-exports are looked through. A
//! `mod.rs` that only declares and re-exports defines nothing, so no edge leads to it. Code that only tests build does
//! not count. There is no list of exceptions.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use syn::visit::Visit;

/// The names that were looked up on the way, by module: two `*` may lead to each other.
type Seen = BTreeSet<(usize, String)>;

/// A module: a file of its own, or a block in one.
#[derive(Default)]
struct Module {
    file: usize,
    /// Its modules by name.
    children: BTreeMap<String, usize>,
    parent: Option<usize>,
    /// The names that its own code defines.
    items: BTreeSet<String>,
    /// What a name stands for: the path of a `use`, as written.
    imports: BTreeMap<String, Vec<String>>,
    globs: Vec<Vec<String>>,
    /// The paths that its code names, with their lines.
    paths: Vec<(usize, Vec<String>)>,
}

/// All modules of a crate.
#[derive(Default)]
struct House {
    files: Vec<String>,
    modules: Vec<Module>,
    /// Macros that are seen from the crate's root.
    exported: BTreeMap<String, usize>,
}

/// Reads the code of one module.
struct Reader<'a> {
    house: &'a mut House,
    module: usize,
    /// The blocks `mod name { … }` and the declarations `mod name;` that were found.
    declared: Vec<String>,
    tests: Vec<String>,
}

/// Whether only tests build what has these attributes.
fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let syn::Meta::List(list) = &attribute.meta else { return attribute.path().is_ident("test") };
        let text = list.tokens.to_string();
        attribute.path().is_ident("cfg")
            && (text == "test"
                || (text.starts_with("all") && text.contains("test") && !text.contains("not") && !text.contains("any")))
    })
}

fn name_of(item: &syn::Item) -> Option<String> {
    Some(match item {
        syn::Item::Const(item) => item.ident.to_string(),
        syn::Item::Enum(item) => item.ident.to_string(),
        syn::Item::Fn(item) => item.sig.ident.to_string(),
        syn::Item::Static(item) => item.ident.to_string(),
        syn::Item::Struct(item) => item.ident.to_string(),
        syn::Item::Trait(item) => item.ident.to_string(),
        syn::Item::Type(item) => item.ident.to_string(),
        syn::Item::Union(item) => item.ident.to_string(),
        syn::Item::Macro(item) => item.ident.as_ref()?.to_string(),
        _ => return None,
    })
}

fn attributes(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Const(item) => &item.attrs,
        syn::Item::Enum(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Macro(item) => &item.attrs,
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Static(item) => &item.attrs,
        syn::Item::Struct(item) => &item.attrs,
        syn::Item::Trait(item) => &item.attrs,
        syn::Item::Type(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// The names in the tokens of a macro: `a :: b` is a path, and what follows `struct` or alike is defined there.
fn tokens(stream: proc_macro2::TokenStream, paths: &mut Vec<(usize, Vec<String>)>, items: &mut BTreeSet<String>) {
    use proc_macro2::TokenTree;
    let all: Vec<TokenTree> = stream.into_iter().collect();
    let mut at = 0;
    while at < all.len() {
        match &all[at] {
            TokenTree::Group(group) => tokens(group.stream(), paths, items),
            TokenTree::Ident(first) => {
                let line = first.span().start().line;
                let mut path = vec![first.to_string()];
                let colon = |at: usize| matches!(all.get(at), Some(TokenTree::Punct(p)) if p.as_char() == ':');
                while colon(at + 1) && colon(at + 2) {
                    let Some(TokenTree::Ident(next)) = all.get(at + 3) else { break };
                    path.push(next.to_string());
                    at += 3;
                }
                let word = path[0].as_str();
                if ["struct", "enum", "fn", "const", "static", "type", "trait"].contains(&word)
                    && let Some(TokenTree::Ident(name)) = all.get(at + 1)
                {
                    items.insert(name.to_string());
                }
                paths.push((line, path));
            }
            _ => {}
        }
        at += 1;
    }
}

impl Reader<'_> {
    fn here(&mut self) -> &mut Module {
        &mut self.house.modules[self.module]
    }

    fn tree(&mut self, tree: &syn::UseTree, prefix: &mut Vec<String>) {
        let (ident, name) = match tree {
            syn::UseTree::Path(path) => {
                prefix.push(path.ident.to_string());
                self.tree(&path.tree, prefix);
                prefix.pop();
                return;
            }
            syn::UseTree::Group(group) => return group.items.iter().for_each(|item| self.tree(item, prefix)),
            syn::UseTree::Glob(glob) => {
                let line = glob.star_token.spans[0].start().line;
                let mut path = prefix.clone();
                self.here().globs.push(path.clone());
                path.push("*".to_owned());
                return self.here().paths.push((line, path));
            }
            syn::UseTree::Name(name) => (&name.ident, &name.ident),
            syn::UseTree::Rename(rename) => (&rename.ident, &rename.rename),
        };
        let mut path = prefix.clone();
        let mut stands = name.to_string();
        if ident == "self" {
            stands = if name == "self" { path.last().cloned().unwrap_or_default() } else { stands };
        } else {
            path.push(ident.to_string());
        }
        let line = ident.span().start().line;
        self.here().paths.push((line, path.clone()));
        self.here().imports.insert(stands, path);
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if is_test(attributes(item)) {
            if let syn::Item::Mod(module) = item {
                self.tests.push(module.ident.to_string());
            }
            return;
        }
        if let Some(name) = name_of(item) {
            if matches!(item, syn::Item::Macro(_)) {
                let module = self.module;
                self.house.exported.insert(name.clone(), module);
            }
            self.here().items.insert(name);
        }
        syn::visit::visit_item(self, item);
    }

    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        let name = module.ident.to_string();
        let Some((_, items)) = &module.content else { return self.declared.push(name) };
        let (parent, file) = (self.module, self.here().file);
        let child = self.house.modules.len();
        self.house.modules.push(Module { file, parent: Some(parent), ..Module::default() });
        self.here().children.insert(name, child);
        self.module = child;
        items.iter().for_each(|item| self.visit_item(item));
        self.module = parent;
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.tree(&item.tree, &mut Vec::new());
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if !is_test(&item.attrs) {
            syn::visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        let line = path.segments.first().map_or(0, |segment| segment.ident.span().start().line);
        self.here().paths.push((line, names));
        syn::visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, mac: &'ast syn::Macro) {
        let here = &mut self.house.modules[self.module];
        tokens(mac.tokens.clone(), &mut here.paths, &mut here.items);
        syn::visit::visit_macro(self, mac);
    }

    fn visit_attribute(&mut self, _: &'ast syn::Attribute) {}
}

impl House {
    /// Reads a crate from its files, by path below `src`; `lib.rs` is its root.
    fn read(files: &BTreeMap<String, String>) -> Self {
        let mut house = House::default();
        let root = house.file(files, "lib.rs", None, "").expect("there is a lib.rs");
        assert_eq!(root, 0);
        house
    }

    /// Reads one file and those that it declares. `folder` is where its modules lie.
    fn file(
        &mut self,
        files: &BTreeMap<String, String>,
        path: &str,
        parent: Option<usize>,
        folder: &str,
    ) -> Option<usize> {
        let parsed = syn::parse_file(files.get(path)?).unwrap_or_else(|error| panic!("{path}: {error}"));
        let module = self.modules.len();
        self.modules.push(Module { file: self.files.len(), parent, ..Module::default() });
        self.files.push(path.to_owned());
        let mut reader = Reader { house: self, module, declared: Vec::new(), tests: Vec::new() };
        parsed.items.iter().for_each(|item| reader.visit_item(item));
        for name in std::mem::take(&mut reader.declared) {
            let below = format!("{folder}{name}/");
            let child = self
                .file(files, &format!("{folder}{name}.rs"), Some(module), &below)
                .or_else(|| self.file(files, &format!("{below}mod.rs"), Some(module), &below));
            if let Some(child) = child {
                self.modules[module].children.insert(name, child);
            }
        }
        Some(module)
    }

    /// The module that defines what `path`, read in `module`, names; none where that is outside the crate.
    fn definer(&self, module: usize, path: &[String], seen: &mut Seen) -> Option<usize> {
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => self.member(0, rest, seen),
            "self" => self.member(module, rest, seen),
            "super" => self.definer_from(self.modules[module].parent?, rest, seen),
            "Self" => None,
            _ => self.member(module, path, seen),
        }
    }

    fn definer_from(&self, module: usize, path: &[String], seen: &mut Seen) -> Option<usize> {
        if path.first().is_some_and(|name| name == "super") {
            return self.definer(module, path, seen);
        }
        self.member(module, path, seen)
    }

    /// As `definer`, for the path of a `use`: its first name is a module, or another `use` has brought it; it comes through
    /// no `*`.
    fn imported(&self, module: usize, path: &[String], seen: &mut Seen) -> Option<usize> {
        let here = &self.modules[module];
        let first = path.first()?;
        let known = ["crate", "self", "super"].contains(&first.as_str())
            || here.children.contains_key(first)
            || here.imports.contains_key(first)
            || here.items.contains(first);
        if known { self.definer(module, path, seen) } else { None }
    }

    /// The module that defines the member `path` of `module`. A module itself is no member that anybody defines.
    fn member(&self, module: usize, path: &[String], seen: &mut Seen) -> Option<usize> {
        let (first, rest) = path.split_first()?;
        if !seen.insert((module, path.join("::"))) {
            return None;
        }
        let here = &self.modules[module];
        if let Some(child) = here.children.get(first) {
            return self.member(*child, rest, seen);
        }
        if here.items.contains(first) {
            return Some(module);
        }
        if let Some(import) = here.imports.get(first) {
            // `use png::png` names something outside the crate: the name would lead to itself.
            let whole: Vec<String> = import.iter().chain(rest).cloned().collect();
            return if import.first() == Some(first) { None } else { self.imported(module, &whole, seen) };
        }
        if module == 0
            && let Some(exported) = self.exported.get(first)
        {
            return Some(*exported);
        }
        here.globs.iter().find_map(|glob| {
            let whole: Vec<String> = glob.iter().chain(path).cloned().collect();
            self.imported(module, &whole, seen)
        })
    }

    /// Who uses whom, each with the first place.
    fn edges(&self) -> BTreeMap<usize, BTreeMap<usize, String>> {
        let mut edges: BTreeMap<usize, BTreeMap<usize, String>> = BTreeMap::new();
        for (index, module) in self.modules.iter().enumerate() {
            for (line, path) in &module.paths {
                let Some(definer) = self.definer(index, path, &mut Seen::new()) else { continue };
                let (from, to) = (module.file, self.modules[definer].file);
                if from != to && !self.only_re_exports(from) {
                    let place = format!("src/{}:{line}: {}", self.files[from], path.join("::"));
                    edges.entry(from).or_default().entry(to).or_insert(place);
                }
            }
        }
        edges
    }

    fn only_re_exports(&self, file: usize) -> bool {
        let mut modules = self.modules.iter().filter(|module| module.file == file);
        (self.files[file].ends_with("mod.rs") || self.files[file] == "lib.rs")
            && modules.all(|module| module.items.is_empty())
    }

    /// The circles: the files of each, with the places that close it.
    fn circles(&self) -> Vec<String> {
        let edges = self.edges();
        let none = BTreeMap::new();
        let reach = |from: usize| {
            let (mut seen, mut stack) = (BTreeSet::new(), vec![from]);
            while let Some(file) = stack.pop() {
                stack.extend(edges.get(&file).unwrap_or(&none).keys().copied().filter(|to| seen.insert(*to)));
            }
            seen
        };
        let reached: Vec<BTreeSet<usize>> = (0..self.files.len()).map(reach).collect();
        let mut told = BTreeSet::new();
        let mut circles = Vec::new();
        for file in 0..self.files.len() {
            if !reached[file].contains(&file) || !told.insert(file) {
                continue;
            }
            let members: BTreeSet<usize> =
                reached[file].iter().copied().filter(|other| reached[*other].contains(&file)).collect();
            told.extend(&members);
            let places = members.iter().flat_map(|from| {
                let to = edges.get(from).unwrap_or(&none).iter().filter(|(to, _)| members.contains(to));
                to.map(|(to, place)| format!("  {place} is of src/{}", self.files[*to])).collect::<Vec<_>>()
            });
            circles.push(format!("{} files in a circle:\n{}", members.len(), places.collect::<Vec<_>>().join("\n")));
        }
        circles
    }
}

fn sources(root: &Path, below: &Path, out: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(below).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(root, &path, out);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            out.insert(name, std::fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn no_file_is_in_a_circle() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = BTreeMap::new();
    sources(&root, &root, &mut files);
    let house = House::read(&files);
    let edges: usize = house.edges().values().map(BTreeMap::len).sum();
    assert!(
        house.files.len() > 200 && edges > 600,
        "the test reads nothing: {} files, {edges} edges",
        house.files.len()
    );
    let circles = house.circles();
    assert!(circles.is_empty(), "{}", circles.join("\n"));
}

#[test]
fn planted_circles_are_found() {
    let circles = |files: &[(&str, &str)]| {
        let files = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
        House::read(&files).circles()
    };
    let root = ("lib.rs", "mod a; mod b;");
    let found = |a: &str, b: &str| circles(&[root, ("a.rs", a), ("b.rs", b)]).len();
    assert_eq!(found("use crate::b::B; pub struct A;", "pub struct B;"), 0);
    assert_eq!(found("use crate::b::B; pub struct A;", "pub struct B(crate::a::A);"), 1, "an inline path");
    assert_eq!(found("use super::b; pub struct A(b::B);", "use crate::a::A; pub struct B;"), 1, "through a module");
    assert_eq!(found("use crate::b::*; pub struct A(B);", "use crate::a::A; pub struct B;"), 1, "through `*`");
    assert_eq!(found("use crate::b::B; pub struct A;", "m! { f(crate::a::A) } pub struct B;"), 1, "in a macro");
    assert_eq!(found("use crate::b::B; pub struct A;", "#[cfg(test)] mod t { use crate::a::A; } pub struct B;"), 0);
    let re_exported = [
        ("lib.rs", "mod room;"),
        ("room/mod.rs", "mod a; mod b; pub use a::A; pub use b::B;"),
        ("room/a.rs", "use super::B; pub struct A;"),
        ("room/b.rs", "use super::A; pub struct B;"),
    ];
    assert_eq!(circles(&re_exported).len(), 1, "through a re-export");
    let with_code = [
        ("lib.rs", "mod room;"),
        ("room/mod.rs", "mod a; pub use a::A; pub struct Room;"),
        ("room/a.rs", "use super::Room; pub struct A;"),
    ];
    let told = circles(&with_code);
    assert!(told.len() == 1 && told[0].contains("src/room/a.rs:1: super::Room"), "{told:?}");
}
