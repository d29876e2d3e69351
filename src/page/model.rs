//! A page as a plain value: sections of blocks. Nothing here is escaped yet.

use crate::figure::{Chart, Panel};

/// A report page.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Page {
    /// The title.
    pub title: String,
    /// One sentence below it: which runs, of which pipelines.
    pub lead: String,
    /// The sections, in order. Empty ones are left out by whoever gathers.
    pub sections: Vec<Section>,
    /// What was left out, and why, as sentences.
    pub notes: Vec<String>,
}

/// A section.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Section {
    /// Its anchor, as `claims`: ASCII letters, digits and `-`.
    pub id: String,
    /// Its title.
    pub title: String,
    /// What it shows and how to read it, in a sentence or two.
    pub lead: String,
    /// What it shows.
    pub blocks: Vec<Block>,
    /// Whether it is closed at first, as `<details>`.
    pub folded: bool,
}

/// A part of a section.
#[derive(Debug, Clone, PartialEq)]
pub enum Block {
    /// Verdicts of claims.
    Verdicts(Vec<Card>),
    /// A table that can be sorted and filtered.
    Table(Grid),
    /// A picture that is drawn, with its values as hover text.
    Figure(Figure),
    /// Images in rows.
    Gallery(Gallery),
    /// The stages and what they wait for.
    Graph(Graph),
    /// Commands or a file's text, to be copied.
    Code(String),
    /// A paragraph.
    Text(String),
}

/// A claim and its verdict.
#[derive(Debug, Clone, PartialEq)]
pub struct Card {
    /// The verdict.
    pub verdict: Standing,
    /// What is claimed.
    pub that: String,
    /// What the verdict rests on, in sentences.
    pub because: Vec<String>,
    /// The effect with its interval, and the value that was claimed: drawn as a line with a bar. In one unit.
    pub effect: Option<(f64, (f64, f64), f64)>,
}

/// How a claim stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It holds.
    Holds,
    /// It fails.
    Fails,
    /// The data do not decide.
    Undecided,
}

/// A picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// What is said below it.
    pub caption: String,
    /// The picture.
    pub chart: Chart,
}

/// A table.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Grid {
    /// What is said above it.
    pub caption: String,
    /// The heads of the columns. What numbers are in is right-aligned, and sorts as numbers.
    pub heads: Vec<String>,
    /// The rows.
    pub rows: Vec<Vec<Cell>>,
    /// What is said below it.
    pub notes: Vec<String>,
}

/// A cell of a table.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cell {
    /// What it shows.
    pub text: String,
    /// What it sorts by, where that is a number.
    pub number: Option<f64>,
    /// Whether it is the best of its column.
    pub best: bool,
}

/// Images in rows, each with its panels.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Gallery {
    /// By which rule the images were chosen, in a sentence.
    pub rule: String,
    /// The heads of the panels, as `input`, `truth`, `Regular`, `Regular: errors`.
    pub heads: Vec<String>,
    /// The images.
    pub images: Vec<GalleryImage>,
    /// The names and colours of the classes that occur.
    pub legend: Vec<(String, [u8; 3])>,
}

/// An image of a gallery.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GalleryImage {
    /// The name of the image.
    pub name: String,
    /// Why it is here, as `where Average and Regular differ most`.
    pub why: String,
    /// Figures of the image, as `mIoU: Regular 41.2, Average 55.0`.
    pub figures: String,
    /// The panels.
    pub panels: Vec<Option<Panel>>,
}

/// The stages of a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Graph {
    /// The stages, inputs before what reads them. The cells of a matrix are one node.
    pub nodes: Vec<GraphNode>,
}

/// A stage of a graph.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GraphNode {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// How many cells and iterations it stands for.
    pub count: usize,
    /// The places in the list of what it reads.
    pub reads: Vec<usize>,
    /// The seconds it took in all; none where that is not known.
    pub seconds: Option<f64>,
    /// How many of its nodes were found in the store.
    pub cached: usize,
}
