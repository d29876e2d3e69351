//! The names of Python that mean something here. Whatever another name would make is not made.

/// Functions that rebuild tensors; their arguments are kept.
pub const REBUILD: [&str; 7] = [
    "torch._utils._rebuild_tensor",
    "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_tensor_v3",
    "torch._utils._rebuild_parameter",
    "torch._utils._rebuild_parameter_with_state",
    "torch._tensor._rebuild_from_type",
    "torch._tensor._rebuild_from_type_v2",
];

/// Names that make a dictionary.
pub const DICTIONARIES: [&str; 5] =
    ["collections.OrderedDict", "collections.defaultdict", "collections.Counter", "builtins.dict", "__builtin__.dict"];

/// Names that make something beside the weights: sizes, devices, NumPy's scalars.
pub const INERT: [&str; 9] = [
    "torch.Size",
    "torch.device",
    "builtins.set",
    "__builtin__.set",
    "builtins.bytearray",
    "numpy.dtype",
    "numpy.core.multiarray.scalar",
    "numpy._core.multiarray.scalar",
    "_codecs.encode",
];

/// Whether a name means something here.
pub fn known(name: &str) -> bool {
    let storage = |rest: &str| {
        let class = ["cuda.", "storage."].iter().find_map(|part| rest.strip_prefix(part)).unwrap_or(rest);
        class.ends_with("Storage") && class.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    let torch = name.strip_prefix("torch.");
    REBUILD.contains(&name) || DICTIONARIES.contains(&name) || INERT.contains(&name) || torch.is_some_and(storage)
}
