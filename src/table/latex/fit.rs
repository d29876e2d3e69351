//! How a table is made to fit the width of the text: in this order, by less space between columns, by smaller letters, and
//! by dealing its columns to several parts that stand below each other.
//!
//! Invariants:
//! - nothing is left out or abbreviated, and no letter is smaller than `\scriptsize`;
//! - each part has the columns that name the rows;
//! - the same table always gets the same form.

use super::super::sheet::Sheet;
use super::metrics::Size;

/// The space on each side of a column, in points: as LaTeX has it, and less.
const SPACES: [u32; 4] = [6, 5, 4, 3];

/// What the smallest letters have in addition.
const NARROWEST: u32 = 2;

/// The form of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Fit {
    /// The size of its letters.
    pub size: Size,
    /// The space on each side of a column, in points.
    pub space: u32,
    /// Its parts: the columns of each.
    pub parts: Vec<Vec<usize>>,
    /// The width of the widest part, in points.
    pub width: f64,
}

/// What the form depends on.
pub struct Widths<'a> {
    /// The table.
    pub sheet: &'a Sheet,
    /// The width of each column's widest cell at 10 pt.
    pub columns: Vec<f64>,
    /// The width of a group's text at 10 pt.
    pub group: fn(&str) -> f64,
    /// The width of the widest title of a group of rows at 10 pt.
    pub title: f64,
}

impl Widths<'_> {
    /// The form of the table in a text of `limit` points: the first that fits, or the narrowest.
    pub fn fit(&self, limit: f64) -> Fit {
        let all: Vec<usize> = (0..self.columns.len()).collect();
        let forms = || Size::ALL.into_iter().flat_map(|size| SPACES.map(|space| (size, space)));
        let narrowest = (Size::Script, NARROWEST);
        let whole = |(size, space)| Fit { size, space, width: self.width(&all, size, space), parts: vec![all.clone()] };
        if let Some(fit) = forms().chain([narrowest]).map(whole).find(|fit| fit.width <= limit) {
            return fit;
        }
        // The smallest letters make few parts and poor reading: they are the last resort.
        let readable = self.dealt(limit, Size::Footnote, SPACES[SPACES.len() - 1]);
        if readable.width <= limit {
            let dealt = forms().map(|(size, space)| self.dealt(limit, size, space));
            let mut fitting = dealt.filter(|fit| fit.width <= limit && fit.parts.len() <= readable.parts.len());
            return self.balanced(fitting.next().unwrap_or(readable), limit);
        }
        let dealt = self.dealt(limit, narrowest.0, narrowest.1);
        if dealt.width <= limit { self.balanced(dealt, limit) } else { dealt }
    }

    /// The columns dealt to as few parts as fit. A part has one column at least beside those that name the rows.
    fn dealt(&self, limit: f64, size: Size, space: u32) -> Fit {
        let leads: Vec<usize> = (0..self.sheet.leads).collect();
        let mut parts: Vec<Vec<usize>> = Vec::new();
        for column in leads.len()..self.columns.len() {
            if let Some(last) = parts.last_mut() {
                last.push(column);
                if self.width(last, size, space) <= limit {
                    continue;
                }
                last.pop();
            }
            parts.push([leads.as_slice(), &[column]].concat());
        }
        if parts.is_empty() {
            parts.push(leads);
        }
        let width = parts.iter().map(|part| self.width(part, size, space)).fold(0.0, f64::max);
        Fit { size, space, parts, width }
    }

    /// The same number of parts, as like in width as they can be.
    fn balanced(&self, fit: Fit, limit: f64) -> Fit {
        let (mut narrow, mut wide, mut best) = (0.0, limit, fit);
        for _ in 0..20 {
            let middle = (narrow + wide) / 2.0;
            let dealt = self.dealt(middle, best.size, best.space);
            if dealt.parts.len() == best.parts.len() && dealt.width <= middle {
                (best, wide) = (dealt, middle);
            } else {
                narrow = middle;
            }
        }
        best
    }

    /// The width of a part, in points.
    fn width(&self, part: &[usize], size: Size, space: u32) -> f64 {
        let between = |columns: usize| f64::from(2 * space) * columns.saturating_sub(1) as f64;
        let spans = self.sheet.spans(part);
        let mut sum = between(spans.len());
        let mut columns = part.iter();
        for (group, count) in spans {
            let own: f64 = columns.by_ref().take(count).map(|&column| size.factor() * self.columns[column]).sum();
            let above = group.map_or(0.0, |group| size.factor() * (self.group)(group));
            sum += above.max(own + between(count));
        }
        sum.max(size.factor() * self.title)
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::sheet::Head;
    use super::*;

    fn sheet(columns: usize, leads: usize, group: Option<&str>) -> Sheet {
        let head = |column: usize| Head {
            text: String::new(),
            mark: None,
            group: group.filter(|_| column >= leads).map(str::to_owned),
            number: true,
        };
        Sheet { heads: (0..columns).map(head).collect(), rows: Vec::new(), leads }
    }

    fn fit(columns: &[f64], limit: f64) -> Fit {
        let sheet = sheet(columns.len(), 1, None);
        Widths { sheet: &sheet, columns: columns.to_vec(), group: |_| 0.0, title: 0.0 }.fit(limit)
    }

    #[test]
    fn space_goes_first_then_letters_shrink_then_columns_are_dealt() {
        let form = |limit: f64| {
            let fit = fit(&[40.0, 20.0, 20.0, 20.0], limit);
            assert!(fit.width <= limit);
            (fit.size, fit.space, fit.parts.len())
        };
        assert_eq!(form(136.0), (Size::Normal, 6, 1));
        assert_eq!(form(135.9), (Size::Normal, 5, 1));
        assert_eq!(form(118.0), (Size::Normal, 3, 1));
        assert_eq!(form(117.0), (Size::Small, 4, 1));
        assert_eq!(form(94.0), (Size::Script, 2, 1));
        assert_eq!(form(93.0), (Size::Normal, 3, 2));
    }

    #[test]
    fn parts_are_few_and_alike_and_name_their_rows() {
        let columns = [&[40.0][..], &[25.0; 22]].concat();
        let found = fit(&columns, 345.0);
        let lengths: Vec<usize> = found.parts.iter().map(Vec::len).collect();
        assert_eq!((found.size, found.space, lengths), (Size::Footnote, 3, vec![12, 12]));
        assert!(found.parts.iter().all(|part| part[0] == 0));
        let dealt: Vec<usize> = found.parts.iter().flat_map(|part| part[1..].to_vec()).collect();
        assert_eq!(dealt, (1..23).collect::<Vec<_>>());
        assert_eq!(fit(&columns, 345.0), found);
    }

    #[test]
    fn what_cannot_fit_is_the_narrowest_and_says_its_width() {
        let found = fit(&[500.0, 20.0, 20.0], 345.0);
        assert_eq!((found.size, found.space, found.parts.len()), (Size::Script, 2, 2));
        assert!((found.width - (520.0 * 0.816 + 4.0)).abs() < 1e-9);
        assert_eq!(fit(&[500.0], 345.0).parts, [[0]]);
        assert_eq!(fit(&[], 345.0).parts, [Vec::<usize>::new()]);
    }

    #[test]
    fn groups_and_titles_take_their_width() {
        let sheet = sheet(3, 1, Some("IoU"));
        let widths = |group, title| Widths { sheet: &sheet, columns: vec![10.0; 3], group, title };
        assert_eq!(widths(|_| 10.0, 0.0).fit(345.0).width, 54.0);
        assert_eq!(widths(|_| 100.0, 0.0).fit(345.0).width, 122.0);
        assert_eq!(widths(|_| 10.0, 300.0).fit(345.0).width, 300.0);
    }
}
