//! The report page as a file: what it holds, what it never holds, how large it is.
//!
//! Each page is left in the folder for the temporary files of tests, where `.ci/page` opens it in a browser.

use std::path::Path;

use repro::figure::{
    Bar, Bars, Chart, Confusion, Curve, Curves, Grid as Images, GridRow, Map, Maps, Panel, Point, Scatter,
};
use repro::ml::colors::{VOC, VOC_MAP};
use repro::page::{
    Block, Card, Cell, Figure, Gallery, GalleryImage, Graph, GraphNode, Grid, Page, Section, Standing, Written,
};

/// A number from 0 to 1 that two numbers decide, without a pattern that one sees.
fn noise(a: usize, b: usize) -> f64 {
    let mut state = (a as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (b as u64).wrapping_mul(0xd1b5_4a32_d192_ed03);
    for _ in 0..3 {
        state = (state ^ state >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    }
    (state >> 11) as f64 / (1u64 << 53) as f64
}

/// How much is on a page, and what its texts have added.
#[derive(Clone, Copy)]
struct Size<'a> {
    classes: usize,
    methods: usize,
    images: usize,
    pixels: (usize, usize),
    points: usize,
    /// What each text ends with.
    tail: &'a str,
}

const METHODS: [&str; 7] =
    ["Regular", "Average", "Gaussian", "Learned pre-filter", "ASPP", "Large field of view", "Dilation 8, \u{3b8} < 1"];

impl Size<'_> {
    fn text(&self, text: &str) -> String {
        format!("{text}{}", self.tail)
    }

    fn method(&self, method: usize) -> String {
        self.text(METHODS[method])
    }

    fn class(&self, class: usize) -> String {
        self.text(VOC[class % VOC.len()])
    }

    fn page(&self) -> Page {
        Page {
            title: self.text("PASCAL VOC: pre-filters of dilated convolutions"),
            lead: self.text("Run 3f9c of the pipeline `prefilters`, profile `paper`."),
            sections: vec![
                self.section("claims", "Verdicts", vec![self.verdicts()], false),
                self.section("table", "Results", vec![Block::Table(self.table())], false),
                self.section("classes", "Classes", vec![self.figure(Chart::Bars(self.bars()))], false),
                self.section("curves", "Training", vec![self.figure(Chart::Curves(self.curves()))], false),
                self.section(
                    "confusion",
                    "Confusion",
                    (0..self.methods.min(2))
                        .map(|method| self.figure(Chart::Confusion(self.confusion(method))))
                        .collect(),
                    false,
                ),
                self.section("erf", "Effective receptive fields", vec![self.figure(Chart::Maps(self.maps()))], false),
                self.section("images", "Images", vec![Block::Gallery(self.gallery())], false),
                self.section(
                    "cost",
                    "Cost",
                    vec![self.figure(Chart::Scatter(self.scatter())), self.figure(Chart::Grid(self.pictures()))],
                    true,
                ),
                self.section("stages", "Stages", vec![Block::Graph(self.graph())], false),
                self.section(
                    "reproduce",
                    "How to reproduce",
                    vec![
                        Block::Text(self.text("The same inputs give the same figures.")),
                        Block::Code(
                            self.text("repro run pipelines/prefilters.ron --profile paper \\\n  --data voc=DIR"),
                        ),
                    ],
                    true,
                ),
            ],
            notes: vec![self.text("The photographs of two images are left out: their folder is not there.")],
        }
    }

    fn section(&self, id: &str, title: &str, blocks: Vec<Block>, folded: bool) -> Section {
        Section {
            id: self.text(id),
            title: self.text(title),
            lead: self.text("What is shown, and how to read it, in a sentence."),
            blocks,
            folded,
        }
    }

    fn figure(&self, chart: Chart) -> Block {
        Block::Figure(Figure { caption: self.text("Means over three seeds; lines are the least and greatest."), chart })
    }

    fn verdicts(&self) -> Block {
        let card = |verdict, that: &str, effect| Card {
            verdict,
            that: self.text(that),
            because: vec![self.text("The interval is of 3 seeds and 1449 images, corrected for 3 claims by Holm.")],
            effect,
        };
        Block::Verdicts(vec![
            card(Standing::Holds, "Average is better than Regular in mean IoU", Some((1.83, (0.92, 2.75), 0.0))),
            card(Standing::Fails, "Gaussian is at least 5 points better than Regular", Some((2.1, (1.4, 2.8), 5.0))),
            card(Standing::Undecided, "Learned and Average differ by less than 0.5", Some((0.31, (-0.35, 0.97), 0.5))),
            card(Standing::Undecided, "A claim without figures", None),
        ])
    }

    fn table(&self) -> Grid {
        let mean = |method: usize| 70.0 + 6.0 * noise(method, 99);
        let best = (0..self.methods).max_by(|&a, &b| mean(a).total_cmp(&mean(b))).unwrap();
        let row = |method: usize| {
            let mut row = vec![Cell { text: self.method(method), ..Cell::default() }];
            row.push(Cell {
                text: self.text(&format!("{:.1} \u{b1} 0.4", mean(method))),
                number: Some(mean(method)),
                best: method == best,
            });
            row.extend((0..self.classes).map(|class| {
                let value = 40.0 + 55.0 * noise(method, class);
                // A class that one method never saw.
                let known = (method, class) != (1, 2);
                Cell {
                    text: self.text(&if known { format!("{value:.1}") } else { "\u{2013}".to_owned() }),
                    number: known.then_some(value),
                    best: false,
                }
            }));
            row
        };
        let mut heads = vec![self.text("method"), self.text("mean IoU")];
        heads.extend((0..self.classes).map(|class| self.class(class)));
        Grid {
            caption: self.text("IoU in percent on the 1449 images of val"),
            heads,
            rows: (0..self.methods).map(row).collect(),
            notes: vec![self.text("\u{b1}: standard deviation over three seeds. Bold: the best of a column.")],
        }
    }

    fn bars(&self) -> Bars {
        let bar = |method: usize, class: usize| {
            let value = 40.0 + 55.0 * noise(method, class);
            (method, class).ne(&(1, 2)).then_some(Bar { value, interval: Some((value - 3.0, value + 2.5)) })
        };
        Bars {
            title: self.text("IoU of each class"),
            y: self.text("IoU (%)"),
            series: (0..self.methods).map(|method| self.method(method)).collect(),
            groups: (0..self.classes)
                .map(|class| (self.class(class), (0..self.methods).map(|method| bar(method, class)).collect()))
                .collect(),
            interval: self.text("95 % interval over 1449 images"),
        }
    }

    fn curves(&self) -> Curves {
        let curve = |training: usize| {
            let at = |point: usize| 2.5 * (-(point as f64) / (0.2 * self.points as f64)).exp() + 0.25;
            let step = |point: usize| point as f64;
            Curve {
                label: self.method(training % METHODS.len()),
                raw: (0..self.points).map(|p| (step(p), at(p) * (0.7 + 0.6 * noise(training, p)))).collect(),
                smooth: (0..self.points).map(|p| (step(p), at(p) * (0.97 + 0.01 * training as f64))).collect(),
                band: (0..self.points).map(|p| (step(p), at(p) * 0.9, at(p) * 1.1)).collect(),
                dots: (1..4).map(|p| (step(p * self.points / 4), at(p * self.points / 4))).collect(),
            }
        };
        Curves {
            title: self.text("Loss of training"),
            x: self.text("step"),
            y: self.text("cross-entropy"),
            curves: (0..self.methods + 3).map(curve).collect(),
        }
    }

    fn confusion(&self, method: usize) -> Confusion {
        let pixels = |row: usize, column: usize| {
            let likely = if row == column { 400_000.0 } else { 20_000.0 };
            (likely * noise(row * 100 + method, column).powi(if row == column { 1 } else { 8 })) as u64
        };
        Confusion {
            title: format!("{}: true and predicted classes", self.method(method)),
            classes: (0..self.classes).map(|class| self.class(class)).collect(),
            pixels: (0..self.classes)
                .map(|row| (0..self.classes).map(|column| if row == 3 { 0 } else { pixels(row, column) }).collect())
                .collect(),
        }
    }

    fn maps(&self) -> Maps {
        let map = |method: usize| {
            let value = |index: usize| {
                let (y, x) = ((index / 97) as f64 - 48.0, (index % 97) as f64 - 48.0);
                let grid = if method.is_multiple_of(2) && (y as i64 % 4 != 0 || x as i64 % 4 != 0) { 0.1 } else { 1.0 };
                grid * (-(y * y + x * x) / (200.0 + 100.0 * method as f64)).exp()
            };
            Map {
                label: self.method(method),
                height: 97,
                width: 97,
                values: (0..97 * 97).map(value).collect(),
                notes: vec![self.text(&format!("radius {} px", 20 + method))],
            }
        };
        Maps {
            title: self.text("Effective receptive fields"),
            scale: self.text("gradient, relative to the greatest"),
            maps: (0..self.methods.min(4)).map(map).collect(),
        }
    }

    fn photo(&self, image: usize) -> Panel {
        let (height, width) = self.pixels;
        let value = |index: usize| {
            let (y, x, channel) = (index / 3 / width, index / 3 % width, index % 3);
            let wave = (x as f64 / 37.0 + image as f64).sin() + (y as f64 / 23.0 + channel as f64).cos();
            let grain = noise(x / 2 + y / 2 * width, image) + noise(x / 9, y / 9 + image);
            (90.0 + 35.0 * wave + 22.0 * grain) as u8
        };
        Panel::Photo { height, width, pixels: (0..height * width * 3).map(value).collect() }
    }

    fn mask(&self, image: usize, method: usize) -> Panel {
        let (height, width) = self.pixels;
        let value = |index: usize| {
            let (y, x) = ((index / width) as f64, (index % width) as f64);
            let edge = 6.0 * ((x / 11.0 + method as f64).sin() + (y / 7.0).sin());
            let id = (0..5).rev().find(|&blob| {
                let (cy, cx) = (noise(image, blob) * height as f64, noise(blob, image + 50) * width as f64);
                let radius = 0.09 * (height + width) as f64 * (0.5 + noise(image + 7, blob)) + edge;
                (y - cy).powi(2) + (x - cx).powi(2) < radius.max(0.0).powi(2)
            });
            id.map_or(0, |blob| 1 + ((image * 5 + blob) % (self.classes - 1)) as u8)
        };
        let pixels = (0..height * width).map(value).collect();
        Panel::Mask { height, width, pixels, palette: VOC_MAP.to_vec() }
    }

    fn gallery(&self) -> Gallery {
        let image = |image: usize| GalleryImage {
            name: self.text(&format!("2007_{:06}", 33 + 17 * image)),
            why: self.text("where Average and Regular differ most"),
            figures: self.text("mIoU: Regular 41.2, Average 55.0"),
            panels: [Some(self.photo(image))]
                .into_iter()
                .chain((0..=self.methods).map(|method| (method != 3).then(|| self.mask(image, method))))
                .collect(),
        };
        let mut heads = vec![self.text("input"), self.text("truth")];
        heads.extend((0..self.methods).map(|method| self.method(method)));
        Gallery {
            rule: self.text("The images in which two methods differ most, the best, the worst and the median."),
            heads,
            images: (0..self.images).map(image).collect(),
            legend: (0..self.classes).map(|class| (self.class(class), VOC_MAP[class])).collect(),
        }
    }

    fn scatter(&self) -> Scatter {
        let point = |method: usize| {
            let (cost, mean) = (50.0 + 20.0 * method as f64, 70.0 + 6.0 * noise(method, 99));
            Point { label: self.method(method), at: (cost, mean), intervals: (None, Some((mean - 0.8, mean + 0.8))) }
        };
        Scatter {
            title: self.text("Cost against mean IoU"),
            x: self.text("time of a step (ms)"),
            y: self.text("mean IoU (%)"),
            points: (0..self.methods).map(point).collect(),
        }
    }

    fn pictures(&self) -> Images {
        Images {
            title: self.text("Two images"),
            columns: vec![self.text("input"), self.text("truth")],
            rows: (0..1)
                .map(|image| GridRow {
                    label: self.text("2007_000033"),
                    why: self.text("best"),
                    panels: vec![Some(self.photo(image)), Some(self.mask(image, 0))],
                })
                .collect(),
            legend: (0..3).map(|class| (self.class(class), VOC_MAP[class])).collect(),
        }
    }

    fn graph(&self) -> Graph {
        type Row = (&'static str, &'static str, usize, &'static [usize], f64, usize);
        let stages: [Row; 12] = [
            ("train_set", "Dataset", 1, &[], 0.4, 1),
            ("val_set", "Dataset", 1, &[], 0.2, 1),
            ("backbone", "Weights", 1, &[], 12.0, 1),
            ("network", "Model", 7, &[2], 3.0, 0),
            ("training", "Train", 21, &[0, 3], 61_200.0, 14),
            ("validation", "Validate", 21, &[1, 4], 4_100.0, 14),
            ("prediction", "Predict", 7, &[1, 4], 900.0, 0),
            ("fields", "Erf", 7, &[4], 75.0, 0),
            ("cost", "Cost", 7, &[3], 310.0, 0),
            ("table", "Report", 1, &[5, 8], 0.3, 0),
            ("claims", "Claims", 1, &[5], 2.4, 0),
            ("page", "Page", 1, &[1, 5, 6, 7, 9, 10], 1.1, 0),
        ];
        let node = |(name, kind, count, reads, seconds, cached): (&str, &str, usize, &[usize], f64, usize)| GraphNode {
            name: self.text(name),
            kind: self.text(kind),
            count,
            reads: reads.to_vec(),
            seconds: Some(seconds),
            cached,
        };
        Graph { nodes: stages.map(node).to_vec() }
    }
}

const SAMPLE: Size = Size { classes: 8, methods: 3, images: 3, pixels: (120, 160), points: 600, tail: "" };

/// What would be a fault in any place of a page: an end of the script, an element that acts, quotes, a turn of the direction
/// of writing, an escape sequence, and an end of a line as JavaScript knows it.
const HOSTILE: &str = "</script><img src=x onerror=alert(1)>\"'&\u{202e}\u{1b}[31m\u{2028}";

fn written(name: &str, page: &Page) -> (String, Written) {
    let written = page.write();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pages");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(name), &written.bytes).unwrap();
    (String::from_utf8(written.bytes.clone()).unwrap(), written)
}

/// Each tag of a page: its name, and its attributes with their values. Texts of script and style are passed over.
fn tags(page: &str) -> Vec<(String, Vec<(String, String)>)> {
    let mut tags = Vec::new();
    let mut rest = page;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        // A `>` may stand in a quoted value.
        let mut quoted = false;
        let end = rest.find(|c| {
            quoted ^= c == '"';
            c == '>' && !quoted
        });
        let (tag, after) = rest.split_at(end.expect("a tag ends"));
        rest = &after[1..];
        // SVG closes an element without content in its own tag.
        let (tag, closed) = tag.strip_suffix('/').map_or((tag, false), |tag| (tag, true));
        let (name, mut attributes) = tag.split_once([' ', '\n']).unwrap_or((tag, ""));
        let mut found = Vec::new();
        while let Some((key, more)) = attributes.split_once("=\"") {
            let (value, more) = more.split_once('"').expect("a value ends");
            found.push((key.trim().to_owned(), value.to_owned()));
            attributes = more;
        }
        if ["script", "style"].contains(&name) {
            rest = &rest[rest.find(&format!("</{name}>")).expect("it ends")..];
        }
        tags.push((name.to_owned(), found));
        if closed {
            tags.push((format!("/{name}"), Vec::new()));
        }
    }
    tags
}

/// Holds that nothing in a page is loaded, acts by an attribute, or stays open.
fn hold_sound(page: &str) {
    let mut open: Vec<String> = Vec::new();
    let mut names: Vec<String> = Vec::new();
    for (name, attributes) in tags(page) {
        match name.strip_prefix('/') {
            Some(closed) => assert_eq!(open.pop().as_deref(), Some(closed)),
            None if ["!DOCTYPE", "meta", "img", "input", "br"].contains(&name.as_str()) => {}
            None => open.push(name.clone()),
        }
        let allowed = "/ !DOCTYPE html head meta title style body a header h1 h2 h3 p nav ol li main section ul details summary \
             div table caption thead tbody tr th td strong figure figcaption img pre code script svg g path rect line circle \
             text tspan polyline polygon image ellipse span defs clipPath use desc br";
        assert!(allowed.split_whitespace().any(|known| known == name.trim_start_matches('/')), "<{name}>");
        for (key, value) in attributes {
            assert!(key != "style" && !key.starts_with("on"), "<{name} {key}>");
            if ["href", "src", "xlink:href"].contains(&key.as_str()) {
                let inside = value.starts_with('#') || value.starts_with("data:image/");
                assert!(inside, "<{name} {key}={}>", &value[..value.len().min(80)]);
            }
            if key == "id" {
                names.push(value);
            }
        }
    }
    // Elements that HTML lets stay open are closed as well: maud writes them so, and so does SVG.
    assert!(open.is_empty(), "{open:?}");
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count, "two elements have one name");
}

#[test]
fn a_page_holds_all_that_it_is_given_and_allows_nothing_else() {
    let (page, written) = written("sample.html", &SAMPLE.page());
    hold_sound(&page);
    assert_eq!(written, SAMPLE.page().write(), "the same page gives the same bytes");
    assert!(written.warnings.is_empty(), "{:?}", written.warnings);
    // The policy is the first of the head: before it, nothing could be loaded.
    let head = page.split_once("<head>").unwrap().1;
    let policy = head.strip_prefix("<meta http-equiv=\"Content-Security-Policy\" content=\"").unwrap();
    let policy: Vec<&str> = policy.split_once('"').unwrap().0.split("; ").collect();
    assert_eq!(policy[0], "default-src 'none'");
    assert!(policy[1].starts_with("script-src 'sha256-") && policy[2].starts_with("style-src 'sha256-"), "{policy:?}");
    assert_eq!(policy[3..], ["img-src data:", "base-uri 'none'", "form-action 'none'"]);
    for part in [
        "<html lang=\"en\">",
        "<h1>PASCAL VOC: pre-filters of dilated convolutions</h1>",
        "<a href=\"#confusion\">Confusion</a>",
        "Of 4 claims, 1 holds, 1 fails, and 2 are undecided.",
        "Effect 1.83, interval from 0.92 to 2.75; claimed 0",
        "<th scope=\"row\">Regular</th>",
        "<strong>",
        "alt=\"truth of 2007_000033\"",
        "\u{d7}21",
        "17 h 00 min",
        "repro run pipelines/prefilters.ron --profile paper \\\n  --data voc=DIR",
        "The photographs of two images are left out",
    ] {
        assert!(page.contains(part), "{part} is not in the page");
    }
}

#[test]
fn hostile_texts_are_shown_and_do_nothing() {
    let hostile = Size { tail: HOSTILE, ..SAMPLE };
    let (page, written) = written("hostile.html", &hostile.page());
    hold_sound(&page);
    assert!(written.warnings.is_empty(), "{:?}", written.warnings);
    for raw in ["<img src=x", "</script><img", "\u{202e}", "\u{1b}", "\u{2028}"] {
        assert!(!page.contains(raw), "{raw:?} is in the page");
    }
    // As many elements as without: no text became one.
    let names = |page: &str| tags(page).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    let plain = String::from_utf8(SAMPLE.page().write().bytes).unwrap();
    let (hostile, plain) = (names(&page), names(&plain));
    for element in ["script", "img", "section", "a", "table", "td", "svg", "image"] {
        let count = |names: &[String]| names.iter().filter(|name| *name == element).count();
        assert_eq!(count(&hostile), count(&plain), "{element}");
    }
    assert!(page.matches("&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt;").count() > 100);
    assert!(page.contains("\\u202e\\u001b[31m\\u2028"));
}

#[test]
fn a_page_of_a_whole_data_set_is_small_and_a_larger_one_says_so() {
    let voc = Size { classes: 21, methods: 7, images: 20, pixels: (375, 500), points: 20_000, tail: "" };
    let mut large = voc.page();
    let (page, written) = written("voc.html", &large);
    hold_sound(&page);
    assert!(written.bytes.len() < 5_000_000, "{} bytes", written.bytes.len());
    assert!(written.warnings.is_empty(), "{:?}", written.warnings);

    // What cannot be shown is told of, and a page of many large images as well.
    let images = large.sections.iter_mut().flat_map(|section| &mut section.blocks).find_map(|block| match block {
        Block::Gallery(gallery) => Some(&mut gallery.images),
        _ => None,
    });
    let images = images.unwrap();
    let photos: Vec<_> = (0..2).map(|image| Some(Size { pixels: (600, 640), ..voc }.photo(image))).collect();
    images.iter_mut().for_each(|image| image.panels = [&photos[..]; 4].concat());
    images[0].panels[0] = Some(Panel::Photo { height: 2, width: 2, pixels: vec![0; 5] });
    let written = large.write();
    let [missing, size] = written.warnings.as_slice() else { panic!("{:?}", written.warnings) };
    assert!(missing.contains("`input` of `2007_000033` is not shown: the image is of 2 x 2 pixels"), "{missing}");
    assert!(size.starts_with("The page is large: ") && size.contains("Ask for fewer images."), "{size}");
}

#[test]
fn nothing_is_a_page_as_well() {
    let (page, _) = written("empty.html", &Page::default());
    hold_sound(&page);
    let blocks = vec![
        Block::Verdicts(Vec::new()),
        Block::Table(Grid::default()),
        Block::Gallery(Gallery::default()),
        Block::Graph(Graph::default()),
        Block::Code(String::new()),
        Block::Text(String::new()),
    ];
    let section = Section { id: "a b".to_owned(), blocks, ..Section::default() };
    let (page, _) = written("bare.html", &Page { sections: vec![section.clone(), section], ..Page::default() });
    hold_sound(&page);
}
