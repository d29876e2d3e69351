//! Typed parameters: one declaration gives the Rust type, its schema and both conversions.

use std::collections::BTreeMap;

use super::schema::{Bounds, Type};
use super::value::Value;

/// A Rust type that parameters have.
pub trait Param: Sized {
    /// The schema.
    fn ty() -> Type;
    /// Reads a value that passed [`Param::ty`]; none where it did not.
    fn read(value: &Value) -> Option<Self>;
    /// The value as a pipeline would state it.
    fn write(&self) -> Value;
}

/// A reference to a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ref(pub String);

/// A reference to all cells of a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CellsRef(pub String);

impl Param for CellsRef {
    fn ty() -> Type {
        Type::Cells(Vec::new())
    }
    fn read(value: &Value) -> Option<Self> {
        let Value::List(items) = value else { return None };
        if let [Value::Ref(text)] = &items[..] { Some(CellsRef(text.clone())) } else { None }
    }
    fn write(&self) -> Value {
        Value::List(vec![Value::Ref(self.0.clone())])
    }
}

/// A file whose content is an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRef(pub String);

impl Param for bool {
    fn ty() -> Type {
        Type::Bool
    }
    fn read(value: &Value) -> Option<Self> {
        if let Value::Bool(value) = value { Some(*value) } else { None }
    }
    fn write(&self) -> Value {
        Value::Bool(*self)
    }
}

macro_rules! integers {
    ($($int:ty),*) => {$(
        impl Param for $int {
            fn ty() -> Type {
                Type::Int {
                    min: i64::try_from(<$int>::MIN).unwrap_or(i64::MIN),
                    max: i64::try_from(<$int>::MAX).unwrap_or(i64::MAX),
                }
            }
            fn read(value: &Value) -> Option<Self> {
                if let Value::Int(value) = value { <$int>::try_from(*value).ok() } else { None }
            }
            fn write(&self) -> Value {
                // Values beyond i64 cannot be stated in a pipeline, so none is ever read.
                Value::Int(i64::try_from(*self).unwrap_or(i64::MAX))
            }
        }
    )*};
}
integers!(i64, u8, u32, u64, usize);

impl Param for f64 {
    fn ty() -> Type {
        Type::Float(Bounds::ANY)
    }
    fn read(value: &Value) -> Option<Self> {
        match value {
            Value::Float(value) => Some(*value),
            Value::Int(value) => Some(*value as f64),
            _ => None,
        }
    }
    fn write(&self) -> Value {
        Value::Float(*self)
    }
}

macro_rules! texts {
    ($($text:ty, $value:ident, $make:expr, $get:expr;)*) => {$(
        impl Param for $text {
            fn ty() -> Type {
                texts!(@type $value)
            }
            fn read(value: &Value) -> Option<Self> {
                if let Value::$value(text) = value { Some($make(text.clone())) } else { None }
            }
            fn write(&self) -> Value {
                Value::$value($get(self).clone())
            }
        }
    )*};
    (@type Str) => { Type::Str };
    (@type Ref) => { Type::Ref(Vec::new()) };
    (@type File) => { Type::File };
}
texts! {
    String, Str, |text| text, |text: &String| text.clone();
    Ref, Ref, Ref, |text: &Ref| text.0.clone();
    FileRef, File, FileRef, |text: &FileRef| text.0.clone();
}

impl<T: Param> Param for Option<T> {
    fn ty() -> Type {
        Type::Option(Box::new(T::ty()))
    }
    fn read(value: &Value) -> Option<Self> {
        match value {
            Value::Option(None) => Some(None),
            Value::Option(Some(value)) => T::read(value).map(Some),
            _ => None,
        }
    }
    fn write(&self) -> Value {
        Value::Option(self.as_ref().map(|value| Box::new(value.write())))
    }
}

impl<T: Param> Param for Vec<T> {
    fn ty() -> Type {
        Type::List { item: Box::new(T::ty()), min: 0 }
    }
    fn read(value: &Value) -> Option<Self> {
        if let Value::List(items) = value { items.iter().map(T::read).collect() } else { None }
    }
    fn write(&self) -> Value {
        Value::List(self.iter().map(T::write).collect())
    }
}

impl<T: Param> Param for BTreeMap<String, T> {
    fn ty() -> Type {
        Type::Map(Box::new(T::ty()))
    }
    fn read(value: &Value) -> Option<Self> {
        let Value::Map(map) = value else { return None };
        map.iter().map(|(key, value)| Some((key.clone(), T::read(value)?))).collect()
    }
    fn write(&self) -> Value {
        Value::Map(self.iter().map(|(key, value)| (key.clone(), value.write())).collect())
    }
}

macro_rules! tuples {
    ($($name:ident $at:tt),+) => {
        impl<$($name: Param),+> Param for ($($name,)+) {
            fn ty() -> Type {
                Type::Tuple(vec![$($name::ty()),+])
            }
            fn read(value: &Value) -> Option<Self> {
                let Value::Tuple(items) = value else { return None };
                Some(($($name::read(items.get($at)?)?,)+))
            }
            fn write(&self) -> Value {
                Value::Tuple(vec![$(self.$at.write()),+])
            }
        }
    };
}
tuples!(A 0, B 1);
tuples!(A 0, B 1, C 2);

/// Declares a structure or an enum of parameters: `field: type = default, where bounds;`. Documentation
/// comments become the documentation of the schema; what stands after `where` is a chain of
/// [`Field`](super::Field)'s methods.
///
/// ```
/// repro::params! {
///     /// Stochastic gradient descent.
///     pub struct Sgd {
///         /// The base learning rate.
///         lr: f64 = 2e-3, where above(0.0);
///         /// Momentum.
///         momentum: f64 = 0.9, where min(0.0).below(1.0);
///         /// Updates.
///         steps: u32, where min(1.0).unit("updates");
///     }
/// }
/// use repro::stage::{Param, Type};
/// assert!(matches!(Sgd::ty(), Type::Struct(s) if s.fields.len() == 3));
/// ```
#[macro_export]
macro_rules! params {
    (
        $(#[doc = $doc:literal])*
        $vis:vis struct $name:ident {
            $( $(#[doc = $fdoc:literal])* $field:ident : $ty:ty $(= $default:expr)? $(, where $($rule:ident ($($arg:expr),*)).+)? ; )*
        }
        $($rest:tt)*
    ) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone, PartialEq)]
        $vis struct $name { $( $(#[doc = $fdoc])* pub $field: $ty, )* }

        impl $crate::stage::Param for $name {
            fn ty() -> $crate::stage::Type {
                $crate::stage::Type::Struct($crate::stage::schema::Structure {
                    name: stringify!($name),
                    doc: concat!($($doc,)*).trim_ascii(),
                    fields: vec![$($crate::params!(@field [$($fdoc)*] $field $ty [$($default)?] [$($($rule ($($arg),*))+)?])),*],
                })
            }
            fn read(value: &$crate::stage::Value) -> Option<Self> {
                Some($name { $($field: $crate::stage::Param::read(value.field(stringify!($field))?)?,)* })
            }
            fn write(&self) -> $crate::stage::Value {
                $crate::stage::Value::record(
                    stringify!($name),
                    [$((stringify!($field), $crate::stage::Param::write(&self.$field)),)*],
                )
            }
        }
        $crate::params! { $($rest)* }
    };
    (
        $(#[doc = $doc:literal])*
        $vis:vis enum $name:ident {
            $( $(#[doc = $vdoc:literal])* $variant:ident {
                $( $(#[doc = $fdoc:literal])* $field:ident : $ty:ty $(= $default:expr)? $(, where $($rule:ident ($($arg:expr),*)).+)? ; )*
            } )*
        }
        $($rest:tt)*
    ) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone, PartialEq)]
        $vis enum $name { $( $(#[doc = $vdoc])* $variant { $( $(#[doc = $fdoc])* $field: $ty, )* }, )* }

        impl $crate::stage::Param for $name {
            fn ty() -> $crate::stage::Type {
                $crate::stage::Type::Enum($crate::stage::schema::Enumeration {
                    name: stringify!($name),
                    doc: concat!($($doc,)*).trim_ascii(),
                    variants: vec![$($crate::stage::Variant {
                        name: stringify!($variant),
                        doc: concat!($($vdoc,)*).trim_ascii(),
                        fields: vec![$($crate::params!(@field [$($fdoc)*] $field $ty [$($default)?] [$($($rule ($($arg),*))+)?])),*],
                    },)*],
                })
            }
            fn read(value: &$crate::stage::Value) -> Option<Self> {
                let $crate::stage::Value::Struct(record) = value else { return None };
                match record.name.as_str() {
                    $(stringify!($variant) => Some($name::$variant {
                        $($field: $crate::stage::Param::read(record.fields.get(stringify!($field))?)?,)*
                    }),)*
                    _ => None,
                }
            }
            fn write(&self) -> $crate::stage::Value {
                match self {
                    $($name::$variant { $($field,)* } => $crate::stage::Value::record(
                        stringify!($variant),
                        [$((stringify!($field), $crate::stage::Param::write($field)),)*],
                    ),)*
                }
            }
        }
        $crate::params! { $($rest)* }
    };
    (@field [$($doc:literal)*] $field:ident $ty:ty [$($default:expr)?] [$($rule:ident ($($arg:expr),*))*]) => {
        $crate::stage::Field::new(
            stringify!($field),
            concat!($($doc,)*),
            <$ty as $crate::stage::Param>::ty(),
        )
        $(.default(<$ty as $crate::stage::Param>::write(&$default)))?
        $(.$rule($($arg),*))*
    };
    () => {};
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::output::{Bare, Yield};

    const DATASET: Yield = Yield { name: "dataset", bare: Bare::Last, outputs: &[] };

    params! {
        /// How fast.
        enum Schedule {
            /// Polynomial decay.
            Poly {
                /// The exponent.
                power: f64 = 0.9, where above(0.0);
            }
            /// No decay.
            Constant {}
        }

        /// A stage.
        struct Example {
            /// Data.
            data: Ref, where to(&[DATASET]);
            /// Updates.
            steps: u32 = 20, where min(1.0).unit("updates");
            /// Size.
            crop: (u32, u32) = (321, 321), where min(1.0);
            /// How fast.
            schedule: Schedule = Schedule::Poly { power: 0.9 };
            /// A seed, or none.
            seed: Option<u64> = None, where unkeyed();
        }

        /// A stage of a later version.
        struct Later {
            /// Updates.
            steps: u32 = 20;
            /// How fast.
            schedule: Newer = Newer { power: 0.0, nice: 0 };
            /// What is to be asked.
            tools: BTreeMap<String, Vec<String>> = BTreeMap::new(), where since("0.2.0");
            /// A structure.
            inner: Newer = Newer { power: 1.0, nice: 0 }, where since("0.2.0");
        }

        /// A structure with a field of a later version.
        struct Newer {
            /// The exponent.
            power: f64 = 0.0, where since("0.2.0");
            /// How it is run.
            nice: u32 = 0, where unkeyed();
        }
    }

    #[test]
    fn one_declaration_gives_schema_and_conversions() {
        let Type::Struct(structure) = Example::ty() else { panic!("not a structure") };
        assert_eq!(structure.doc, "A stage.");
        assert_eq!(structure.fields[0].ty, Type::Ref(vec!["dataset"]));
        assert_eq!(structure.fields[1].ty.describe(), "an integer from 1 to 4294967295");
        assert_eq!(structure.fields[1].unit, "updates");
        let example =
            Example { data: Ref("voc".into()), steps: 5, crop: (3, 4), schedule: Schedule::Constant {}, seed: Some(7) };
        let value = example.write();
        assert_eq!(Example::read(&value), Some(example));
        let identity = Example::ty().identity(&value);
        assert_eq!(identity.field("seed"), None, "an unkeyed field enters no identity");
        assert_eq!(identity.field("steps"), Some(&Value::Int(5)));
    }

    #[test]
    fn a_field_of_a_later_version_enters_no_identity_at_its_default() {
        let plain = || Later {
            steps: 20,
            schedule: Newer { power: 0.0, nice: 0 },
            tools: BTreeMap::new(),
            inner: Newer { power: 1.0, nice: 0 },
        };
        let fields = |later: Later| -> Vec<String> {
            let Value::Struct(record) = Later::ty().identity(&later.write()) else { panic!("no structure") };
            record.fields.iter().map(|(name, value)| format!("{name}: {value}")).collect()
        };
        assert_eq!(fields(plain()), ["schedule: Newer", "steps: 20"], "a default of an old field is in the identity");
        // A zero has two signs, and a part that enters no identity makes no other default.
        let same = Later { schedule: Newer { power: -0.0, nice: 3 }, inner: Newer { power: 1.0, nice: 9 }, ..plain() };
        assert_eq!(fields(same), fields(plain()));
        let tools = BTreeMap::from([("sh".to_owned(), vec!["sh".to_owned()])]);
        assert_eq!(fields(Later { tools, ..plain() })[2], r#"tools: {"sh": ["sh"]}"#);
        assert_eq!(fields(Later { inner: Newer { power: 0.0, nice: 0 }, ..plain() })[0], "inner: Newer");
        assert_eq!(
            fields(Later { schedule: Newer { power: 0.5, nice: 0 }, ..plain() })[0],
            "schedule: Newer(power: 0.5)"
        );
    }
}
