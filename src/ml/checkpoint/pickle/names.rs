//! The names of Python that a pickle may hold. Every other name is refused.

/// Functions that rebuild tensors; their arguments are kept.
pub const REBUILD: [&str; 4] = [
    "torch._utils._rebuild_tensor",
    "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_tensor_v3",
    "torch._utils._rebuild_parameter",
];

/// Names that make a dictionary.
pub const DICTIONARIES: [&str; 3] = ["collections.OrderedDict", "builtins.dict", "__builtin__.dict"];

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

/// The element types of PyTorch, as its attributes.
const DTYPES: [&str; 14] = [
    "float32",
    "float64",
    "float16",
    "bfloat16",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "bool",
    "complex64",
];

/// Whether a name may stand in a pickle.
pub fn known(name: &str) -> bool {
    let storage = |rest: &str| {
        let class = ["cuda.", "storage."].iter().find_map(|part| rest.strip_prefix(part)).unwrap_or(rest);
        class.ends_with("Storage") && class.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    let torch = name.strip_prefix("torch.");
    REBUILD.contains(&name)
        || DICTIONARIES.contains(&name)
        || INERT.contains(&name)
        || torch.is_some_and(|rest| storage(rest) || DTYPES.contains(&rest))
}
