//! What a picture shows, as plain values. All values are finite; what a source lacks is left out.

/// A picture of one sort.
#[derive(Debug, Clone, PartialEq)]
pub enum Chart {
    /// Lines over steps.
    Curves(Curves),
    /// Bars with intervals.
    Bars(Bars),
    /// A confusion matrix.
    Confusion(Confusion),
    /// Maps side by side, on one scale.
    Maps(Maps),
    /// Images in rows and columns.
    Grid(Grid),
    /// Points in a plane.
    Scatter(Scatter),
}

impl Chart {
    /// What the picture is.
    pub fn title(&self) -> &str {
        match self {
            Chart::Curves(chart) => &chart.title,
            Chart::Bars(chart) => &chart.title,
            Chart::Confusion(chart) => &chart.title,
            Chart::Maps(chart) => &chart.title,
            Chart::Grid(chart) => &chart.title,
            Chart::Scatter(chart) => &chart.title,
        }
    }

    /// Says otherwise what the picture is.
    pub fn set_title(&mut self, title: &str) {
        let stated = match self {
            Chart::Curves(chart) => &mut chart.title,
            Chart::Bars(chart) => &mut chart.title,
            Chart::Confusion(chart) => &mut chart.title,
            Chart::Maps(chart) => &mut chart.title,
            Chart::Grid(chart) => &mut chart.title,
            Chart::Scatter(chart) => &mut chart.title,
        };
        title.clone_into(stated);
    }

    /// What methods and classes are called.
    pub fn labels_mut(&mut self) -> Vec<&mut String> {
        match self {
            Chart::Curves(chart) => chart.curves.iter_mut().map(|curve| &mut curve.label).collect(),
            Chart::Bars(chart) => {
                chart.series.iter_mut().chain(chart.groups.iter_mut().map(|(name, _)| name)).collect()
            }
            Chart::Confusion(chart) => chart.classes.iter_mut().collect(),
            Chart::Maps(chart) => chart.maps.iter_mut().map(|map| &mut map.label).collect(),
            Chart::Grid(chart) => {
                chart.columns.iter_mut().chain(chart.legend.iter_mut().map(|(name, _)| name)).collect()
            }
            Chart::Scatter(chart) => chart.points.iter_mut().map(|point| &mut point.label).collect(),
        }
    }
}

/// Lines over steps: losses, mean IoUs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Curves {
    /// What the picture is.
    pub title: String,
    /// What the horizontal axis counts, as `step`.
    pub x: String,
    /// What the vertical axis shows, as `mean IoU (%)`.
    pub y: String,
    /// The lines, in the order of their colours.
    pub curves: Vec<Curve>,
}

/// A line: one training, or the mean of several with a band.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Curve {
    /// What the legend says.
    pub label: String,
    /// The points as they were recorded, by step. They are drawn pale.
    pub raw: Vec<(f64, f64)>,
    /// The line that sums the points up, by step. It is drawn bold. Empty: the raw points are drawn bold.
    pub smooth: Vec<(f64, f64)>,
    /// The least and the greatest value of several seeds at a step, as `(step, least, greatest)`.
    pub band: Vec<(f64, f64, f64)>,
    /// Single figures at steps, as validations: drawn as dots.
    pub dots: Vec<(f64, f64)>,
}

/// Bars with intervals: the IoU of each class, for one or several methods.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Bars {
    /// What the picture is.
    pub title: String,
    /// What the bars show, as `IoU (%)`.
    pub y: String,
    /// The methods, in the order of their colours.
    pub series: Vec<String>,
    /// The groups, as classes: a name, and a bar for each of the series; none where a method lacks it.
    pub groups: Vec<(String, Vec<Option<Bar>>)>,
    /// What the intervals are, as `95 % interval over 15 images`. Empty: there are none.
    pub interval: String,
}

/// One bar.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Bar {
    /// Its height.
    pub value: f64,
    /// The least and the greatest end of its interval.
    pub interval: Option<(f64, f64)>,
}

/// A confusion matrix. Rows are true classes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Confusion {
    /// What the picture is.
    pub title: String,
    /// The names of the classes.
    pub classes: Vec<String>,
    /// The pixels by true class, then by predicted class.
    pub pixels: Vec<Vec<u64>>,
}

/// Maps side by side, on one scale: the effective receptive fields of several types.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Maps {
    /// What the picture is.
    pub title: String,
    /// What the colour scale shows.
    pub scale: String,
    /// The maps, from left to right.
    pub maps: Vec<Map>,
}

/// A map of values that are not negative.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Map {
    /// Its name, as `Average`.
    pub label: String,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// The values, row by row.
    pub values: Vec<f64>,
    /// What is said below it, as figures.
    pub notes: Vec<String>,
}

/// Images in rows and columns: the qualitative figure of a paper.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Grid {
    /// What the picture is.
    pub title: String,
    /// The heads of the columns, as `input`, `truth`, `Regular`.
    pub columns: Vec<String>,
    /// A row for each image.
    pub rows: Vec<GridRow>,
    /// The names and colours of the classes that occur.
    pub legend: Vec<(String, [u8; 3])>,
}

/// A row of a grid.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GridRow {
    /// The name of the image.
    pub label: String,
    /// Why it was chosen, as `best`.
    pub why: String,
    /// A picture for each column; none where there is none.
    pub panels: Vec<Option<Panel>>,
}

/// A picture of pixels.
#[derive(Debug, Clone, PartialEq)]
pub enum Panel {
    /// A photograph: 3 bytes a pixel, row by row.
    Photo {
        /// Rows.
        height: usize,
        /// Columns.
        width: usize,
        /// Red, green and blue.
        pixels: Vec<u8>,
    },
    /// A mask: the number of a colour for each pixel.
    Mask {
        /// Rows.
        height: usize,
        /// Columns.
        width: usize,
        /// The number of the colour of each pixel.
        pixels: Vec<u8>,
        /// The colours.
        palette: Vec<[u8; 3]>,
    },
}

/// Points in a plane: cost against mean IoU.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scatter {
    /// What the picture is.
    pub title: String,
    /// What the horizontal axis shows, with its unit.
    pub x: String,
    /// What the vertical axis shows, with its unit.
    pub y: String,
    /// The points.
    pub points: Vec<Point>,
}

/// The least and the greatest end of an interval, if there is one.
pub type Interval = Option<(f64, f64)>;

/// A point of a scatter.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Point {
    /// What it stands for.
    pub label: String,
    /// Its place.
    pub at: (f64, f64),
    /// The interval along each axis.
    pub intervals: (Interval, Interval),
}
