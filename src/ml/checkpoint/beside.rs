//! What lies beside weights in PyTorch's files: objects of other programs, tensors that are not read, and the ways in which
//! tensors are described. Each pickle is what Python writes, shortened.

use super::hostile::{tensor, text, torch};
use super::{Checkpoint, Dtype};

/// A tensor of twelve floats.
fn plain() -> Vec<u8> {
    tensor(b"K\x0c\x85", b"K\x01\x85")
}

/// A storage of twelve elements of this class.
fn storage(class: &str) -> Vec<u8> {
    let tuple =
        [b"(".to_vec(), text("storage"), format!("c{class}\n").into(), text("0"), text("cpu"), b"K\x0ctQ".to_vec()];
    tuple.concat()
}

/// A call of a function with these arguments.
fn call(name: &str, arguments: &[&[u8]]) -> Vec<u8> {
    let (module, name) = name.rsplit_once('.').unwrap();
    [format!("c{module}\n{name}\n(").into_bytes(), arguments.concat(), b"tR".to_vec()].concat()
}

/// A file with a dictionary of these pickles.
fn file(entries: &[(&str, Vec<u8>)]) -> Checkpoint {
    let entry = |(name, pickle): &(&str, Vec<u8>)| [text(name), pickle.clone()].concat();
    let pickle = [b"}(".to_vec(), entries.iter().flat_map(entry).collect(), b"u.".to_vec()].concat();
    Checkpoint::read("m.pth", torch(&pickle).into(), &[]).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn objects_of_other_programs_are_skipped_unread() {
    let empty = |name: &str| call(name, &[]);
    let numbers = b"}(K\x01K\x02u".to_vec();
    let told = |mut made: Vec<u8>, state: &[u8]| {
        made.extend_from_slice(state);
        made.push(b'b');
        made
    };
    let new = |name: &str| [format!("c{}\n)", name.replace(' ', "\n")).as_bytes(), b"\x81"].concat();
    let day = call("datetime.datetime", &[b"C\x0a\x07\xe8\x01\x02\x03\x04\x05\x00\x00\x06"]);
    let array = call("numpy.core.multiarray._reconstruct", &[b"cnumpy\nndarray\n", b"K\x00\x85", b"C\x01b"]);
    let named = ["args", "day", "path", "array", "partial", "class", "keywords", "extension", "old", "function"];
    let entries = [
        ("a", plain()),
        ("counter", call("collections.Counter", &[&numbers])),
        (
            "lists",
            [
                call("collections.defaultdict", &[b"cbuiltins\nlist\n"]),
                b"X\x01\x00\x00\x00w".to_vec(),
                plain(),
                b"s".to_vec(),
            ]
            .concat(),
        ),
        ("size", call("torch.Size", &[b"K\x02K\x03\x86"])),
        ("dtype", b"ctorch\nfloat32\n".to_vec()),
        ("args", told(new("argparse Namespace"), b"}X\x02\x00\x00\x00lrG?\xf0\x00\x00\x00\x00\x00\x00s")),
        ("day", day),
        ("path", call("pathlib.PosixPath", &[&text("a"), &text("b")])),
        (
            "array",
            told(array, b"(K\x01K\x02\x85cnumpy\ndtype\n(X\x02\x00\x00\x00f4\x89\x88tR\x89C\x04\x00\x00\x00\x00t"),
        ),
        ("partial", told(call("functools.partial", &[b"cos\nsystem\n"]), b"(cos\nsystem\n)}Nt")),
        ("class", [new("mine Config"), b"X\x01\x00\x00\x00aK\x01s".to_vec()].concat()),
        ("keywords", b"cmine\nMade\n)}\x92".to_vec()),
        ("extension", b"\x82\x01)R".to_vec()),
        ("old", b"(cmine\nOld\nK\x01o".to_vec()),
        ("function", empty("mine.function")),
        ("set", b"\x8f(K\x01\x90".to_vec()),
        ("frozen", b"(K\x01\x91".to_vec()),
        ("bytes", b"\x96\x02\x00\x00\x00\x00\x00\x00\x00ab".to_vec()),
    ];
    let found = file(&entries);
    let names: Vec<&str> = found.tensors.iter().map(|tensor| tensor.name.as_str()).collect();
    assert_eq!(names, ["a", "lists.w"]);
    assert_eq!(found.tensors[0].floats().unwrap(), Some(vec![0.0; 12]));
    let passed: Vec<&str> = found.passed_over.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(passed, named);
    let (_, why) = &found.passed_over[0];
    assert_eq!(why, "would be made by `argparse.Namespace`, and is skipped unread");
}

#[test]
fn every_way_to_describe_a_tensor_is_read() {
    let floats = storage("torch\nFloatStorage");
    let (shape, strides) = (&b"K\x03K\x04\x86"[..], &b"K\x04K\x01\x86"[..]);
    let first = call("torch._utils._rebuild_tensor", &[&floats, b"K\x00", shape, strides]);
    let second = |more: &[u8]| [&floats[..], b"K\x00", shape, strides, b"\x89N", more].concat();
    let untyped = storage("torch.storage\nUntypedStorage");
    let third = |dtype: &str| {
        let dtype = format!("ctorch\n{dtype}\n").into_bytes();
        call("torch._utils._rebuild_tensor_v3", &[&untyped, b"K\x00", shape, strides, b"\x89N", &dtype])
    };
    let class = b"(ctorch._utils\n_rebuild_tensor_v2\ncmine\nTensor\n(".to_vec();
    let class = [class, second(b""), b"t}t".to_vec()].concat();
    let class = [b"ctorch._tensor\n_rebuild_from_type_v2\n".to_vec(), class, b"R".to_vec()].concat();
    let expanded = tensor(b"K\x64K\x0c\x86", b"K\x00K\x01\x86");
    let found = file(&[
        ("v1", first.clone()),
        ("v2", call("torch._utils._rebuild_tensor_v2", &[&second(b"}")])),
        ("v3", third("float32")),
        ("parameter", call("torch._utils._rebuild_parameter", &[&first, b"\x88", b"N"])),
        ("parameter_with_state", call("torch._utils._rebuild_parameter_with_state", &[&first, b"\x88", b"N", b"}"])),
        ("class", class),
        ("expanded", expanded),
        ("float8", third("float8_e4m3fn")),
    ]);
    assert_eq!(found.passed_over, []);
    for tensor in &found.tensors {
        let (shape, dtype) = match tensor.name.as_str() {
            "expanded" => (vec![100, 12], Dtype::F32),
            "float8" => (vec![3, 4], Dtype::F8_E4M3),
            _ => (vec![3, 4], Dtype::F32),
        };
        assert_eq!((&tensor.shape, tensor.dtype), (&shape, dtype), "{}", tensor.name);
        let floats = tensor.floats().unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(floats.map(|floats| floats.len()), (tensor.name != "float8").then(|| shape.iter().product()));
    }
    assert_eq!(found.tensors.len(), 8);
}

#[test]
fn tensors_that_are_not_read_are_passed_over_by_name() {
    let of = |class: &str| {
        let storage = storage(class);
        call("torch._utils._rebuild_tensor_v2", &[&storage, b"K\x00", b"K\x03\x85", b"K\x01\x85", b"\x89N"])
    };
    let sparse = call("torch._utils._rebuild_sparse_tensor", &[b"N", &plain()]);
    let found = file(&[
        ("a", plain()),
        ("complex", of("torch\nComplexDoubleStorage")),
        ("quantized", of("torch\nQInt8Storage")),
        ("unheard", of("torch\nFloat4Storage")),
        ("sparse", sparse.clone()),
        ("parameter", call("torch._utils._rebuild_parameter", &[&sparse, b"\x88", b"N"])),
        ("class", call("torch._tensor._rebuild_from_type_v2", &[b"cmine\nrebuild\n", b"cmine\nT\n", b")", b"}"])),
    ]);
    assert_eq!(found.tensors.len(), 1);
    let told = |name: &str| {
        let (_, why) = found.passed_over.iter().find(|(passed, _)| passed == name).unwrap();
        why.clone()
    };
    assert_eq!(told("complex"), "has PyTorch's type `complex128`, which is not read");
    assert_eq!(told("quantized"), "has PyTorch's type `QInt8Storage`, which is not read");
    assert_eq!(told("unheard"), "has PyTorch's type `Float4Storage`, which is not read");
    assert_eq!(told("sparse"), "would be made by `torch._utils._rebuild_sparse_tensor`, and is skipped unread");
    assert_eq!(told("parameter"), "would be made by `torch._utils._rebuild_sparse_tensor`, which is not read");
    assert_eq!(told("class"), "would be made by `mine.rebuild`, which is not read");
}

#[test]
fn a_module_gives_the_tensors_of_its_parts() {
    let attributes = |parameters: &[u8], modules: &[u8]| {
        let pairs = [
            (text("training"), b"\x88".to_vec()),
            (text("_parameters"), [b"ccollections\nOrderedDict\n)R(", parameters, b"u"].concat()),
            (text("_buffers"), b"}".to_vec()),
            (text("_modules"), [b"ccollections\nOrderedDict\n)R(", modules, b"u"].concat()),
        ];
        let pairs: Vec<u8> = pairs.into_iter().flat_map(|(key, value)| [key, value].concat()).collect();
        [b"}(".to_vec(), pairs, b"ub".to_vec()].concat()
    };
    let parameter = call("torch._utils._rebuild_parameter", &[&plain(), b"\x88", b"N"]);
    let conv = [b"cmine\nConv\n)\x81".to_vec(), attributes(&[text("weight"), parameter].concat(), b"")].concat();
    let net = [b"cmine\nNet\n)\x81".to_vec(), attributes(b"", &[text("conv1"), conv].concat())].concat();
    let found = file(&[("model", net)]);
    let names: Vec<&str> = found.tensors.iter().map(|tensor| tensor.name.as_str()).collect();
    assert_eq!(names, ["model.conv1.weight"]);
}

#[test]
fn a_pickle_without_tensors_says_what_it_holds() {
    let told = |pickle: &[u8]| Checkpoint::read("m.pth", torch(pickle).into(), &[]).unwrap_err().to_string();
    let whole = told(b"ctorch.nn\nLinear\n)\x81}b.");
    assert!(
        whole.ends_with("no tensors by name: it would be made by `torch.nn.Linear`, and is skipped unread."),
        "{whole}"
    );
    let part = told(&[b"}".to_vec(), text("net"), b"cmine\nNet\n)Rs.".to_vec()].concat());
    assert!(part.contains("`net` would be made by `mine.Net`"), "{part}");
    assert!(told(b"}.").ends_with("The pickle holds no tensors by name."));
}
