//! The one list of the kernels that a GPU runs. What is compiled for a GPU, what the emulation runs and what tests ask for
//! follow from it: a kernel that is added is added here, and to its source in the folder `kernels`.
//!
//! The build script reads this file too, so that it imports nothing.

/// A kernel, a function of CUDA C++.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kernel {
    /// Its name.
    pub name: &'static str,
    /// The file that has it, in the folder `kernels`.
    pub source: &'static str,
    /// Whether it takes activations: then it is compiled for each type of them, the second one as `NAME_bf16`.
    pub typed: bool,
}

macro_rules! kernels {
    ($($source:literal, typed: $typed:literal, [$($constant:ident = $name:literal),* $(,)?];)*) => {
        $($(
            #[doc = concat!("The kernel `", $name, "` of `", $source, "`.")]
            pub const $constant: Kernel = Kernel { name: $name, source: $source, typed: $typed };
        )*)*

        /// All kernels; those of one file are neighbours.
        pub const ALL: &[Kernel] = &[$($($constant),*),*];
    };
}

kernels! {
    "blend.cuh", typed: false, [
        BLEND_TERM = "blend_term",
        BLEND_FILTER = "blend_filter",
        BLEND_BY_PART = "blend_by_part",
        BLEND_BY_TERM = "blend_by_term",
        BLEND_BY_FACTORS = "blend_by_factors",
        BLEND_BY_SIGMA = "blend_by_sigma",
        INTERACTION = "interaction",
        INTERACTION_GRADIENT = "interaction_gradient",
    ];
    "elementwise.cuh", typed: false, [
        CHANNELS_LAST = "channels_last",
        SUM_PLANES = "sum_planes",
        ADD_PART = "add_part",
        ACCUMULATE = "accumulate",
        DESCEND = "descend",
    ];
    "fuse.cuh", typed: false, [
        MAXIMUM = "maximum",
        WINNERS = "winners",
        SHARE = "share",
        LOG_ADD = "log_add",
        MIRROR = "mirror",
    ];
    "loss.cuh", typed: false, [
        CROSS_ENTROPY = "cross_entropy",
        CROSS_ENTROPY_GRADIENT = "cross_entropy_gradient",
        LOG_SOFTMAX = "log_softmax",
        ARGMAX = "argmax",
    ];
    "norm.cuh", typed: false, [
        NORM_FOLD = "norm_fold",
        NORM_BY_GAMMA = "norm_by_gamma",
    ];
    "resize.cuh", typed: false, [
        BILINEAR = "bilinear",
        BILINEAR_GRADIENT = "bilinear_gradient",
    ];
    "conv.cuh", typed: true, [
        FRAME = "frame",
        UNFRAME = "unframe",
        ARRANGED = "arranged",
        RESTORED = "restored",
        EPILOGUE = "epilogue",
    ];
    "depthwise.cuh", typed: true, [
        DEPTHWISE = "depthwise",
        DEPTHWISE_PRODUCTS = "depthwise_products",
    ];
    "masked.cuh", typed: true, [
        COPY = "copy",
        MASKED = "masked",
        ADDED = "added",
        ROUNDED = "rounded",
        WIDENED = "widened",
        CHANNEL_SUMS = "channel_sums",
        SUM = "sum",
    ];
    "phases.cuh", typed: true, [
        MIX = "mix",
        MIX_PRODUCTS = "mix_products",
    ];
    "pool.cuh", typed: true, [
        MAX_POOL = "max_pool",
        MAX_POOL_GRADIENT = "max_pool_gradient",
    ];
}

/// The text of the one translation unit that has every kernel, to be compiled with the folder `kernels` among those of
/// headers: by NVIDIA's compiler, or, in tests, by the processor's.
pub fn translation_unit() -> String {
    let include = |typed: bool| {
        let mut sources: Vec<&str> =
            ALL.iter().filter(|kernel| kernel.typed == typed).map(|kernel| kernel.source).collect();
        sources.dedup();
        sources.into_iter().map(|source| format!("#include \"{source}\"\n")).collect::<String>()
    };
    let of_type = |real: &str, name: &str| {
        format!("#define REAL {real}\n#define TYPED(name) KERNEL {name}\n{}#undef REAL\n#undef TYPED\n", include(true))
    };
    format!("#include \"common.cuh\"\n{}{}{}", include(false), of_type("float", "name"), of_type("bf16", "name##_bf16"))
}

/// A line `MACRO(NAME)` for each compiled kernel, for the emulation to include.
pub fn entries(macro_name: &str) -> String {
    let names = ALL.iter().flat_map(|kernel| {
        let second = kernel.typed.then(|| format!("{}_bf16", kernel.name));
        [kernel.name.to_owned()].into_iter().chain(second)
    });
    names.map(|name| format!("{macro_name}({name})\n")).collect()
}
