//! Renderings of tables for people and for other programs. None of them is a table's identity.

use super::error::Error;
use super::frame::Table;
use super::html::html;
use super::interchange::{csv, parquet};
use super::latex;
use super::layout::Layout;
use super::markdown::markdown;
use super::sheet::Sheet;
use super::text::Style;

/// A format that tables are written in.
pub struct TableFormat {
    /// The name in a pipeline.
    pub name: &'static str,
    /// The extension of its files.
    pub extension: &'static str,
    /// The version of the rendering. It is raised when the bytes of a table change.
    pub version: u32,
    /// Writes a table.
    pub render: fn(&Table, &Style) -> Result<Vec<u8>, Error>,
}

/// Every format; a new one is an entry here.
pub static FORMATS: &[TableFormat] = &[
    TableFormat {
        name: "Markdown",
        extension: "md",
        version: 2,
        render: |table, style| Ok(markdown(&Sheet::new(table, style)?, style.caption(), &style.notes).into_bytes()),
    },
    TableFormat {
        name: "Latex",
        extension: "tex",
        version: 3,
        render: |table, style| Ok(latex(table, style)?.into_bytes()),
    },
    TableFormat { name: "Csv", extension: "csv", version: 2, render: |table, _| csv(table) },
    TableFormat { name: "Parquet", extension: "parquet", version: 2, render: |table, _| parquet(table) },
    TableFormat {
        name: "Html",
        extension: "html",
        version: 1,
        render: |table, style| Ok(html(&Sheet::new(table, style)?, style.caption(), &style.notes).into_bytes()),
    },
];

/// The table in LaTeX: in a paper's form where it has a layout, and where it would not fit the text of an article.
fn latex(table: &Table, style: &Style) -> Result<String, Error> {
    let sheet = Sheet::new(table, style)?;
    Ok(match &style.layout {
        Some(layout) if !sheet.heads.is_empty() => latex::paper(&sheet, layout, &style.notes),
        None if !latex::fits(&sheet, &style.notes) => latex::paper(&sheet, &Layout::default(), &style.notes),
        _ => latex::plain(&sheet, &style.notes),
    })
}

/// The format with that name or extension.
pub fn format(name: &str) -> Option<&'static TableFormat> {
    FORMATS.iter().find(|format| format.name == name || format.extension == name)
}

#[cfg(test)]
mod tests {
    use polars::prelude::{ParquetReader, SerReader};

    use super::super::testing::{random, sample};
    use super::*;

    fn render(name: &str) -> String {
        let style = Style::default().with("iou", 2);
        String::from_utf8((format(name).unwrap().render)(&sample(), &style).unwrap()).unwrap()
    }

    #[test]
    fn every_format_renders_every_table() {
        for format in FORMATS {
            assert!(std::ptr::eq(super::format(format.extension).unwrap(), format));
            for index in 0..20 {
                let bytes = (format.render)(&random(index), &Style::default()).unwrap();
                assert!(!bytes.is_empty(), "{} {index}", format.name);
            }
        }
    }

    #[test]
    fn markdown_is_aligned_and_escaped() {
        assert_eq!(
            render("Markdown"),
            "| class        | pixels |  iou | seen |\n\
             | ------------ | -----: | ---: | ---- |\n\
             | dog          |     12 | 0.62 | yes  |\n\
             | a\\|b, \"c\" _% |      – |  NaN | no   |\n\
             | –            |     -3 | 0.10 | –    |\n\
             |              |      0 |    – | yes  |\n"
        );
    }

    #[test]
    fn latex_uses_booktabs_and_escapes() {
        assert_eq!(
            render("tex"),
            "\\begin{tabular}{lrrl}\n\\toprule\nclass & pixels & iou & seen \\\\\n\\midrule\n\
             dog & 12 & 0.62 & yes \\\\\n\
             a\\textbar{}b, \"c\" \\_\\% & -- & NaN & no \\\\\n\
             -- & -3 & 0.10 & -- \\\\\n \
             & 0 & -- & yes \\\\\n\\bottomrule\n\\end{tabular}\n"
        );
    }

    #[test]
    fn notes_stand_below_tables_for_people_and_not_in_those_for_programs() {
        let style = Style { notes: vec!["No pixel is of a_b & c.".to_owned()], ..Style::default() };
        let rendered = |name: &str| (format(name).unwrap().render)(&sample(), &style).unwrap();
        let text = |name: &str| String::from_utf8(rendered(name)).unwrap();
        assert!(text("md").ends_with("|\n\nNo pixel is of a_b & c.\n"), "{}", text("md"));
        let latex =
            "\\bottomrule\n\\multicolumn{4}{l}{\\footnotesize No pixel is of a\\_b \\& c.} \\\\\n\\end{tabular}\n";
        assert!(text("tex").ends_with(latex), "{}", text("tex"));
        assert!(crate::table::to_terminal(&sample(), &style, None).unwrap().ends_with("\nNo pixel is of a_b & c.\n"));
        for name in ["csv", "parquet"] {
            assert_eq!(rendered(name), (format(name).unwrap().render)(&sample(), &Style::default()).unwrap());
        }
    }

    #[test]
    fn csv_keeps_every_digit_and_quotes() {
        assert_eq!(
            render("csv"),
            "class,pixels,iou,seen\ndog,12,0.625,true\n\"a|b, \"\"c\"\"\n_%\",,NaN,false\n,-3,0.1,\n\"\",0,,true\n"
        );
    }

    #[test]
    fn parquet_reads_back_equal() {
        for index in 0..20 {
            let table = random(index);
            let bytes = (format("parquet").unwrap().render)(&table, &Style::default()).unwrap();
            let frame = ParquetReader::new(std::io::Cursor::new(bytes)).finish().unwrap();
            assert_eq!(Table::from_frame(frame).unwrap(), table, "{index}");
        }
    }
}
