//! `Curves`: how trainings went, as pictures.

use plotters::prelude::*;

use crate::params;
use crate::stage::params::Ref;
use crate::stage::{Extents, Job, NodeSpec, Output, ParamFault, Produced, StageError, TypedKind, Yield};

use super::history::{self, History, LOSS, MEAN_IOU, Phase, Points};
use super::yields::{FILES, METRICS, MODEL};

params! {
    /// Draws the course of trainings as SVG pictures. `loss.svg` has the loss of each step and the mean of each
    /// iteration. `miou.svg` has the running mean IoU of each training, and the mean IoU of each validation. All
    /// iterations of a training are one curve. Several trainings share a picture.
    pub struct CurvesParams {
        /// The trainings and validations. Every iteration of each is drawn.
        from: Vec<Ref>, where to(&[MODEL, METRICS]).nonempty();
    }
}

/// The losses.
const LOSSES: Output = Output::file("loss", "loss.svg", "The losses of the trainings. Validations alone have none.")
    .optional()
    .published();

/// The mean IoUs.
const MEAN_IOUS: Output = Output::file("miou", "miou.svg", "The mean IoUs of trainings and validations.").published();

/// The kind.
pub struct Curves;

impl TypedKind for Curves {
    type Params = CurvesParams;
    const NAME: &'static str = "Curves";
    const VERSION: u32 = 1;
    const YIELDS: Yield = FILES;
    const OUTPUTS: &'static [Output] = &[LOSSES, MEAN_IOUS];
    const EXAMPLE: &'static str = r#""curves": Curves(from: ["train", "validate"]),"#;

    fn expand(&self, p: &CurvesParams, extents: &dyn Extents) -> Result<Vec<NodeSpec>, Vec<ParamFault>> {
        Ok(vec![history::node(&p.from, extents)])
    }

    fn run(&self, _: &CurvesParams, job: &Job<'_>) -> Result<Produced, StageError> {
        let histories = history::open(job)?;
        let mut produced = Produced::default();
        let pictures = [
            (LOSSES, "loss", SeriesLabelPosition::UpperRight, losses(&histories)),
            (MEAN_IOUS, "mean IoU", SeriesLabelPosition::LowerRight, mean_ious(&histories)),
        ];
        for (output, title, legend, lines) in pictures {
            // Validations alone have no loss.
            if !lines.is_empty() {
                let picture = draw(title, legend, &lines).map_err(|error| {
                    StageError::Bug(format!("The picture of the {title} cannot be drawn: {error}."))
                })?;
                output.write(job, &mut produced, picture.as_bytes())?;
            }
        }
        Ok(produced)
    }
}

/// Width and height of a picture in pixels.
const SIZE: (u32, u32) = (960, 540);

/// A line of a picture.
#[derive(Debug, Clone, PartialEq)]
struct Line {
    /// What the legend says of it; nothing where another line of the same colour says it.
    name: Option<String>,
    /// The number of its colour.
    colour: usize,
    weight: Weight,
    points: Points,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weight {
    /// Single steps, pale.
    Pale,
    /// What sums them up.
    Bold,
    /// Figures that stand for themselves: bold, with a dot each.
    Dots,
}

/// The loss of each step, and over it the mean of each iteration as a stair.
fn losses(histories: &[History]) -> Vec<Line> {
    let mut lines = Vec::new();
    for history in histories.iter().filter(|history| history.phase == Phase::Training) {
        let colour = colour(histories, history);
        let curves = || history.parts.iter().map(|part| part.curve(LOSS));
        let points = curves().flatten().copied().collect();
        lines.push(Line { name: None, colour, weight: Weight::Pale, points });
        let points = curves().flat_map(stair).collect();
        lines.push(Line { name: Some(name(histories, history)), colour, weight: Weight::Bold, points });
    }
    lines
}

/// The mean of a curve from its first step to its last.
fn stair(curve: &[(u64, f64)]) -> Points {
    let (Some(first), Some(last)) = (curve.first(), curve.last()) else { return Vec::new() };
    let mean = curve.iter().map(|(_, value)| value).sum::<f64>() / curve.len() as f64;
    vec![(first.0, mean), (last.0, mean)]
}

/// The running mean IoU of trainings, and that of validations.
fn mean_ious(histories: &[History]) -> Vec<Line> {
    let line = |history: &History| Line {
        name: Some(name(histories, history)),
        colour: colour(histories, history),
        weight: if history.phase == Phase::Training { Weight::Pale } else { Weight::Dots },
        points: history.parts.iter().flat_map(|part| part.curve(MEAN_IOU)).copied().collect(),
    };
    histories.iter().map(line).collect()
}

/// A training and its validations have one colour.
fn colour(histories: &[History], history: &History) -> usize {
    histories.iter().position(|other| other.name == history.name).unwrap_or_default()
}

fn name(histories: &[History], history: &History) -> String {
    let word = history.phase.word();
    match histories.iter().filter(|other| other.phase == history.phase).count() {
        1 => word.to_owned(),
        _ => format!("{word} {}", history.name),
    }
}

/// An SVG picture of lines over steps, with the legend where lines seldom are.
fn draw(title: &str, legend: SeriesLabelPosition, lines: &[Line]) -> Result<String, Box<dyn std::error::Error>> {
    let finite = || lines.iter().flat_map(|line| &line.points).filter(|(_, value)| value.is_finite());
    let end = finite().map(|(step, _)| *step).max().unwrap_or(0).max(1) as f64;
    let top = finite().map(|(_, value)| *value).fold(0.0, f64::max);
    let top = if top > 0.0 { 1.05 * top } else { 1.0 };
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        root.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&root)
            .margin(12)
            .margin_right(24)
            .caption(title, ("sans-serif", 20))
            .x_label_area_size(40)
            .y_label_area_size(56)
            .build_cartesian_2d(0.0..end, 0.0..top)?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .label_style(("sans-serif", 14))
            .x_desc("step")
            .y_desc(title)
            .draw()?;
        for line in lines {
            let colour = Palette99::pick(line.colour).to_rgba();
            let style = match line.weight {
                Weight::Pale => colour.mix(0.4).stroke_width(1),
                Weight::Bold | Weight::Dots => colour.stroke_width(2),
            };
            let points: Vec<(f64, f64)> = thinned(&line.points, end);
            if line.weight == Weight::Dots {
                chart.draw_series(points.iter().map(|&point| Circle::new(point, 3, colour.filled())))?;
            }
            let series = chart.draw_series(LineSeries::new(points, style))?;
            if let Some(name) = &line.name {
                series.label(name).legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 20, y)], style));
            }
        }
        chart
            .configure_series_labels()
            .label_font(("sans-serif", 14))
            .position(legend)
            .background_style(WHITE.mix(0.8))
            .border_style(BLACK.mix(0.2))
            .draw()?;
        root.present()?;
    }
    Ok(svg)
}

/// The points that can be seen: of those in a column of pixels the first, the least, the greatest and the last.
fn thinned(points: &[(u64, f64)], end: f64) -> Vec<(f64, f64)> {
    let points: Vec<(f64, f64)> =
        points.iter().filter(|(_, value)| value.is_finite()).map(|&(step, value)| (step as f64, value)).collect();
    let column = |point: &(f64, f64)| (point.0 / end * f64::from(SIZE.0)) as u32;
    let mut thin = Vec::new();
    for chunk in points.chunk_by(|a, b| column(a) == column(b)) {
        let by_value = |a: &&(f64, f64), b: &&(f64, f64)| a.1.total_cmp(&b.1);
        let extremes = [chunk.first(), chunk.iter().min_by(by_value), chunk.iter().max_by(by_value), chunk.last()];
        let mut kept: Vec<(f64, f64)> = extremes.into_iter().flatten().copied().collect();
        kept.sort_by(|a, b| a.0.total_cmp(&b.0));
        kept.dedup();
        thin.extend(kept);
    }
    thin
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::history::Part;
    use super::*;

    fn history(phase: Phase, name: &str, curves: &[(&str, &[f64])]) -> History {
        let parts = [0, 10].map(|first| Part {
            slot: String::new(),
            curves: curves
                .iter()
                .map(|(tag, values)| ((*tag).to_owned(), (first..).zip(values.iter().copied()).collect()))
                .collect::<BTreeMap<_, _>>(),
        });
        History { phase, name: name.to_owned(), parts: parts.into() }
    }

    #[test]
    fn a_loss_has_its_steps_and_the_mean_of_each_iteration() {
        let histories = [history(Phase::Training, "a", &[(LOSS, &[3.0, 1.0])]), history(Phase::Validation, "a", &[])];
        let lines = losses(&histories);
        assert_eq!(lines[0].points, [(0, 3.0), (1, 1.0), (10, 3.0), (11, 1.0)]);
        assert_eq!(lines[1].points, [(0, 2.0), (1, 2.0), (10, 2.0), (11, 2.0)]);
        assert_eq!(lines[1].name.as_deref(), Some("train"));
        assert!(losses(&histories[1..]).is_empty());
    }

    #[test]
    fn a_training_and_its_validations_share_a_colour() {
        let all = [(Phase::Training, "a"), (Phase::Training, "b"), (Phase::Validation, "b")];
        let histories = all.map(|(phase, name)| history(phase, name, &[(MEAN_IOU, &[0.5])]));
        let lines = mean_ious(&histories);
        assert_eq!(lines.iter().map(|line| line.colour).collect::<Vec<_>>(), [0, 1, 1]);
        let names: Vec<&str> = lines.iter().filter_map(|line| line.name.as_deref()).collect();
        assert_eq!(names, ["train a", "train b", "validation"]);
    }

    #[test]
    fn thinning_keeps_what_can_be_seen() {
        let points: Points =
            (0..10_000).map(|step| (step, if step == 5005 { 9.0 } else { (step % 7) as f64 })).collect();
        let thin = thinned(&points, 9999.0);
        assert!(thin.len() < 4 * 961 && thin.contains(&(5005.0, 9.0)) && thin[0] == (0.0, 0.0), "{}", thin.len());
        assert!(thin.is_sorted_by(|a, b| a.0 <= b.0));
        assert_eq!(thinned(&[(0, f64::NAN), (1, 2.0)], 1.0), [(1.0, 2.0)]);
    }

    #[test]
    fn pictures_are_the_same_each_time_even_of_nothing() {
        let line = Line { name: Some("<a>".to_owned()), colour: 7, weight: Weight::Dots, points: vec![(3, 0.5)] };
        let draw = |line: &Line| draw("loss", SeriesLabelPosition::UpperRight, std::slice::from_ref(line)).unwrap();
        let svg = draw(&line);
        assert_eq!(svg, draw(&line));
        assert!(svg.starts_with("<svg") && svg.contains("<circle") && svg.contains("&lt;a&gt;"), "{svg}");
        assert!(draw(&Line { points: Vec::new(), ..line }).trim_end().ends_with("</svg>"));
    }
}
