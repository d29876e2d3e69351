//! Checkpoints as other programs write them, made here from the formats' descriptions and apart from the readers.

use std::collections::BTreeMap;
use std::io::Write as _;

/// Tensors by name: shape and values. Filters are OIHW until a writer for TensorFlow's names turns them.
pub type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

pub fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
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
    let mut data = vec![Vec::new(); parts];
    let mut entries = vec![(Vec::new(), message(|out| number(out, 1, parts as u64)))];
    for (at, (name, (sizes, values))) in tensors.iter().enumerate() {
        let (part, content) = (at % parts, bytes(values));
        let entry = message(|out| {
            number(out, 1, 1);
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
    let slice = |sizes: &[usize]| message(|out| sizes.iter().for_each(|_| field(out, 1, &[])));
    let meta = message(|meta| {
        for (name, (sizes, _)) in tensors {
            let tensor = message(|out| {
                field(out, 1, name.as_bytes());
                field(out, 2, &shape(sizes));
                number(out, 3, 1);
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
            field(out, 3, &message(|out| field(out, 5, &bytes(values))));
        });
        entries.push(([b"\0", name.as_bytes()].concat(), message(|out| field(out, 2, &data))));
    }
    table(&entries)
}

fn zip(entries: impl Iterator<Item = (String, Vec<u8>)>) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, content) in entries {
        zip.start_file(name, stored).unwrap();
        zip.write_all(&content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// NumPy's npz.
pub fn npz(tensors: &Tensors) -> Vec<u8> {
    let array = |(name, (sizes, values)): (&String, &(Vec<usize>, Vec<f32>))| {
        let sizes: String = sizes.iter().map(|size| format!("{size},")).collect();
        let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({sizes})}}\n");
        let length = (header.len() as u16).to_le_bytes();
        (format!("{name}.npy"), [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), &bytes(values)].concat())
    };
    zip(tensors.iter().map(array))
}

/// What `torch.save` makes of a state dict.
pub fn torch(tensors: &Tensors) -> Vec<u8> {
    let text = |out: &mut Vec<u8>, text: &str| {
        out.push(b'X');
        out.extend((text.len() as u32).to_le_bytes());
        out.extend(text.as_bytes());
    };
    let integer = |out: &mut Vec<u8>, value: usize| {
        out.push(b'J');
        out.extend((value as u32).to_le_bytes());
    };
    let mut pickle = b"\x80\x02ccollections\nOrderedDict\n)R(".to_vec();
    for (at, (name, (sizes, values))) in tensors.iter().enumerate() {
        text(&mut pickle, name);
        pickle.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
        text(&mut pickle, "storage");
        pickle.extend(b"ctorch\nFloatStorage\n");
        [&at.to_string(), "cpu"].into_iter().for_each(|word| text(&mut pickle, word));
        integer(&mut pickle, values.len());
        pickle.extend(b"tQK\x00(");
        sizes.iter().for_each(|size| integer(&mut pickle, *size));
        pickle.extend(b"t(");
        (0..sizes.len()).for_each(|axis| integer(&mut pickle, sizes[axis + 1..].iter().product()));
        pickle.extend(b"t\x89NtR");
    }
    pickle.extend(b"u.");
    let storages = tensors.values().enumerate().map(|(at, (_, values))| (format!("m/data/{at}"), bytes(values)));
    zip(std::iter::once(("m/data.pkl".to_owned(), pickle)).chain(storages))
}

/// A safetensors file.
pub fn safetensors(tensors: &Tensors) -> Vec<u8> {
    let content: Vec<Vec<u8>> = tensors.values().map(|(_, values)| bytes(values)).collect();
    let views = tensors.iter().zip(&content).map(|((name, (sizes, _)), content)| {
        (name, safetensors::tensor::TensorView::new(safetensors::Dtype::F32, sizes.clone(), content).unwrap())
    });
    safetensors::serialize(views, None).unwrap()
}
