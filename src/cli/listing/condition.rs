//! Conditions on rows: `mean_iou > 40`, `status = done`.

use super::column::Column;
use crate::stage::name::same;
use crate::table::Cell;

/// A comparison of a column with a value.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// The text, as the user wrote it.
    pub text: String,
    /// The name of the column.
    pub name: String,
    /// The column.
    pub column: Column,
    operator: Operator,
    operand: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Above,
    AtLeast,
    Below,
    AtMost,
    Is,
    IsNot,
}

/// The operators, longer ones before those that they begin with.
const OPERATORS: [(&str, Operator); 7] = [
    (">=", Operator::AtLeast),
    ("<=", Operator::AtMost),
    ("!=", Operator::IsNot),
    ("==", Operator::Is),
    (">", Operator::Above),
    ("<", Operator::Below),
    ("=", Operator::Is),
];

/// How conditions are written.
const FORM: &str = "Write a column, one of >, >=, <, <=, = and !=, and a value: `mean_iou > 40` or `status = done`.";

impl Condition {
    /// Reads a condition.
    ///
    /// # Errors
    /// It is none: a sentence that says what is wrong, and how conditions are written.
    pub fn read(text: &str) -> Result<Self, String> {
        let wrong = |what: &str| format!("`{text}` {what} {FORM}");
        let (name, operator, operand) = split(text).ok_or_else(|| wrong("has no operator."))?;
        let operand = unquoted(operand.trim());
        if name.trim().is_empty() {
            return Err(wrong("names no column."));
        }
        if operand.starts_with(['=', '<', '>', '!']) {
            return Err(wrong("has two operators."));
        }
        let column = Column::read(name)?;
        let condition = Condition {
            text: text.to_owned(),
            name: name.trim().to_owned(),
            column,
            operator,
            operand: operand.to_owned(),
        };
        if condition.is_of_order() && !condition.orders_texts() && condition.is_on_text() {
            return Err(condition.no_number());
        }
        if condition.is_of_order() && condition.number().is_none() && !condition.orders_texts() {
            let operator = OPERATORS.iter().find(|(_, known)| *known == operator).map_or("", |(text, _)| text);
            return Err(format!(
                "`{text}` cannot be told: `{operator}` compares numbers, and `{operand}` is none. {FORM}"
            ));
        }
        Ok(condition)
    }

    fn is_of_order(&self) -> bool {
        !matches!(self.operator, Operator::Is | Operator::IsNot)
    }

    fn is_on_text(&self) -> bool {
        matches!(&self.column, Column::Cell | Column::Stage)
            || matches!(&self.column, Column::Fact(fact) if fact.is_text())
    }

    /// What is told of a condition that asks for the order of texts.
    pub fn no_number(&self) -> String {
        format!("`{}` cannot be told: `{}` is no number. Compare it by `=` or `!=`.", self.text, self.name)
    }

    fn orders_texts(&self) -> bool {
        matches!(&self.column, Column::Fact(fact) if fact.is_ordered())
    }

    fn number(&self) -> Option<f64> {
        self.operand.parse().ok().filter(|number: &f64| !number.is_nan())
    }

    /// Whether a row with this value in the column fulfils the condition. A missing number fulfils none.
    pub fn holds(&self, value: &Cell) -> bool {
        let by = |ordering: Option<std::cmp::Ordering>| match (self.operator, ordering) {
            (_, None) => false,
            (Operator::Above, Some(ordering)) => ordering.is_gt(),
            (Operator::AtLeast, Some(ordering)) => ordering.is_ge(),
            (Operator::Below, Some(ordering)) => ordering.is_lt(),
            (Operator::AtMost, Some(ordering)) => ordering.is_le(),
            (Operator::Is, Some(ordering)) => ordering.is_eq(),
            (Operator::IsNot, Some(ordering)) => ordering.is_ne(),
        };
        match value {
            Cell::Null => false,
            Cell::Text(text) if self.is_of_order() => self.orders_texts() && by(Some(text.as_str().cmp(&self.operand))),
            Cell::Text(text) => same(text, &self.operand) == (self.operator == Operator::Is),
            Cell::Bool(value) => {
                !self.is_of_order() && (value.to_string() == self.operand) == (self.operator == Operator::Is)
            }
            number => match (number.number(), self.number()) {
                (Some(value), Some(operand)) => by(value.partial_cmp(&operand)),
                // A number is no such text.
                _ => self.operator == Operator::IsNot,
            },
        }
    }

    /// Whether the condition asks for the order of values that have none: of texts or truth values.
    pub fn misfits(&self, value: &Cell) -> bool {
        let unordered = matches!(value, Cell::Text(text) if !text.is_empty()) || matches!(value, Cell::Bool(_));
        self.is_of_order() && !self.orders_texts() && unordered
    }
}

/// A condition's column, operator and value: at the first operator that stands in no brackets.
fn split(text: &str) -> Option<(&str, Operator, &str)> {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ if depth > 0 => {}
            _ => {
                let found = OPERATORS.iter().find(|(sign, _)| text[at..].starts_with(sign));
                if let Some((sign, operator)) = found {
                    return Some((&text[..at], *operator, &text[at + sign.len()..]));
                }
            }
        }
    }
    None
}

/// A text without quotes around it.
fn unquoted(text: &str) -> &str {
    let within = |quote: char| text.strip_prefix(quote)?.strip_suffix(quote);
    within('"').or_else(|| within('\'')).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(condition: &str, value: impl Into<Cell>) -> bool {
        Condition::read(condition).unwrap().holds(&value.into())
    }

    #[test]
    fn numbers_are_compared_as_numbers_and_texts_as_texts() {
        assert!(holds("mean_iou > 40", 40.5) && !holds("mean_iou > 40", 40.0) && holds("mean_iou>=40", 40.0));
        assert!(holds("x<=-1e3", -1000_i64) && !holds("x < -1e3", -1000_i64));
        assert!(holds("seconds = 7.0", 7_i64) && holds("seconds != 7", 8_i64) && holds("a == 1", 1.0));
        assert!(holds("status = done", "done") && !holds("status != done", "done") && holds("seed = 0.10", "0.1"));
        assert!(holds("trial = ''", "") && holds("profile != tiny", "") && holds("profile=\"a b\"", "a b"));
        assert!(holds("t.flag = true", true) && !holds("t.flag != true", true));
        assert!(holds("started >= 2026-11-29", "2026-11-29T01:02:03Z") && !holds("run < 2026", "20261129-1"));
        assert!(holds("v[prefilter=A,x=1].mean_iou > 1", 2.0));
    }

    #[test]
    fn what_has_no_value_fulfils_nothing() {
        for condition in ["x > 1", "x <= 1", "x = 1", "x != 1"] {
            assert!(!holds(condition, Cell::Null), "{condition}");
        }
        assert!(!holds("x > 1", f64::NAN) && !holds("x = 1", f64::NAN));
        let order = Condition::read("train.model > 1").unwrap();
        assert!(!order.holds(&"done".into()) && order.misfits(&"done".into()) && !order.misfits(&Cell::Null));
    }

    #[test]
    fn what_is_no_condition_is_told() {
        let told = |text: &str| Condition::read(text).unwrap_err().split(" Write ").next().unwrap().to_owned();
        assert_eq!(told("mean_iou"), "`mean_iou` has no operator.");
        assert_eq!(told("> 40"), "`> 40` names no column.");
        assert_eq!(told("mean_iou => 40"), "`mean_iou => 40` has two operators.");
        assert_eq!(
            told("mean_iou > much"),
            "`mean_iou > much` cannot be told: `>` compares numbers, and `much` is none."
        );
        assert_eq!(
            told("status > 3"),
            "`status > 3` cannot be told: `status` is no number. Compare it by `=` or `!=`."
        );
        assert_eq!(told("v[0].x > 1"), "`[0]` is not an iteration; they are counted from 1.");
    }
}
