//! How a change changes what is stated.
//!
//! One rule, for profiles, for files that change what they include, for `--set` and for axes: a structure without a name
//! changes the fields that it states and leaves the others as they are; every other value replaces what was there.

use crate::syntax::{FieldTree, Form, NameIndex, Tree};

/// Changes `base` by `change`.
pub(super) fn merge(base: &mut Tree, change: Tree) {
    if let (Some(inner), Some((None, _))) = (base.some_mut(), change.structure()) {
        return merge(inner, change);
    }
    match (fields_mut(base), change) {
        (Some(fields), Tree { form: Form::Struct { name: None, fields: changed }, .. }) => {
            let mut index = NameIndex::default();
            for (field, value) in changed {
                match index.find(fields.len(), |at| Some(fields[at].0.text.as_str()), &field.text) {
                    Some(at) => merge(&mut fields[at].1, value),
                    None => fields.push((field, value)),
                }
            }
        }
        // `()` changes nothing.
        (Some(_), Tree { form: Form::Tuple { name: None, items }, .. }) if items.is_empty() => {}
        (_, change) => *base = change,
    }
}

/// The fields of a structure, which `Name`, `Name()` and `()` become as well; none for other forms.
pub(super) fn fields_mut(tree: &mut Tree) -> Option<&mut Vec<FieldTree>> {
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
