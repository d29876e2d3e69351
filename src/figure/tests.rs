//! Every sort of picture: the same bytes each time, valid, inside of its borders, with hostile text and strange figures.

use super::*;

const HOSTILE: &str = "</title><script>alert(1)</script> & \"quoted\" \u{1b}[31m 漢字 Ångström";

fn words(text: &str) -> String {
    text.to_owned()
}

fn curves(count: usize) -> Chart {
    let curve = |at: usize| {
        let value = |step: usize| 60.0 - 50.0 / (1.0 + step as f64 / (100.0 + 40.0 * at as f64));
        let raw = (1..=400).map(|step| ((50 * step) as f64, value(step) + (step * 7 % 11) as f64 / 4.0)).collect();
        let smooth = (1..=40).map(|part| ((500 * part) as f64, value(10 * part))).collect();
        let band = (1..=40).map(|part| ((500 * part) as f64, value(10 * part) - 2.0, value(10 * part) + 2.0)).collect();
        let dots = vec![(10_000.0, value(200)), (20_000.0, value(400) + 1.0)];
        Curve { label: format!("prefilter={at}"), raw, smooth, band, dots }
    };
    Chart::Curves(Curves {
        title: words("Mean IoU of the trainings"),
        x: words("step"),
        y: words("mean IoU (%)"),
        curves: (0..count).map(curve).collect(),
    })
}

fn bars(classes: usize, series: usize) -> Chart {
    let bar = |at: usize| {
        let value = (at * 37 % 90) as f64 + 5.0;
        (at % 11 != 5).then_some(Bar { value, interval: Some((value - 4.0, value + 3.0)) })
    };
    let group = |class: usize| (format!("class {class}"), (0..series).map(|at| bar(class * 3 + at)).collect());
    Chart::Bars(Bars {
        title: String::new(),
        y: words("IoU (%)"),
        series: (0..series).map(|at| format!("method {at}")).collect(),
        groups: (0..classes).map(group).collect(),
        interval: words("95 % interval over 15 images"),
    })
}

fn confusion(classes: usize) -> Chart {
    let pixels =
        |row: usize| (0..classes).map(|at| if at == row { 900 } else { (row * 13 + at * 7) as u64 % 40 }).collect();
    let mut rows: Vec<Vec<u64>> = (0..classes).map(pixels).collect();
    if let Some(row) = rows.get_mut(1) {
        row.fill(0);
    }
    let classes = (0..classes).map(|at| format!("class {at}")).collect();
    Chart::Confusion(Confusion { title: words("Confusion"), classes, pixels: rows })
}

fn maps(count: usize) -> Chart {
    let map = |at: usize| {
        let side = 21;
        let value = |i: usize| {
            let (y, x) = ((i / side) as f64 - 10.0, (i % side) as f64 - 10.0);
            if (i + at).is_multiple_of(3) { 0.0 } else { 1.0 / (1.0 + y * y + x * x) }
        };
        let values = (0..side * side).map(value).collect();
        Map { label: format!("Type {at}"), height: side, width: side, values, notes: vec![words("dead 32 %")] }
    };
    Chart::Maps(Maps { title: String::new(), scale: words("share (%)"), maps: (0..count).map(map).collect() })
}

fn grid(rows: usize) -> Chart {
    let (height, width) = (6, 8);
    let photo =
        Panel::Photo { height, width, pixels: (0..height * width * 3).map(|at| (at * 5 % 256) as u8).collect() };
    let palette = vec![[0; 3], [128, 0, 0], [0, 128, 0]];
    let mask = |shift: usize| {
        let pixels = (0..height * width).map(|at| ((at / 9 + shift) % 3) as u8).collect();
        Some(Panel::Mask { height, width, pixels, palette: palette.clone() })
    };
    let row = |at: usize| GridRow {
        label: format!("image {at}"),
        why: words("best"),
        panels: vec![Some(photo.clone()), mask(0), if at == 1 { None } else { mask(at) }],
    };
    Chart::Grid(Grid {
        title: String::new(),
        columns: ["input", "truth", "Regular"].map(words).into(),
        rows: (0..rows).map(row).collect(),
        legend: vec![(words("background"), [0; 3]), (words("road"), [128, 0, 0])],
    })
}

fn scatter(count: usize) -> Chart {
    let point = |at: usize| {
        let (x, y) = (10.0 + (at % 4) as f64 * 0.4, 50.0 + (at / 4) as f64);
        let intervals = (Some((x - 0.3, x + 0.2)), Some((y - 0.8, y + 0.8)));
        Point { label: format!("Method {at}"), at: (x, y), intervals }
    };
    Chart::Scatter(Scatter {
        title: String::new(),
        x: words("seconds a step"),
        y: words("mean IoU (%)"),
        points: (0..count).map(point).collect(),
    })
}

fn all() -> Vec<Chart> {
    vec![curves(3), bars(5, 2), confusion(5), maps(3), grid(3), scatter(5)]
}

/// Charts at the edges of what can be shown: nothing, one of each, many, and figures that do not exist.
fn strange() -> Vec<Chart> {
    let mut charts = vec![curves(0), bars(0, 0), confusion(0), maps(0), grid(0), scatter(0)];
    charts.extend([curves(1), bars(1, 1), confusion(1), maps(1), grid(1), scatter(1)]);
    charts.extend([curves(10), bars(21, 8), confusion(21), maps(9), grid(12), scatter(24)]);
    let nan = f64::NAN;
    let curve = Curve {
        label: words(HOSTILE),
        raw: vec![(7.0, 3.0)],
        smooth: vec![(7.0, nan)],
        band: vec![(7.0, 3.0, 4.0), (8.0, nan, nan)],
        dots: vec![(nan, nan), (7.0, f64::INFINITY)],
    };
    let title = HOSTILE.repeat(5);
    charts.push(Chart::Curves(Curves {
        title: title.clone(),
        x: title.clone(),
        y: title.clone(),
        curves: vec![curve],
    }));
    let bar = |value, interval| Some(Bar { value, interval });
    let groups =
        vec![(title.clone(), vec![bar(nan, None), None, bar(-3.0, Some((nan, 1.0))), bar(0.0, Some((-9.0, 9.0)))])];
    charts.push(Chart::Bars(Bars {
        title: title.clone(),
        y: title.clone(),
        series: vec![title.clone()],
        groups,
        interval: title.clone(),
    }));
    let classes = vec![title.clone(); 3];
    charts.push(Chart::Confusion(Confusion {
        title: title.clone(),
        classes,
        pixels: vec![vec![1, u64::from(u32::MAX)], vec![0]],
    }));
    let map = |height, width, values: Vec<f64>| Map {
        label: title.clone(),
        height,
        width,
        values,
        notes: vec![title.clone()],
    };
    let maps = vec![map(0, 0, vec![]), map(2, 3, vec![nan, -1.0]), map(9, 1, vec![0.0; 9])];
    charts.push(Chart::Maps(Maps { title: title.clone(), scale: title.clone(), maps }));
    let empty = Panel::Photo { height: 0, width: 0, pixels: vec![] };
    let short = Panel::Mask { height: 3, width: 3, pixels: vec![7], palette: vec![[1; 3]] };
    let row = GridRow { label: title.clone(), why: title.clone(), panels: vec![Some(empty), Some(short)] };
    charts.push(Chart::Grid(Grid {
        title: title.clone(),
        columns: vec![title.clone()],
        rows: vec![row],
        legend: vec![(title.clone(), [255; 3])],
    }));
    let point = |x, y| Point { label: title.clone(), at: (x, y), intervals: (Some((nan, nan)), None) };
    let points = vec![point(1.0, 1.0), point(1.0, 1.0), point(nan, 1.0)];
    charts.push(Chart::Scatter(Scatter { title: title.clone(), x: title.clone(), y: title, points }));
    charts
}

fn digest(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex()[..16].to_owned()
}

#[test]
fn pictures_keep_their_bytes() {
    let digests = |chart: &Chart| {
        let drawing = chart.draw(336.0);
        let svgs = [Look::Paper, Look::Page].map(|look| digest(drawing.svg(look).as_bytes()));
        format!("{} {} {} {}", drawing.sort, svgs[0], svgs[1], digest(&drawing.png(2.0).unwrap()))
    };
    let found: Vec<String> = all().iter().map(digests).collect();
    // Kinds that draw have versions: where a digest moves, theirs go up.
    insta::assert_snapshot!(found.join("\n"), @r"
    curves 1757d6e867d4bf1a 100a63ff1445fd16 3fbceda0ce829e36
    bars a64548dbeab3ddb4 7afcf1b2170a0d61 04762f0685a677ce
    confusion a02e236c50ae711c a9e6ad2dd87abecd 3690da2ccece00c5
    maps ebebd9b3ce2bb4ed 65f58b0f5d8f7d27 c5ae855702d6a9ec
    grid 1f8395783e1e02b9 8236477780a746df fa7264d822483e9f
    scatter 894e936613a832ba 58f7b25d6bacb97e af74f0b052618e8a
    ");
}

#[test]
fn bytes_are_the_same_for_any_number_of_threads() {
    use rayon::prelude::*;
    let bytes = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| all().par_iter().map(|chart| chart.draw(336.0).png(1.5).unwrap()).collect::<Vec<_>>())
    };
    assert_eq!(bytes(1), bytes(8));
}

/// An SVG without its `data:` addresses, in which any letters may stand.
fn without_images(svg: &str) -> String {
    let mut parts = svg.split(" href=\"");
    let first = parts.next().unwrap().to_owned();
    first + &parts.map(|rest| rest.split_once('"').unwrap().1).collect::<String>()
}

/// The places of a number after `name="` in an SVG.
fn numbers(svg: &str, name: &str) -> Vec<f64> {
    let start = format!(" {name}=\"");
    svg.split(&start).skip(1).filter_map(|rest| rest.split('"').next()?.parse().ok()).collect()
}

#[test]
fn every_picture_is_drawn_with_finite_places_and_nothing_that_a_page_forbids() {
    for chart in all().into_iter().chain(strange()) {
        for width in [200.0, 336.0, 900.0] {
            let drawing = chart.draw(width);
            let (wide, tall) = drawing.size();
            assert!(wide == width && tall.is_finite() && tall > 10.0, "{wide} {tall}");
            for look in [Look::Page, Look::Paper] {
                let svg = without_images(&drawing.svg(look));
                for wrong in ["NaN", "inf", "<script", "style", "\u{1b}", " id="] {
                    assert_eq!(svg.find(wrong), None, "{}: {wrong}", drawing.sort);
                }
                assert!(!svg.contains("<text") || look == Look::Page);
                let opened = svg.matches('<').count() - svg.matches("/>").count();
                assert_eq!(opened, 2 * svg.matches("</").count(), "{}: tags are not closed", drawing.sort);
                for x in ["x", "cx"].iter().flat_map(|name| numbers(&svg, name)) {
                    assert!((-1.0..=width + 1.0).contains(&x), "{} at {width}: x {x}", drawing.sort);
                }
                for y in ["y", "cy"].iter().flat_map(|name| numbers(&svg, name)) {
                    assert!((-1.0..=tall + 1.0).contains(&y), "{} at {width}: y {y} of {tall}", drawing.sort);
                }
            }
        }
        assert!(chart.draw(200.0).png(1.0).is_ok());
    }
}

#[test]
fn texts_lie_inside_of_the_picture_and_not_on_one_another() {
    use super::drawing::Shape;
    for chart in all().into_iter().chain([curves(10), bars(21, 2), confusion(21), maps(8), scatter(12)]) {
        for width in [336.0, 460.0, 672.0] {
            let drawing = chart.draw(width);
            let mut boxes: Vec<([f64; 4], String)> = Vec::new();
            for mark in drawing.seen(Look::Paper) {
                let Shape::Text { at, text, size, anchor, turned } = &mark.shape else { continue };
                let (x, y) = svg::start(*at, text, *size, *anchor, *turned);
                let (long, tall) = (font::width(text, *size), size * font::CAPITAL);
                let place = if *turned { [x - tall, y - long, x, y] } else { [x, y - tall, x + long, y] };
                let inside =
                    place[0] >= -0.5 && place[1] >= -0.5 && place[2] <= width + 0.5 && place[3] <= drawing.size().1;
                assert!(inside, "{} at {width}: `{text}` is cut: {place:?} of {:?}", drawing.sort, drawing.size());
                for (other, said) in &boxes {
                    let wide = place[2].min(other[2]) - place[0].max(other[0]);
                    let high = place[3].min(other[3]) - place[1].max(other[1]);
                    assert!(wide < 0.5 || high < 0.5, "{} at {width}: `{text}` lies on `{said}`", drawing.sort);
                }
                boxes.push((place, text.clone()));
            }
            assert!(!boxes.is_empty());
        }
    }
}

#[test]
fn what_the_font_lacks_is_told() {
    assert_eq!(curves(2).draw(300.0).missing(), Vec::<char>::new());
    let chart = Chart::Curves(Curves { title: words("漢字漢"), ..Curves::default() });
    assert_eq!(chart.draw(300.0).missing(), ['漢', '字']);
}

#[test]
fn a_page_has_titles_and_data_and_a_paper_has_neither() {
    let drawing = bars(2, 2).draw(300.0);
    let (page, paper) = (drawing.svg(Look::Page), drawing.svg(Look::Paper));
    assert!(page.contains("<title>class 0, method 0: IoU (%) 5, from 1 to 8</title>"), "{page}");
    assert!(page.contains("class=\"s1\"") && page.contains("data-series=\"1\"") && page.contains("currentColor"));
    assert!(!paper.contains("data-") && !paper.contains("class=") && !paper.contains("currentColor"));
    assert!(paper.contains("width=\"225pt\"") && paper.contains("#1c2ffb"));
    let cell = confusion(3).draw(300.0).svg(Look::Page);
    assert!(cell.contains("data-row=\"0\" data-column=\"0\" data-value=\"0.9"), "{cell}");
}
