//! `repro init`: each layout of a folder becomes a pipeline that runs as it was written, and what cannot be used is told.

use repro::ml::colors;
use repro::ml::data::labels::{encode_grey, encode_palette, encode_rgb};
use repro::ml::data::{Labels, Rgb, jpeg};

use crate::harness::{Answer, Bench};

/// Height and width of all images.
const SIZE: (usize, usize) = (40, 48);

/// Five classes in vertical bands that move with `n`, and a border of the value `void` above.
pub fn ids(n: usize, void: u8) -> Labels {
    Labels::from_fn(SIZE.0, SIZE.1, |y, x| if y < 2 { void } else { ((x / 10 + n) % 5) as u8 })
}

pub fn image(n: usize) -> Rgb {
    let ids = ids(n, 0);
    Rgb::from_fn(SIZE.0, SIZE.1, |y, x| [50 * ids.at(y, x) + (y % 7) as u8, (3 * x) as u8, 20 * (n % 9) as u8])
}

/// Writes an image and its label.
pub fn pair(bench: &Bench, n: usize, image_path: &str, label_path: &str, label: Vec<u8>) {
    let pixels = image(n);
    let bytes = match image_path.ends_with(".png") {
        true => encode_rgb(&pixels, "x").unwrap(),
        false => jpeg::encode(&pixels, 90, "x").unwrap(),
    };
    bench.write(image_path, bytes);
    bench.write(label_path, label);
}

pub fn grey(n: usize) -> Vec<u8> {
    encode_grey(&ids(n, 255), "x").unwrap()
}

/// Colours of the five classes, and one of what is ignored.
pub const COLOURS: [[u8; 3]; 6] = [[90, 60, 20], [0, 200, 0], [200, 0, 200], [120, 120, 120], [0, 0, 250], [1, 2, 3]];

pub fn coloured(n: usize) -> Vec<u8> {
    encode_rgb(&ids(n, 5).map(|id| COLOURS[usize::from(id)]), "x").unwrap()
}

/// Fourteen pairs in two folders.
fn folders(bench: &Bench, label: fn(usize) -> Vec<u8>) {
    for n in 0..14 {
        pair(bench, n, &format!("fields/images/f{n}.jpg"), &format!("fields/masks/f{n}.png"), label(n));
    }
}

/// Writes a pipeline of `folder`, plans it and runs its first look.
fn written(bench: &Bench, folder: &str, more: &str) -> (String, String) {
    let told = bench.call(&format!("init {folder} --name own -o own.ron {more}"));
    assert_eq!(told.code, Some(0), "{told:?}");
    let next = told.out.lines().find(|line| line.contains("repro data check")).unwrap();
    let data = next.split(" --data ").nth(1).unwrap();
    let plan = bench.ok(&format!("plan own.ron --data {data}"));
    assert!(plan.contains("to run"), "{plan}");
    let run = bench.call(&format!("run own.ron --profile tiny --data {data}"));
    assert_eq!(run.code, Some(0), "{run:?}\n{}", std::fs::read_to_string(bench.path("own.ron")).unwrap());
    (told.all(), std::fs::read_to_string(bench.path("own.ron")).unwrap())
}

#[test]
fn pairs_of_folders_become_a_pipeline_that_runs() {
    let bench = Bench::new();
    folders(&bench, grey);
    bench.write("fields/classes.txt", "soil\ncrop\nweed\nstone\nsky\n");
    bench.write("fields/images/alone.jpg", jpeg::encode(&image(0), 90, "x").unwrap());
    let (told, text) = written(&bench, "fields", "");
    assert!(told.contains("1 images have no label and are left out: `images/alone.jpg`."), "{told}");
    assert!(told.contains("8 to train on, 6 to validate on, split by a hash"), "{told}");
    assert!(!text.contains(bench.path("").to_str().unwrap()), "no path of this machine: {text}");
    let snapshot = format!("{}\n{}", bench.normal(&told), text);
    insta::assert_snapshot!(snapshot);
    let page = std::fs::read_to_string(bench.path("results/own@tiny/page/page.html")).unwrap();
    assert!(page.contains("Average has a higher mean IoU than Regular"));
    assert_eq!(std::fs::read_to_string(bench.path("own_val.txt")).unwrap().lines().count(), 6);
    // The same folder gives the same files.
    bench.ok("init fields --name own -o twin/own.ron");
    for file in ["own.ron", "own_train.txt", "own_val.txt"] {
        assert_eq!(std::fs::read(bench.path(file)).unwrap(), std::fs::read(bench.path("twin").join(file)).unwrap());
    }
    let answer = bench.call("init fields --name own -o own.ron");
    assert_eq!(answer.code, Some(2), "{answer:?}");
    assert!(answer.err.contains("`own.ron` is there already. No file is replaced."), "{answer:?}");
    std::fs::remove_file(bench.path("own.ron")).unwrap();
    assert!(bench.call("init fields --name own -o own.ron").err.contains("own_train.txt` is there already"));
    assert!(!bench.path("own.ron").exists());
}

#[test]
fn masks_of_colours_take_their_names_from_a_file() {
    let bench = Bench::new();
    folders(&bench, coloured);
    let line = |name: &str, [r, g, b]: [u8; 3]| format!("{name}:{r},{g},{b}::\n");
    let names = ["soil", "crop \"x\"", "weed", "stone", "sky", "void"];
    let text: String = names.iter().zip(COLOURS).map(|(name, color)| line(name, color)).collect();
    bench.write("fields/labelmap.txt", format!("# label:color_rgb:parts:actions\n{text}"));
    let (told, text) = written(&bench, "fields", "");
    assert!(text.contains("\"#010203\": \"ignore\"") && text.contains(r##""#00c800": "crop \"x\"""##), "{text}");
    assert!(told.contains("classes    5, named by `labelmap.txt`"), "{told}");
}

#[test]
fn parts_of_folders_and_palettes_are_heeded() {
    let bench = Bench::new();
    for (part, count) in [("train", 8), ("val", 6), ("test", 2)] {
        for n in 0..count {
            let label = encode_palette(&ids(n, 255), &colors::VOC_MAP, "x").unwrap();
            pair(&bench, n, &format!("d/{part}/{part}{n}.png"), &format!("d/{part}annot/{part}{n}.png"), label);
        }
    }
    let (told, text) = written(&bench, "d", "");
    assert!(told.contains("8 to train on, 6 to validate on, as the folder states"), "{told}");
    assert!(told.contains("The test set of 2 images is not used"), "{told}");
    assert!(text.contains("names: [\n                \"class_0\", \"class_1\","), "{text}");
    assert!(text.contains("// What `repro init` could not decide, or assumed:"), "{text}");
}

#[test]
fn lists_in_the_folder_are_read_as_they_are() {
    let bench = Bench::new();
    let mut lists = [String::new(), String::new()];
    for n in 0..14 {
        pair(&bench, n, &format!("c/i/0001TP_{n}.jpg"), &format!("c/l/0001TP_{n}.png"), grey(n));
        lists[n % 2] += &format!("/i/0001TP_{n}.jpg /l/0001TP_{n}.png\n");
    }
    bench.write("c/train.txt", &lists[0]);
    bench.write("c/val.txt", &lists[1]);
    let (told, text) = written(&bench, "c", "");
    assert!(text.contains("Listed(root: \"own\", list: \"train.txt\")") && text.contains("classes: CamVid"), "{text}");
    assert!(told.contains("lists of images and labels"), "{told}");
    assert!(!bench.path("own_train.txt").exists());
}

#[test]
fn voc_and_cityscapes_are_recognised() {
    let bench = Bench::new();
    let voc = "v/VOCdevkit/VOC2012";
    for n in 0..16 {
        let id = format!("2007_{n:06}");
        let label = encode_palette(&ids(n, 255), &colors::VOC_MAP, "x").unwrap();
        pair(&bench, n, &format!("{voc}/JPEGImages/{id}.jpg"), &format!("{voc}/SegmentationClassAug/{id}.png"), label);
    }
    let val: String = (0..6).map(|n| format!("2007_{n:06}\n")).collect();
    bench.write(&format!("{voc}/ImageSets/Segmentation/val.txt"), val);
    let (told, text) = written(&bench, "v", "");
    assert!(
        told.contains("PASCAL VOC 2012") && text.contains("Voc2012(root: \"own\", list: TrainAug)"),
        "{told}{text}"
    );
    assert!(text.contains("PixelAccuracy") && text.contains("Some class has no pixel"), "{text}");

    let bench = Bench::new();
    for (part, count) in [("train", 8), ("val", 6)] {
        for n in 0..count {
            let label = ids(n, 5).map(|id| [7, 8, 11, 26, 33, 0][usize::from(id)]);
            let stem = format!("ulm/ulm_{n:06}_000019");
            let label_path = format!("city/gtFine/{part}/{stem}_gtFine_labelIds.png");
            let image_path = format!("city/leftImg8bit/{part}/{stem}_leftImg8bit.png");
            pair(&bench, n, &image_path, &label_path, encode_grey(&label, "x").unwrap());
        }
    }
    let (told, text) = written(&bench, "city", "");
    assert!(told.contains("Cityscapes, fine labels"), "{told}");
    assert!(text.contains("list: TrainFine") && text.contains("classes: Cityscapes"), "{text}");
}

#[test]
fn hostile_names_are_written_so_that_they_read_or_are_refused() {
    let bench = Bench::new();
    for n in 0..14 {
        let name = format!("it's \"a\", b; # {n} \u{e9}");
        pair(&bench, n, &format!("h/my images/{name}.jpg"), &format!("h/masks/{name}.png"), grey(n));
    }
    bench.write("h/classes.txt", "a\u{1b}[2J\n\u{202e}b\n</script>\n//\n\")\n");
    let (told, text) = written(&bench, "h", "");
    assert!(!told.contains('\u{1b}') && !told.contains('\u{202e}'), "{told}");
    assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'), "{text}");
    pair(&bench, 0, "h/my images/new\nline.jpg", "h/masks/new\nline.png", grey(0));
    let told = bench.call("init h --name own -o other.ron");
    assert_eq!(told.code, Some(4), "{told:?}");
    assert!(
        told.err.contains("A list cannot name this image or its label.") && told.err.contains("new\\u000aline"),
        "{told:?}"
    );
    assert!(!bench.path("other.ron").exists());
}

#[test]
fn what_cannot_be_used_is_told_and_nothing_is_written() {
    let told = |fill: &dyn Fn(&Bench)| -> Answer {
        let bench = Bench::new();
        std::fs::create_dir_all(bench.path("d")).unwrap();
        fill(&bench);
        let answer = bench.call("init d -o own.ron");
        assert!(!bench.path("own.ron").exists(), "{answer:?}");
        answer
    };
    let deep = |_| {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, SIZE.1 as u32, SIZE.0 as u32);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.set_depth(png::BitDepth::Sixteen);
        encoder.write_header().unwrap().write_image_data(&vec![0; 2 * SIZE.0 * SIZE.1]).unwrap();
        bytes
    };
    let photograph = |n| jpeg::encode(&image(n), 90, "x").unwrap();
    let smooth = |n: usize| {
        encode_rgb(&Rgb::from_fn(SIZE.0, SIZE.1, |y, x| [(6 * y) as u8, (5 * x) as u8, n as u8]), "x").unwrap()
    };
    let pairs = |label: &dyn Fn(usize) -> Vec<u8>, bench: &Bench| {
        (0..4).for_each(|n| pair(bench, n, &format!("d/images/{n}.jpg"), &format!("d/masks/{n}.png"), label(n)));
    };
    type Case<'a> = (&'a dyn Fn(&Bench), &'a str);
    let cases: [Case<'_>; 8] = [
        (&|_| {}, "The folder holds no JPEG and no PNG file."),
        (&|bench| drop(bench.write("d/a.tif", "x")), "There are 1 files of other formats (TIFF): convert them to PNG"),
        (
            &|bench| drop(bench.write("d/images/a.jpg", photograph(0))),
            "There are 1 images, in `images`, and no labels.",
        ),
        (
            &|bench| pairs(&photograph, bench),
            "The label is a JPEG file. Labels are PNG files, since JPEG changes values.",
        ),
        (&|bench| pairs(&deep, bench), "The label holds values of 16 bits instead of ids."),
        (&|bench| pairs(&smooth, bench), "The labels that were opened have 7680 colours. Is it a photograph"),
        (
            &|bench| {
                pair(bench, 0, "d/images/a.jpg", "d/SegmentationObject/a.png", grey(0));
            },
            "no labels",
        ),
        (&|bench| pair(bench, 0, "d/images/a.jpg", "d/masks/a.png", grey(0)), "There are 1 images with labels."),
    ];
    for (fill, message) in cases {
        let answer = told(fill);
        assert_eq!(answer.code, Some(4), "{message}: {answer:?}");
        assert!(answer.err.contains(message), "{message}: {answer:?}");
    }
    let bench = Bench::new();
    assert!(bench.call("init gone").err.contains("`gone` is not a folder."));
    bench.write("d/x", "");
    assert_eq!(bench.call("init d --name A").code, Some(2));
    assert_eq!(bench.call("init d -o d").code, Some(2));
}

#[test]
fn real_photographs_are_recognised() {
    let shared = crate::harness::project().join("../shared/data");
    for (name, classes) in [("camvid-mini", "classes: CamVid"), ("voc-mini", "classes: Voc")] {
        let folder = shared.join(name);
        if !folder.is_dir() {
            eprintln!("skipped: there is no {}", folder.display());
            continue;
        }
        let bench = Bench::new();
        let told = bench.ok(&format!("init {} -o own.ron", folder.display()));
        let text = std::fs::read_to_string(bench.path("own.ron")).unwrap();
        assert!(text.contains(classes), "{told}{text}");
        bench.ok(&format!("plan own.ron --data {}={}", name.replace('-', "_"), folder.display()));
    }
}
