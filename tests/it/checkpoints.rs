//! Checkpoints as other programs write them, made here from the formats' descriptions and apart from the readers.

use std::collections::BTreeMap;
use std::io::Write as _;

/// Tensors by name: shape and values. Filters are OIHW until a writer for TensorFlow's names turns them.
pub type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// A type of floats, as each format calls it.
#[derive(Clone, Copy)]
pub struct Kind {
    tensorflow: u64,
    torch: &'static str,
    numpy: &'static str,
    plain: safetensors::Dtype,
    bytes: fn(f32) -> Vec<u8>,
}

pub const F32: Kind = Kind {
    tensorflow: 1,
    torch: "FloatStorage",
    numpy: "<f4",
    plain: safetensors::Dtype::F32,
    bytes: |value| value.to_le_bytes().to_vec(),
};
pub const F16: Kind = Kind {
    tensorflow: 19,
    torch: "HalfStorage",
    numpy: "<f2",
    plain: safetensors::Dtype::F16,
    bytes: |value| half::f16::from_f32(value).to_le_bytes().to_vec(),
};
pub const BF16: Kind = Kind {
    tensorflow: 14,
    torch: "BFloat16Storage",
    numpy: "",
    plain: safetensors::Dtype::BF16,
    bytes: |value| half::bf16::from_f32(value).to_le_bytes().to_vec(),
};
pub const F64: Kind = Kind {
    tensorflow: 2,
    torch: "DoubleStorage",
    numpy: "<f8",
    plain: safetensors::Dtype::F64,
    bytes: |value| f64::from(value).to_le_bytes().to_vec(),
};

/// Complex numbers of 128 bits, which no format here reads as a tensor.
pub const COMPLEX: Kind = Kind {
    tensorflow: 18,
    torch: "ComplexDoubleStorage",
    numpy: "<c16",
    plain: safetensors::Dtype::U8,
    bytes: |value| [f64::from(value).to_le_bytes(), [0; 8]].concat(),
};

impl Kind {
    fn bytes(&self, values: &[f32]) -> Vec<u8> {
        values.iter().flat_map(|value| (self.bytes)(*value)).collect()
    }
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A number as a field of a protocol buffer.
fn number(out: &mut Vec<u8>, tag: u64, value: u64) {
    varint(out, tag << 3);
    varint(out, value);
}

/// Bytes, a text or a message as a field.
fn field(out: &mut Vec<u8>, tag: u64, content: &[u8]) {
    varint(out, tag << 3 | 2);
    varint(out, content.len() as u64);
    out.extend(content);
}

fn message(fields: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    fields(&mut out);
    out
}

fn shape(sizes: &[usize]) -> Vec<u8> {
    message(|out| sizes.iter().for_each(|size| field(out, 2, &message(|dim| number(dim, 1, *size as u64)))))
}

/// TensorFlow's mask of a CRC-32C.
pub fn masked(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// LevelDB's table with one block of entries, whose keys are whole and in order.
fn table(entries: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut block = |entries: &[(Vec<u8>, Vec<u8>)]| {
        let mut body = Vec::new();
        for (key, value) in entries {
            [0, key.len(), value.len()].into_iter().for_each(|length| varint(&mut body, length as u64));
            body.extend(key.iter().chain(value));
        }
        body.extend([0, 0, 0, 0, 1, 0, 0, 0]);
        let handle = message(|handle| [out.len(), body.len()].into_iter().for_each(|n| varint(handle, n as u64)));
        body.push(0);
        let crc = masked(&body);
        out.extend(body);
        out.extend(crc.to_le_bytes());
        handle
    };
    let data = block(entries);
    let (meta, index) = (block(&[]), block(&[(entries.last().unwrap().0.clone(), data)]));
    let mut footer: Vec<u8> = [meta, index].concat();
    footer.resize(40, 0);
    footer.extend(0xdb47_7524_8b80_fb57_u64.to_le_bytes());
    out.extend(footer);
    out
}

/// TensorFlow V2: the files by name, the tensors dealt to so many parts in turn.
pub fn tensorflow_v2(prefix: &str, tensors: &Tensors, parts: usize) -> BTreeMap<String, Vec<u8>> {
    tensorflow_v2_of(prefix, tensors, parts, F32)
}

/// The same of another type.
pub fn tensorflow_v2_of(prefix: &str, tensors: &Tensors, parts: usize, kind: Kind) -> BTreeMap<String, Vec<u8>> {
    let mut data = vec![Vec::new(); parts];
    let mut entries = vec![(Vec::new(), message(|out| number(out, 1, parts as u64)))];
    for (at, (name, (sizes, values))) in tensors.iter().enumerate() {
        let (part, content) = (at % parts, kind.bytes(values));
        let entry = message(|out| {
            number(out, 1, kind.tensorflow);
            field(out, 2, &shape(sizes));
            number(out, 3, part as u64);
            number(out, 4, data[part].len() as u64);
            number(out, 5, content.len() as u64);
            out.push(6 << 3 | 5);
            out.extend(masked(&content).to_le_bytes());
        });
        entries.push((name.clone().into_bytes(), entry));
        data[part].extend(content);
    }
    let name = |part| format!("{prefix}.data-{part:05}-of-{parts:05}");
    let mut files: BTreeMap<_, _> = data.into_iter().enumerate().map(|(part, data)| (name(part), data)).collect();
    files.insert(format!("{prefix}.index"), table(&entries));
    files
}

/// TensorFlow V1, every tensor in one slice.
pub fn tensorflow_v1(tensors: &Tensors) -> Vec<u8> {
    tensorflow_v1_of(tensors, F32)
}

/// The same of another type.
pub fn tensorflow_v1_of(tensors: &Tensors, kind: Kind) -> Vec<u8> {
    let slice = |sizes: &[usize]| message(|out| sizes.iter().for_each(|_| field(out, 1, &[])));
    let meta = message(|meta| {
        for (name, (sizes, _)) in tensors {
            let tensor = message(|out| {
                field(out, 1, name.as_bytes());
                field(out, 2, &shape(sizes));
                number(out, 3, kind.tensorflow);
                field(out, 4, &slice(sizes));
            });
            field(meta, 1, &tensor);
        }
    });
    let mut entries = vec![(Vec::new(), message(|out| field(out, 1, &meta)))];
    for (name, (sizes, values)) in tensors {
        let data = message(|out| {
            field(out, 1, name.as_bytes());
            field(out, 2, &slice(sizes));
            let content = kind.bytes(values);
            let packed = message(|out| match kind.tensorflow {
                1 => field(out, 5, &content),
                2 => field(out, 6, &content),
                // Halves are numbers of 32 bits, in TensorFlow's way.
                _ => {
                    let bits = content.chunks(2).map(|two| u64::from(u16::from_le_bytes([two[0], two[1]])));
                    field(out, 13, &message(|numbers| bits.for_each(|bits| varint(numbers, bits))));
                }
            });
            field(out, 3, &packed);
        });
        entries.push(([b"\0", name.as_bytes()].concat(), message(|out| field(out, 2, &data))));
    }
    table(&entries)
}

fn zip(entries: impl Iterator<Item = (String, Vec<u8>)>, packed: bool) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let method = if packed { zip::CompressionMethod::Deflated } else { zip::CompressionMethod::Stored };
    let options = zip::write::SimpleFileOptions::default().compression_method(method);
    for (name, content) in entries {
        zip.start_file(name, options).unwrap();
        zip.write_all(&content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// NumPy's npz.
pub fn npz(tensors: &Tensors) -> Vec<u8> {
    npz_of(tensors, F32, false)
}

/// The same of another type, or compressed.
pub fn npz_of(tensors: &Tensors, kind: Kind, packed: bool) -> Vec<u8> {
    zip(tensors.iter().map(|(name, tensor)| (format!("{name}.npy"), npy(tensor, kind))), packed)
}

/// An array of NumPy's with this header and content.
fn array(descr: &str, sizes: &[usize], content: &[u8]) -> Vec<u8> {
    let sizes: String = sizes.iter().map(|size| format!("{size},")).collect();
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({sizes})}}\n");
    let length = (header.len() as u16).to_le_bytes();
    [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), content].concat()
}

/// NumPy's array.
pub fn npy((sizes, values): &(Vec<usize>, Vec<f32>), kind: Kind) -> Vec<u8> {
    array(kind.numpy, sizes, &kind.bytes(values))
}

/// What NumPy makes of a dictionary, in an archive or by itself.
pub fn pickled(archive: bool) -> Vec<u8> {
    let array = array("|O", &[], b"\x80\x04}.");
    if archive { zip(std::iter::once(("weights.npy".to_owned(), array)), false) } else { array }
}

/// A file of PyTorch's.
#[derive(Clone, Copy)]
pub enum Layout {
    /// A state dict, since 1.6.
    Zip,
    /// A state dict of before, in this protocol of pickles.
    Legacy(u8),
    /// A module.
    Module,
    /// A compiled module.
    Script,
}

/// What `torch.save` makes of a state dict.
pub fn torch(tensors: &Tensors) -> Vec<u8> {
    torch_of(tensors, F32, Layout::Zip)
}

/// The same of another type, or in another file.
pub fn torch_of(tensors: &Tensors, kind: Kind, layout: Layout) -> Vec<u8> {
    let protocol = if let Layout::Legacy(protocol) = layout { protocol } else { 2 };
    let state = state(tensors, kind, protocol, layout);
    let content = tensors.values().enumerate().map(|(at, (_, values))| (at.to_string(), kind.bytes(values)));
    if !matches!(layout, Layout::Legacy(_)) {
        let storages = content.map(|(key, content)| (format!("m/data/{key}"), content));
        return zip(std::iter::once(("m/data.pkl".to_owned(), state)).chain(storages), false);
    }
    let magic: &[u8] = match protocol {
        1 => b"L119547037146038801333356L\n.",
        _ => b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.",
    };
    let keys: Vec<u8> = (0..tensors.len()).flat_map(|at| text(&at.to_string(), protocol)).collect();
    let keys = framed(&[b"](", &keys[..], b"e."].concat(), protocol);
    let mut out =
        [framed(magic, protocol), framed(b"M\xe9\x03.", protocol), framed(b"}.", protocol), state, keys].concat();
    for ((_, content), (_, values)) in content.zip(tensors.values()) {
        out.extend((values.len() as u64).to_le_bytes());
        out.extend(content);
    }
    out
}

/// A pickle of this protocol: since 2 it says so, since 4 it has the length of a frame.
fn framed(pickle: &[u8], protocol: u8) -> Vec<u8> {
    let mut out = if protocol >= 2 { vec![0x80, protocol] } else { Vec::new() };
    if protocol >= 4 {
        out.push(0x95);
        out.extend((pickle.len() as u64).to_le_bytes());
    }
    out.extend(pickle);
    out
}

fn text(text: &str, protocol: u8) -> Vec<u8> {
    match protocol {
        4.. => [&[0x8c, text.len() as u8], text.as_bytes()].concat(),
        _ => [b"X", &(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat(),
    }
}

fn global(module: &str, name: &str, protocol: u8) -> Vec<u8> {
    match protocol {
        4.. => [text(module, protocol), text(name, protocol), vec![0x93]].concat(),
        _ => format!("c{module}\n{name}\n").into_bytes(),
    }
}

/// The pickle of the tensors by name.
fn state(tensors: &Tensors, kind: Kind, protocol: u8, layout: Layout) -> Vec<u8> {
    let integer = |value: usize| [b"J", &(value as u32).to_le_bytes()[..]].concat();
    let text = |word: &str| text(word, protocol);
    let mut entries = Vec::new();
    for (at, (name, (sizes, values))) in tensors.iter().enumerate() {
        let strides = (0..sizes.len()).map(|axis| sizes[axis + 1..].iter().product());
        // Files before 1.6 say behind a storage whose part it is.
        let view: &[u8] = if matches!(layout, Layout::Legacy(_)) { b"N" } else { b"" };
        let storage = [
            b"((".to_vec(),
            text("storage"),
            global("torch", kind.torch, protocol),
            text(&at.to_string()),
            text("cpu"),
            integer(values.len()),
            [view, b"tQ"].concat(),
        ];
        entries.push(text(name));
        entries.push(global("torch._utils", "_rebuild_tensor_v2", protocol));
        entries.extend(storage);
        entries.push(
            [b"K\x00(".to_vec(), sizes.iter().flat_map(|size| integer(*size)).collect(), b"t(".to_vec()].concat(),
        );
        // No hooks: protocol 1 has no shorter way to say false.
        entries.push([strides.flat_map(integer).collect(), b"tI00\nNtR".to_vec()].concat());
    }
    let dictionary =
        [global("collections", "OrderedDict", protocol), b")R(".to_vec(), entries.concat(), b"u".to_vec()].concat();
    let pickle = match layout {
        Layout::Zip | Layout::Legacy(_) => dictionary,
        Layout::Script => [global("__torch__", "Net", protocol), b")\x81".to_vec(), dictionary, b"b".to_vec()].concat(),
        Layout::Module => {
            let attributes =
                [text("_parameters"), dictionary, text("_buffers"), b"}".to_vec(), text("_modules"), b"}".to_vec()];
            [global("mine", "Net", protocol), b")\x81}(".to_vec(), attributes.concat(), b"ub".to_vec()].concat()
        }
    };
    framed(&[&pickle[..], b"."].concat(), protocol)
}

/// A safetensors file.
pub fn safetensors(tensors: &Tensors) -> Vec<u8> {
    safetensors_of(tensors, F32)
}

/// The same of another type.
pub fn safetensors_of(tensors: &Tensors, kind: Kind) -> Vec<u8> {
    let content: Vec<Vec<u8>> = tensors.values().map(|(_, values)| kind.bytes(values)).collect();
    let views = tensors.iter().zip(&content).map(|((name, (sizes, _)), content)| {
        (name, safetensors::tensor::TensorView::new(kind.plain, sizes.clone(), content).unwrap())
    });
    safetensors::serialize(views, None).unwrap()
}
