//! What a pipeline may state of a report.

use super::published::{PublishedFigure, PublishedTable};
use crate::params;
use crate::stage::Format;
use crate::stage::params::Ref;
use crate::stages::yields::{ERF, METRICS};

params! {
    /// Gathers the figures of validations and effective receptive fields into one table. It has a row for each model,
    /// data set and way of inference. The figures are the mean IoU, the pixel accuracy, the mean IoU of the best
    /// constant prediction, the IoU of each class (all in percent), and those of the effective receptive field. Models
    /// and data sets are named by the first digits of their digests, as in `repro show`. If a stage is in several cells
    /// of a matrix, all of them are gathered. An axis whose values no other column shows has a column of its own.
    /// `validate[10]` gathers one iteration alone.
    pub struct ReportParams {
        /// The stages to gather, also of other runs, as `run:voc_regular/validate`. Rows stand in the order of their
        /// first mention.
        from: Vec<Ref>, where to(&[METRICS, ERF]).nonempty();
        /// Axes of the matrix to average over. If any are stated, a second table `means` has the mean and the standard
        /// deviation (over n - 1) of each figure. Each of its rows averages the rows of one stage and iteration that
        /// agree in all other axes, and states their number n. A mean is missing if one of these rows lacks the figure.
        over: Vec<String> = Vec::new();
        /// Figures that others published, to compare with. Each is a row of its own below the others, which the column
        /// `published` names; the column `source` says where it is from. The means leave these rows out.
        published: Vec<PublishedFigure> = Vec::new(), where since("0.1.0");
        /// Tables that others published, to compare with. Their rows are shown as those of `published`, and below them.
        published_tables: Vec<PublishedTable> = Vec::new(), where since("0.1.0");
        /// The formats of the tables in the results.
        formats: Vec<TableFormat> = vec![TableFormat::Markdown {}, TableFormat::Csv {}],
            where unkeyed();
        /// The digits after the point in Markdown, in LaTeX and on the terminal.
        digits: u8 = 1, where max(12.0).unkeyed();
        /// Whether the tables are printed at the end of a run.
        print: bool = true, where unkeyed();
    }

    /// A format of tables.
    pub enum TableFormat {
        /// Markdown.
        Markdown {}
        /// LaTeX, with the package booktabs.
        Latex {}
        /// Comma-separated values, every digit kept.
        Csv {}
        /// Apache Parquet, every digit kept.
        Parquet {}
        /// HTML, a page of its own.
        Html {}
    }
}

impl TableFormat {
    /// The format as the contract names it.
    pub fn format(&self) -> Format {
        match self {
            TableFormat::Markdown {} => Format::Markdown,
            TableFormat::Latex {} => Format::Latex,
            TableFormat::Csv {} => Format::Csv,
            TableFormat::Parquet {} => Format::Parquet,
            TableFormat::Html {} => Format::Html,
        }
    }
}
