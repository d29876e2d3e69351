//! The kind `Figure` through the real program.

use crate::harness::{Bench, files, two_methods};

/// What two methods cost, and all pictures of them.
const STAGES: &str = r#"
        "cost": Cost(
            model: DeepLabV2(encoder: Tiny, classes: 6, prefilter: Regular), batch: 1, crop: (33, 33), repeats: 2, rounds: 1,
        ),
        "bars": Figure(from: ["validate"], over: ["seed"], show: Bars, names: {"Regular": "baseline"}),
        "loss": Figure(from: ["train"], over: ["seed"], show: Curves(of: Loss)),
        "miou": Figure(from: ["train", "validate"], over: ["seed"], show: Curves(), title: "A <title>"),
        "confusion": Figure(from: ["validate[prefilter=Average]"], over: ["seed"], show: Confusion),
        "fields": Figure(from: ["erf"], over: ["seed"], show: Erf, width_pt: 505.0),
        "images": Figure(from: ["validate", "predict", "others"], over: ["seed"], show: Images(count: 2)),
        "scatter": Figure(from: ["validate", "cost"], over: ["seed"], show: CostAgainstIou()),"#;

const PICTURES: [&str; 7] = ["bars", "loss", "miou", "confusion", "fields", "images", "scatter"];

fn drawn() -> Bench {
    let bench = Bench::new();
    bench.write("drawn.ron", two_methods("drawn", &["train.model.prefilter", "cost.model.prefilter"], STAGES));
    bench
}

#[test]
fn each_picture_is_an_svg_and_a_png_with_the_same_bytes_for_any_number_of_threads() {
    let (one, other) = (drawn(), drawn());
    one.ok("run drawn.ron --threads 1");
    other.ok("run drawn.ron --threads 4 --oversubscribe");
    for name in PICTURES {
        assert_eq!(files(&one.path(&format!("results/drawn/{name}"))), ["figure.png", "figure.svg"], "{name}");
        let file = |kind: &str| std::fs::read(one.path(&format!("results/drawn/{name}/figure.{kind}"))).unwrap();
        let (svg, png) = (String::from_utf8(file("svg")).unwrap(), file("png"));
        assert!(svg.starts_with("<svg ") && !svg.contains("<text") && svg.ends_with("</svg>"), "{name}: {svg}");
        let info = png::Decoder::new(std::io::Cursor::new(&png)).read_info().unwrap().info().clone();
        let points = if name == "fields" { 505.0 } else { 345.0 };
        assert_eq!(info.width, (points / 72.0 * 300.0_f64).ceil() as u32, "{name}");
        // A cost is measured, so it is not the same twice.
        if name != "scatter" {
            for output in ["svg", "png"] {
                let digest = |bench: &Bench| bench.digests()[&format!("{name}.{output}")].clone();
                assert_eq!(digest(&one), digest(&other), "{name}.{output}");
            }
        }
    }
    let title = std::fs::read_to_string(one.path("results/drawn/miou/figure.svg")).unwrap();
    assert!(title.contains("<title>A &lt;title&gt;</title>"), "{title}");
}

#[test]
fn what_cannot_be_drawn_is_told() {
    let bench = drawn();
    bench.edit(
        "drawn.ron",
        r#"from: ["train"], over: ["seed"], show: Curves(of: Loss)"#,
        r#"from: ["train"], show: Bars"#,
    );
    let told = bench.call("run drawn.ron");
    assert_eq!(told.code, Some(2), "{}", told.all());
    assert!(told.all().contains("This picture needs a validation, and `from` names none."), "{}", told.all());
    let bench = drawn();
    bench.edit("drawn.ron", r#"["validate[prefilter=Average]"]"#, r#"["validate"]"#);
    bench.edit("drawn.ron", r#"{"Regular": "baseline"}"#, r#"{"Regulr": "baseline"}"#);
    let told = bench.call("run drawn.ron --only confusion,bars");
    assert!(
        told.code != Some(0) && told.all().contains("give 2 such pictures: `Regular`, `Average`"),
        "{}",
        told.all()
    );
    assert!(told.all().contains("`names` has `Regulr`, which is nothing in the picture."), "{}", told.all());
}
