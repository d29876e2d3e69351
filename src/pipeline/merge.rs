//! How a change changes what is stated.
//!
//! One rule, for profiles, for files that change what they include, for `--set` and for axes: a structure without a name
//! changes the fields that it states, or the entries of a map, and leaves the others as they are. Every other value
//! replaces what was there.

use crate::syntax::{FieldTree, Form, NameIndex, Tree, Word};

/// Changes `base` by `change`.
pub(super) fn merge(base: &mut Tree, change: Tree) {
    if let (Some(inner), Some((None, _))) = (base.some_mut(), change.structure()) {
        return merge(inner, change);
    }
    let changed = match change.form {
        Form::Struct { name: None, fields } => fields,
        // `()` changes nothing.
        Form::Tuple { name: None, items } if items.is_empty() => Vec::new(),
        form => return *base = Tree { form, ..change },
    };
    let mut index = NameIndex::default();
    if let Form::Map(entries) = &mut base.form {
        for (word, value) in changed {
            match index.find(entries.len(), |at| entries[at].0.text(), &word.text) {
                Some(at) => merge(&mut entries[at].1, value),
                None => entries.push((map_key(word), value)),
            }
        }
    } else if let Some(fields) = fields_mut(base) {
        for (word, value) in changed {
            match index.find(fields.len(), |at| Some(fields[at].0.text.as_str()), &word.text) {
                Some(at) => merge(&mut fields[at].1, value),
                None => fields.push((word, value)),
            }
        }
    } else {
        *base = Tree { span: change.span, form: Form::Struct { name: None, fields: changed } };
    }
}

/// The key of a map that a word is.
pub(super) fn map_key(word: Word) -> Tree {
    Tree { span: word.span, form: Form::Str(word.text) }
}

/// The fields of a structure, which `Name`, `Name()`, `Name(value)` and `()` become as well; none for other forms.
pub(super) fn fields_mut(tree: &mut Tree) -> Option<&mut Vec<FieldTree>> {
    if let Form::Tuple { name: name @ Some(_), items } = &mut tree.form
        && let [first] = &items[..]
        && name.as_ref().is_some_and(|name| name.text != "Some")
    {
        let fields = vec![(Word::unnamed(first), first.clone())];
        tree.form = Form::Struct { name: name.take(), fields };
    }
    let name = match &mut tree.form {
        Form::Struct { .. } => None,
        Form::Word(word) if word.text != "None" => Some(Some(word.clone())),
        Form::Tuple { name, items } if items.is_empty() => Some(name.take()),
        _ => return None,
    };
    if let Some(name) = name {
        tree.form = Form::Struct { name, fields: Vec::new() };
    }
    match &mut tree.form {
        Form::Struct { fields, .. } => Some(fields),
        _ => None,
    }
}
