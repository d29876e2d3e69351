//! What programs put before the names of a network's tensors: where a training keeps it, and what wraps it.

/// The scopes that any table knows, beside its own. Each may stand before any name, one behind the other in any order.
pub const USUAL: [&str; 38] = [
    // Keys of the file that a training saved.
    "state_dict",
    "model_state_dict",
    "model_state",
    "network_state_dict",
    "net_state_dict",
    "model",
    "net",
    "network",
    "params",
    "weights",
    "checkpoint",
    // Averages of a training's weights.
    "ema",
    "model_ema",
    "ema_model",
    "params_ema",
    "state_dict_ema",
    "ema_state_dict",
    "averaged_model",
    // The two networks of a distillation.
    "teacher",
    "student",
    "encoder_q",
    "encoder_k",
    "base_encoder",
    "momentum_encoder",
    "target_encoder",
    "online_encoder",
    // Wrappers: data parallel, `torch.compile`, averages, Lightning, and the like.
    "module",
    "_orig_mod",
    "_forward_module",
    "_fsdp_wrapped_module",
    "base_model",
    "segmentation_model",
    // The part of a larger network.
    "backbone",
    "encoder",
    "body",
    "resnet",
    "feature_extractor",
    "trunk",
];

/// What programs put behind a name: NumPy's file of an array, the number of an output of TensorFlow's, and where TensorFlow 2
/// keeps the value of a variable.
const ENDINGS: [&str; 3] = [".npy", ":0", "/.ATTRIBUTES/VARIABLE_VALUE"];

/// A name without what may stand behind it.
pub fn without_ending(name: &str) -> &str {
    ENDINGS.iter().fold(name, |name, ending| name.strip_suffix(ending).unwrap_or(name))
}

/// The bytes of the scope that a name starts with, with what stands behind it: one of `own`, a usual one, or the number of an
/// item of a list.
pub fn length(name: &str, own: &[String]) -> Option<usize> {
    let is_scope = |scope: &str| name.strip_prefix(scope).is_some_and(|rest| rest.starts_with(['.', '/']));
    let named = own.iter().map(String::as_str).chain(USUAL).find(|scope| is_scope(scope));
    let digits = name.bytes().take_while(u8::is_ascii_digit).count();
    let numbered = || name.get(..digits).filter(|number| !number.is_empty() && is_scope(number));
    Some(named.or_else(numbered)?.len() + 1)
}

/// The scopes by which whole networks in one file differ: what all have in common at their end is of the network.
pub fn apart(scopes: &[&str]) -> Vec<String> {
    let mut parts: Vec<Vec<&str>> = scopes.iter().map(|scope| scope.split_inclusive(['.', '/']).collect()).collect();
    let bare = |part: &str| part.trim_end_matches(['.', '/']).to_owned();
    while let Some(Some(last)) = parts.first().map(|first| first.last().map(|part| bare(part))) {
        if !parts.iter().all(|scope| scope.last().is_some_and(|part| bare(part) == last)) {
            break;
        }
        parts.iter_mut().for_each(|scope| scope.truncate(scope.len() - 1));
    }
    parts.iter().map(|scope| scope.concat().trim_end_matches(['.', '/']).to_owned()).collect()
}

/// Whether a scope lies within another, or is that.
pub fn within(scope: &str, outer: &str) -> bool {
    scope.strip_prefix(outer).is_some_and(|rest| outer.is_empty() || rest.is_empty() || rest.starts_with(['.', '/']))
}

/// The parts of a scope.
pub fn depth(scope: &str) -> usize {
    scope.split(['.', '/']).filter(|part| !part.is_empty()).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_differ_by_what_their_scopes_do_not_share() {
        assert_eq!(apart(&["model.backbone", "ema.backbone"]), ["model", "ema"]);
        assert_eq!(apart(&["backbone", "ema.backbone"]), ["", "ema"]);
        assert_eq!(
            apart(&["state_dict.model", "state_dict.ema.module"]),
            ["state_dict.model", "state_dict.ema.module"]
        );
        assert_eq!(apart(&["0", "1"]), ["0", "1"]);
        assert!(within("ema.backbone", "ema") && within("ema", "ema") && within("a", ""));
        assert!(!within("ema_model", "ema") && !within("model", "model.net"));
    }

    #[test]
    fn scopes_are_whole_parts_of_names() {
        let cut = |name| length(name, &["base".to_owned()]);
        assert_eq!(cut("module.conv1.weight"), Some(7));
        assert_eq!(cut("base/conv1"), Some(5));
        assert_eq!(cut("12.conv1.weight"), Some(3));
        for name in ["modules.conv1", "module", "conv1.weight", "1x.conv", ""] {
            assert_eq!(cut(name), None, "{name}");
        }
    }
}
