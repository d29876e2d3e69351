//! What a pipeline may state of a report.

use std::collections::BTreeMap;

use super::published::{PublishedFigure, PublishedTable};
use crate::params;
use crate::stage::Format;
use crate::stage::params::Ref;
use crate::stages::yields::{CLAIMS, ERF, METRICS};

params! {
    /// Gathers the figures of validations and effective receptive fields into one table. It has a row for each model,
    /// data set and way of inference. The figures are the mean IoU, the pixel accuracy, the mean IoU of the best
    /// constant prediction, the boundary IoU, the IoU of each class (all in percent), and those of the effective receptive field. Models
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
        /// A table for a paper, beside the others: the chosen columns, a row for each method. It is printed in place of
        /// the others.
        paper: Option<Paper> = None, where since("0.1.0");
        /// Stages `Claims` whose verdicts a further table `claims` shows, one claim below the other.
        claims: Vec<Ref> = Vec::new(), where to(&[CLAIMS]).since("0.1.0");
        /// The formats of the tables in the results.
        formats: Vec<TableFormat> = vec![TableFormat::Markdown {}, TableFormat::Csv {}],
            where unkeyed();
        /// The digits after the point in Markdown, LaTeX and HTML, and on the terminal.
        digits: u8 = 1, where max(12.0).unkeyed();
        /// Whether the tables are printed at the end of a run.
        print: bool = true, where unkeyed();
    }

    /// A table for a paper. It has a row for each stage and cell of the matrix; the cells that differ in the axes of `over`
    /// alone are one row, whose figures are mean ± standard deviation. The best figure of each column is bold: the greatest,
    /// or the smallest where less is better (`ERF dead`, `ERF radius`). Published rows stand below the rows that they belong
    /// to, each with the difference between the two. CSV and Parquet keep every digit, and have columns of their own for
    /// deviations, for what is best, and for marks.
    pub struct Paper {
        /// The columns from left to right. Each is an axis of the matrix, a column of the wide table, as "mIoU" or
        /// "pixel accuracy", or "n", the number of averaged rows. "IoU" stands for the IoU of every class. `[]`: what tells
        /// the rows apart, "IoU" and "mIoU".
        columns: Vec<String> = Vec::new();
        /// What stands above columns in place of their names, as `{"prefilter": "Convolution", "IoU diningtable": "table"}`.
        /// The entry "IoU" names the group of all classes.
        names: BTreeMap<String, String> = BTreeMap::new();
        /// Which iterations have rows.
        rows: PaperRows = PaperRows::Last {};
        /// The row that all others are compared with, by labels of the matrix, as `{"prefilter": "Regular"}`. Each row is
        /// compared with the one that has these labels and agrees in all other axes. A dagger marks a figure whose
        /// difference is significant at the level of 5 %, after Holm's correction for all comparisons of the table. With
        /// several cells in `over` (seeds), seeds and images are resampled, and the statement is of the methods; with one,
        /// images are, and it is of the two trained models. The receptive field is compared
        /// over seeds alone. `{}`: no comparison.
        baseline: BTreeMap<String, String> = BTreeMap::new();
        /// The digits after the point. Figures that are the same in these digits are best together.
        digits: u8 = 1, where max(12.0);
        /// The caption; empty: none.
        caption: String = String::new();
        /// The name for `\ref` in LaTeX, as "tab:kdd"; empty: none.
        label: String = String::new();
        /// The width of the text that the LaTeX table has to fit. 345 points is that of the class `article`.
        width_pt: f64 = 345.0, where min(50.0).max(10000.0).unit("points");
        /// Whether rows are shown as columns, and columns as rows.
        transposed: bool = false;
    }

    /// Which iterations have rows.
    pub enum PaperRows {
        /// The last of each training.
        Last {}
        /// All of them. The column "iteration" tells them apart.
        All {}
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
