//! Tokens into a tree.
//!
//! Invariants:
//! - no tree is deeper than [`limits::DEPTH`], so that walking one cannot overflow the stack;
//! - no structure of a tree has a field twice, no map a text key twice;
//! - no tree has more values than it may, no name and no text is longer than its limit;
//! - a tree that is not whole ([`Parsed::whole`]) came with at least one fault.

use std::ops::Range;
use std::sync::Arc;

use super::diagnostic::Diagnostic;
use super::faults::Faults;
use super::index::NameIndex;
use super::limits;
use super::text::{Span, Text};
use super::token::Token;
use super::tokens::Tokens;
use super::tree::{FieldTree, Form, Tree, Word};
use super::words::cut;

/// A text that was read.
pub(crate) struct Parsed {
    pub tree: Tree,
    pub faults: Faults,
    /// Whether all of the text is in the tree; a key stated twice is a fault, but loses nothing else.
    pub whole: bool,
    /// How many values the tree has.
    pub values: usize,
}

/// Reads the RON in `text` from byte `from` on, of at most `most` values, with as many faults as can be told apart.
pub(crate) fn parse(text: &Arc<Text>, from: usize, most: usize) -> Parsed {
    let mut parser = Parser { tokens: Tokens::new(text, from), open: Vec::new(), ended: false, values: 0, most };
    let tree = parser.value();
    if *parser.tokens.peek() != Token::End {
        let hint = "A file holds one value; remove what follows it, or check the brackets before.";
        parser.tokens.unexpected("the end of the text", hint);
        // What cannot be read at all is told wherever it stands.
        while parser.tokens.bump() != Token::End {}
    }
    Parsed { tree, faults: parser.tokens.faults, whole: parser.tokens.whole, values: parser.values }
}

struct Parser<'a> {
    tokens: Tokens<'a>,
    /// The brackets that are open, with their places.
    open: Vec<(char, Range<usize>)>,
    /// Whether a bracket was found open at the end.
    ended: bool,
    values: usize,
    most: usize,
}

impl Parser<'_> {
    fn value(&mut self) -> Tree {
        let range = self.tokens.range();
        let start = range.start;
        self.values += 1;
        if self.values > self.most {
            let message = format!("There are more than {} values.", limits::VALUES);
            self.tokens.refuse(range, message, "Split it into several files.");
            return Tree { span: self.tokens.since(start), form: Form::Broken };
        }
        let form = match self.tokens.peek() {
            Token::Open('(') => self.parenthesis(None),
            Token::Open('[') => {
                let mut items = Vec::new();
                self.items(|parser| {
                    items.push(parser.value());
                    true
                });
                Form::List(items)
            }
            Token::Open(_) => self.map(),
            Token::Word(_) => {
                let word = self.word();
                match (word.text.as_str(), self.tokens.peek()) {
                    ("true" | "false", _) => Form::Bool(word.text == "true"),
                    (_, Token::Open('(')) => self.parenthesis(Some(word)),
                    _ => Form::Word(word),
                }
            }
            Token::Comma | Token::Colon | Token::Close(_) | Token::End => {
                self.tokens
                    .unexpected("a value", "A value is a number, a text in quotes, `Name(…)`, `(…)`, `[…]` or `{…}`.");
                Form::Broken
            }
            _ => self.leaf(),
        };
        Tree { span: self.tokens.since(start), form }
    }

    /// A value of one token.
    fn leaf(&mut self) -> Form {
        let range = self.tokens.range();
        match self.tokens.bump() {
            Token::Int(value) => Form::Int(value),
            Token::Float(value) => Form::Float(value),
            Token::Char(c) => Form::Char(c),
            Token::Str(text) if text.len() > limits::TEXT => {
                let message = format!("This text has more than {} bytes.", limits::TEXT);
                self.tokens.fault(
                    range,
                    message,
                    "Is a closing quote missing? A large text belongs into a file of its own.",
                );
                Form::Broken
            }
            Token::Str(text) => Form::Str(text),
            _ => {
                self.tokens.whole = false;
                Form::Broken
            }
        }
    }

    /// The name that stands here.
    fn word(&mut self) -> Word {
        let span = self.tokens.span(self.tokens.range());
        let Token::Word(text) = self.tokens.bump() else { return Word { text: String::new(), span } };
        self.name(&text, &span);
        Word { text, span }
    }

    /// Checks the length of a name.
    fn name(&mut self, text: &str, span: &Span) {
        if text.len() > limits::NAME && text.chars().count() > limits::NAME {
            let message = format!("The name `{}` has more than {} characters.", cut(text, limits::LABEL), limits::NAME);
            self.tokens.fault(span.start..span.end, message, "Write a shorter one.");
        }
    }

    fn parenthesis(&mut self, name: Option<Word>) -> Form {
        if !matches!((self.tokens.ahead(1), self.tokens.ahead(2)), (Token::Word(_), Token::Colon)) {
            let mut items = Vec::new();
            let mut fields: Vec<FieldTree> = Vec::new();
            let mut index = NameIndex::default();
            let named = name.is_some();
            self.items(|parser| {
                // The first value of `Name(1, b: 2)` has no name. What follows a field is a field.
                let is_field = matches!((parser.tokens.peek(), parser.tokens.ahead(1)), (Token::Word(_), Token::Colon));
                if !fields.is_empty() || named && is_field && items.len() == 1 {
                    if let Some(first) = items.pop() {
                        fields.push((Word::unnamed(&first), first));
                    }
                    return parser.field(&mut fields, &mut index);
                }
                items.push(parser.value());
                let field = *parser.tokens.peek() == Token::Colon;
                if field {
                    parser
                        .tokens
                        .unexpected("`,` or `)`", "Names of fields stand without quotes; a map is written `{…}`.");
                }
                !field
            });
            return match fields.is_empty() {
                true => Form::Tuple { name, items },
                false => Form::Struct { name, fields },
            };
        }
        let mut fields: Vec<FieldTree> = Vec::new();
        let mut index = NameIndex::default();
        self.items(|parser| parser.field(&mut fields, &mut index));
        Form::Struct { name, fields }
    }

    /// Reads `name: value` to the end of `fields`, which `index` finds. Returns whether it got to its end.
    fn field(&mut self, fields: &mut Vec<FieldTree>, index: &mut NameIndex) -> bool {
        if !matches!(self.tokens.peek(), Token::Word(_)) {
            let hint = "Every value in this structure needs a name: `name: value`.";
            self.tokens.unexpected("the name of a field", hint);
            return false;
        }
        let word = self.word();
        if *self.tokens.peek() == Token::Colon {
            self.tokens.bump();
        } else {
            let name = cut(&word.text, limits::LABEL);
            self.tokens.unexpected(&format!("`:` after `{name}`"), "A field is written `name: value`.");
            if !self.tokens.starts_value() {
                return false;
            }
        }
        let value = self.value();
        let broken = value.form == Form::Broken;
        match index.find(fields.len(), |at| Some(fields[at].0.text.as_str()), &word.text) {
            Some(at) => self.duplicate("field", &word.text, &word.span, &fields[at].0.span),
            None => fields.push((word, value)),
        }
        !broken
    }

    fn map(&mut self) -> Form {
        let mut entries: Vec<(Tree, Tree)> = Vec::new();
        let mut index = NameIndex::default();
        self.items(|parser| {
            let key = parser.value();
            if let Form::Str(text) = &key.form {
                parser.name(text, &key.span);
            }
            if key.form == Form::Broken {
                return false;
            }
            if *parser.tokens.peek() != Token::Colon {
                parser.tokens.unexpected("`:` after the key", "An entry of a map is written `\"key\": value`.");
                return false;
            }
            parser.tokens.bump();
            let value = parser.value();
            let broken = value.form == Form::Broken;
            let earlier = key.text().and_then(|text| index.find(entries.len(), |at| entries[at].0.text(), text));
            match earlier {
                Some(at) => parser.duplicate("key", key.text().unwrap_or_default(), &key.span, &entries[at].0.span),
                None => entries.push((key, value)),
            }
            !broken
        });
        Form::Map(entries)
    }

    fn duplicate(&mut self, what: &str, name: &str, span: &Span, earlier: &Span) {
        let whole = self.tokens.whole;
        self.tokens.report(span, || {
            Diagnostic::new(span, format!("The {what} `{}` is stated twice.", cut(name, limits::LABEL)))
                .label("again")
                .related(earlier, "first stated here")
                .hint("Keep one of them.")
        });
        self.tokens.whole = whole;
    }

    /// Reads the items between the bracket here and its partner. `item` reads one, and returns whether it got to its end. If it
    /// did not, reading goes on behind the next comma, or at the end of the bracket.
    fn items(&mut self, mut item: impl FnMut(&mut Self) -> bool) {
        let opening = self.tokens.range();
        let Token::Open(open) = self.tokens.bump() else { return };
        let close = partner(open);
        if self.open.len() >= limits::DEPTH {
            let message = format!("Brackets are nested deeper than {} levels.", limits::DEPTH);
            return self.tokens.refuse(opening, message, "Is something here by accident?");
        }
        self.open.push((open, opening.clone()));
        loop {
            match *self.tokens.peek() {
                Token::Close(found) if found == close => {
                    self.tokens.bump();
                    break;
                }
                Token::Close(_) | Token::End => {
                    self.unclosed(close, &opening);
                    break;
                }
                _ => {}
            }
            let before = self.tokens.taken;
            if !item(self) {
                self.skip();
            } else if *self.tokens.peek() == Token::Comma {
                self.tokens.bump();
            } else if !matches!(self.tokens.peek(), Token::Close(_) | Token::End) {
                self.tokens.unexpected(&format!("`,` or `{close}`"), "Items are separated by `,`.");
                if !self.tokens.starts_value() {
                    self.skip();
                }
            }
            if self.tokens.taken == before {
                self.tokens.bump();
            }
        }
        self.open.pop();
    }

    /// At a closing bracket of the wrong kind, or at the end. The bracket is left to an outer one that it fits.
    fn unclosed(&mut self, close: char, opening: &Range<usize>) {
        let hint = format!("Close it with `{close}`.");
        match *self.tokens.peek() {
            Token::Close(found) => {
                let at = self.tokens.span(self.tokens.range());
                let opening = self.tokens.span(opening.clone());
                self.tokens.report(&at, || {
                    Diagnostic::new(&at, format!("Expected `{close}`, found `{found}`."))
                        .related(&opening, "opened here")
                        .hint(hint)
                });
                if self.open.iter().all(|(open, _)| partner(*open) != found) {
                    self.tokens.bump();
                }
            }
            // Which of the open brackets lacks its partner cannot be known: one fault shows them all.
            _ if self.ended => {}
            _ => {
                self.ended = true;
                let at = self.tokens.span(opening.clone());
                let outer = &self.open[..self.open.len().saturating_sub(1)];
                let outer: Vec<Span> = outer.iter().map(|(_, range)| self.tokens.span(range.clone())).collect();
                self.tokens.report(&at, || {
                    let fault = Diagnostic::new(&at, "This bracket is never closed.").label("opened here").hint(hint);
                    outer.iter().fold(fault, |fault, other| fault.related(other, "still open as well"))
                });
            }
        }
    }

    /// Moves behind the next comma of this bracket, or to its end.
    fn skip(&mut self) {
        let mut depth = 0_usize;
        loop {
            match self.tokens.peek() {
                Token::End => return,
                Token::Comma if depth == 0 => {
                    self.tokens.bump();
                    return;
                }
                Token::Close(_) if depth == 0 => return,
                Token::Close(_) => depth -= 1,
                Token::Open(_) => depth += 1,
                _ => {}
            }
            self.tokens.bump();
        }
    }
}

fn partner(open: char) -> char {
    match open {
        '(' => ')',
        '[' => ']',
        _ => '}',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content: &str) -> Parsed {
        parse(&Arc::new(Text::new("x.ron", content, "/")), 0, limits::VALUES)
    }

    fn messages(content: &str) -> Vec<String> {
        let told = |fault: &Diagnostic| {
            let (line, column) = fault.position();
            format!("{line}:{column} {}", fault.message)
        };
        read(content).faults.kept().iter().map(told).collect()
    }

    #[test]
    fn keeps_names_order_and_places() {
        let parsed = read("Train(steps: 5, crop: (3, 4))");
        let Some((Some(name), fields)) = parsed.tree.structure() else { panic!("not a structure") };
        assert_eq!(name.text, "Train");
        assert_eq!(fields.iter().map(|(word, _)| word.text.as_str()).collect::<Vec<_>>(), ["steps", "crop"]);
        let crop = &fields[1].1;
        assert_eq!((crop.span.start, crop.span.end), (22, 28));
        assert_eq!(crop.describe(), "a tuple of 2 items");
    }

    #[test]
    fn the_first_value_of_a_variant_may_stand_without_a_name() {
        let parsed = read("Fraction(0.1, seed: 1, more: 2,)");
        assert!(parsed.faults.is_empty() && parsed.whole, "{:?}", parsed.faults.kept());
        let Some((_, fields)) = parsed.tree.structure() else { panic!("not a structure") };
        assert_eq!(fields.iter().map(|(word, _)| word.text.as_str()).collect::<Vec<_>>(), ["", "seed", "more"]);
        assert_eq!(parsed.tree.ron(&|_, text| text.to_owned()), "Fraction(0.1, seed: 1, more: 2)");
        for text in ["(0.1, seed: 1)", "F(1, 2, seed: 1)", "F(1, seed: 1, 2)", "F(1, seed: 1, seed: 2)", "F(a: 1, 2)"] {
            assert!(!read(text).faults.is_empty(), "{text}");
        }
    }

    #[test]
    fn several_faults_are_told_at_once() {
        let text = "(\n a: 1 b: @,\n c = 3;\n d: [1, 2,\n}";
        let expected = [
            "2:7 Expected `,` or `)`, found `b`.",
            "2:10 The character `@` has no meaning here.",
            "3:4 Expected `:`, found `=`.",
            "3:7 Expected `,`, found `;`.",
            "5:1 Expected `]`, found `}`.",
            "1:1 This bracket is never closed.",
        ];
        let mut found = messages(text);
        found.sort();
        let mut expected = expected.map(str::to_owned);
        expected.sort();
        assert_eq!(found, expected);
    }

    #[test]
    fn duplicates_lose_nothing_else() {
        let parsed = read("(a: 1, a: 2, b: {\"k\": 1, \"k\": 2})");
        assert!(parsed.whole);
        assert_eq!(parsed.faults.kept().len(), 2);
        assert_eq!(parsed.faults.kept()[0].message, "The field `a` is stated twice.");
    }

    #[test]
    fn depth_and_number_of_faults_are_limited() {
        assert_eq!(messages(&"[".repeat(100_000)), ["1:129 Brackets are nested deeper than 128 levels."]);
        let deepest = format!("{}1{}", "[".repeat(128), "]".repeat(128));
        assert_eq!(messages(&deepest), [""; 0]);
        assert_eq!(messages(&"@ ".repeat(1000)).len(), limits::FAULTS);
    }
}
