//! Tokens into a tree.
//!
//! Invariants:
//! - no tree is deeper than [`DEEPEST`], so that walking one cannot overflow the stack;
//! - no structure of a tree has a field twice, no map a text key twice;
//! - a tree that is not whole ([`Parsed::whole`]) came with at least one fault.

use std::ops::Range;
use std::sync::Arc;

use super::diagnose::{Diagnostic, Span, Text};
use super::lex::{Lexeme, Token, lex};
use super::tree::{FieldTree, Form, Tree, Word};

/// How deep brackets may be nested.
pub(super) const DEEPEST: usize = 128;
/// How many faults of one text are told.
const MOST_FAULTS: usize = 20;

/// What a text was found to be.
pub(super) struct Parsed {
    pub tree: Tree,
    pub faults: Vec<Diagnostic>,
    /// Whether all of the text is in the tree; a key stated twice is a fault, but loses nothing else.
    pub whole: bool,
}

/// Reads the RON in `text` from byte `from` on, telling as many faults as can be told apart.
pub(super) fn parse(text: &Arc<Text>, from: usize) -> Parsed {
    let (lexemes, bad) = lex(&text.content, from);
    let mut parser =
        Parser { text, lexemes, at: 0, open: Vec::new(), faults: Vec::new(), whole: true, muted: false, ended: false };
    for fault in bad {
        parser.fault(fault.range, fault.message, fault.hint);
    }
    let tree = parser.value();
    if *parser.peek() != Token::End {
        let hint = "A file holds one value; remove what follows it, or check the brackets before.";
        parser.unexpected("the end of the text", hint);
    }
    Parsed { tree, faults: parser.faults, whole: parser.whole }
}

struct Parser<'a> {
    text: &'a Arc<Text>,
    lexemes: Vec<Lexeme>,
    at: usize,
    /// The brackets that are open, with their places.
    open: Vec<(char, Range<usize>)>,
    faults: Vec<Diagnostic>,
    whole: bool,
    muted: bool,
    /// Whether a bracket was found open at the end.
    ended: bool,
}

impl Parser<'_> {
    fn peek(&self) -> &Token {
        self.ahead(0)
    }

    fn ahead(&self, n: usize) -> &Token {
        self.lexemes.get(self.at + n).map_or(&Token::End, |lexeme| &lexeme.token)
    }

    fn range(&self) -> Range<usize> {
        self.lexemes[self.at].range.clone()
    }

    /// Moves on, but never behind the end.
    fn bump(&mut self) -> Lexeme {
        let lexeme = self.lexemes[self.at].clone();
        self.at = (self.at + 1).min(self.lexemes.len() - 1);
        lexeme
    }

    fn span(&self, range: Range<usize>) -> Span {
        Span { text: self.text.clone(), start: range.start, end: range.end }
    }

    /// From `start` to the end of the token before this one.
    fn since(&self, start: usize) -> Span {
        let end = self.at.checked_sub(1).map_or(start, |before| self.lexemes[before].range.end);
        self.span(start..end.max(start))
    }

    fn fault(&mut self, range: Range<usize>, message: impl Into<String>, hint: impl Into<String>) {
        let span = self.span(range);
        self.report(Diagnostic::new(&span, message).hint(hint));
    }

    fn report(&mut self, fault: Diagnostic) {
        self.whole = false;
        let place = |d: &Diagnostic| d.span.as_ref().map(|span| span.start);
        if !self.muted && self.faults.iter().all(|earlier| place(earlier) != place(&fault)) {
            self.faults.push(fault);
            self.muted = self.faults.len() >= MOST_FAULTS;
        }
    }

    /// Reports that something else was expected here, unless the lexer has already said what is wrong.
    fn unexpected(&mut self, expected: &str, hint: &str) {
        let range = self.range();
        let found = match self.peek() {
            Token::Bad => {
                self.whole = false;
                return;
            }
            Token::End => "the end".to_owned(),
            _ => format!("`{}`", &self.text.content[range.clone()]),
        };
        let before = self.at.checked_sub(1).map(|before| &self.lexemes[before]);
        let torn = before.filter(|lexeme| {
            matches!(lexeme.token, Token::Str(_)) && self.text.content[lexeme.range.clone()].contains('\n')
        });
        let related = torn.map(|lexeme| self.span(lexeme.range.start..lexeme.range.start + 1));
        let mut fault = Diagnostic::new(&self.span(range), format!("Expected {expected}, found {found}.")).hint(hint);
        if let Some(start) = related {
            fault = fault.related(&start, "this text goes over several lines; is its closing quote missing?");
        }
        self.report(fault);
    }

    fn value(&mut self) -> Tree {
        let start = self.range().start;
        let form = match self.peek().clone() {
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
            Token::Word(text) => {
                let word = Word { text, span: self.span(self.range()) };
                self.bump();
                match (word.text.as_str(), self.peek()) {
                    ("true" | "false", _) => Form::Bool(word.text == "true"),
                    (_, Token::Open('(')) => self.parenthesis(Some(word)),
                    _ => Form::Word(word),
                }
            }
            Token::Int(value) => self.leaf(Form::Int(value)),
            Token::Float(value) => self.leaf(Form::Float(value)),
            Token::Str(text) => self.leaf(Form::Str(text)),
            Token::Char(c) => self.leaf(Form::Char(c)),
            Token::Bad => {
                self.whole = false;
                self.leaf(Form::Broken)
            }
            Token::Comma | Token::Colon | Token::Close(_) | Token::End => {
                self.unexpected("a value", "A value is a number, a text in quotes, `Name(…)`, `(…)`, `[…]` or `{…}`.");
                Form::Broken
            }
        };
        Tree { span: self.since(start), form }
    }

    fn leaf(&mut self, form: Form) -> Form {
        self.bump();
        form
    }

    fn parenthesis(&mut self, name: Option<Word>) -> Form {
        if !matches!((self.ahead(1), self.ahead(2)), (Token::Word(_), Token::Colon)) {
            let mut items = Vec::new();
            self.items(|parser| {
                items.push(parser.value());
                let field = *parser.peek() == Token::Colon;
                if field {
                    parser.unexpected("`,` or `)`", "Names of fields stand without quotes; a map is written `{…}`.");
                }
                !field
            });
            return Form::Tuple { name, items };
        }
        let mut fields: Vec<FieldTree> = Vec::new();
        self.items(|parser| {
            let Token::Word(text) = parser.peek().clone() else {
                parser.unexpected("the name of a field", "Every value in this structure needs a name: `name: value`.");
                return false;
            };
            let span = parser.span(parser.range());
            parser.bump();
            if *parser.peek() == Token::Colon {
                parser.bump();
            } else {
                parser.unexpected(&format!("`:` after `{text}`"), "A field is written `name: value`.");
                if !parser.starts_value() {
                    return false;
                }
            }
            let value = parser.value();
            let broken = value.form == Form::Broken;
            match fields.iter().find(|(earlier, _)| earlier.text == text) {
                Some((earlier, _)) => parser.duplicate("field", &text, &span, &earlier.span.clone()),
                None => fields.push((Word { text, span }, value)),
            }
            !broken
        });
        Form::Struct { name, fields }
    }

    fn map(&mut self) -> Form {
        let mut entries: Vec<(Tree, Tree)> = Vec::new();
        self.items(|parser| {
            let key = parser.value();
            if key.form == Form::Broken {
                return false;
            }
            if *parser.peek() != Token::Colon {
                parser.unexpected("`:` after the key", "An entry of a map is written `\"key\": value`.");
                return false;
            }
            parser.bump();
            let value = parser.value();
            let broken = value.form == Form::Broken;
            let same = |earlier: &&(Tree, Tree)| matches!(key.form, Form::Str(_)) && earlier.0.form == key.form;
            match (entries.iter().find(same), &key.form) {
                (Some((earlier, _)), Form::Str(text)) => {
                    parser.duplicate("key", text, &key.span, &earlier.span.clone());
                }
                _ => entries.push((key, value)),
            }
            !broken
        });
        Form::Map(entries)
    }

    fn duplicate(&mut self, what: &str, name: &str, span: &Span, earlier: &Span) {
        let fault = Diagnostic::new(span, format!("The {what} `{name}` is stated twice."))
            .label("again")
            .related(earlier, "first stated here")
            .hint("Keep one of them.");
        let whole = self.whole;
        self.report(fault);
        self.whole = whole;
    }

    fn starts_value(&self) -> bool {
        !matches!(self.peek(), Token::Comma | Token::Colon | Token::Close(_) | Token::End)
    }

    /// Reads what stands between the bracket here and its partner. `item` returns whether it got to its end;
    /// where it did not, reading goes on behind the next comma, or at the end of the bracket.
    fn items(&mut self, mut item: impl FnMut(&mut Self) -> bool) {
        let opening = self.bump();
        let Token::Open(open) = opening.token else { return };
        let close = partner(open);
        if self.open.len() >= DEEPEST {
            let message = format!("Brackets are nested deeper than {DEEPEST} levels.");
            self.fault(opening.range, message, "Is something here by accident?");
            self.muted = true;
            self.at = self.lexemes.len() - 1;
            return;
        }
        self.open.push((open, opening.range.clone()));
        loop {
            match self.peek().clone() {
                Token::Close(found) if found == close => {
                    self.bump();
                    break;
                }
                Token::Close(_) | Token::End => {
                    self.unclosed(close, &opening.range);
                    break;
                }
                _ => {}
            }
            let before = self.at;
            if !item(self) {
                self.skip();
            } else if *self.peek() == Token::Comma {
                self.bump();
            } else if !matches!(self.peek(), Token::Close(_) | Token::End) {
                self.unexpected(&format!("`,` or `{close}`"), "Items are separated by `,`.");
                if !self.starts_value() {
                    self.skip();
                }
            }
            if self.at == before {
                self.bump();
            }
        }
        self.open.pop();
    }

    /// At a closing bracket of the wrong kind, or at the end. The bracket is left to an outer one that it fits.
    fn unclosed(&mut self, close: char, opening: &Range<usize>) {
        let fault = match self.peek().clone() {
            Token::Close(found) => {
                let at = self.range();
                let fault = Diagnostic::new(&self.span(at), format!("Expected `{close}`, found `{found}`."))
                    .related(&self.span(opening.clone()), "opened here");
                if self.open.iter().all(|(open, _)| partner(*open) != found) {
                    self.bump();
                }
                fault
            }
            // Which of the open brackets lacks its partner cannot be known: one fault shows them all.
            _ if self.ended => return,
            _ => {
                self.ended = true;
                let (_, outer) = self.open.split_last().unwrap_or((&(close, 0..0), &[]));
                let fault = Diagnostic::new(&self.span(opening.clone()), "This bracket is never closed.");
                outer.iter().fold(fault.label("opened here"), |fault, (_, range)| {
                    fault.related(&self.span(range.clone()), "still open as well")
                })
            }
        };
        self.report(fault.hint(format!("Close it with `{close}`.")));
    }

    /// Moves behind the next comma of this bracket, or to its end.
    fn skip(&mut self) {
        let mut depth = 0_usize;
        loop {
            match self.peek() {
                Token::End => return,
                Token::Comma if depth == 0 => {
                    self.bump();
                    return;
                }
                Token::Close(_) if depth == 0 => return,
                Token::Close(_) => depth -= 1,
                Token::Open(_) => depth += 1,
                _ => {}
            }
            self.bump();
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
        let text = Text { name: "x.ron".to_owned(), content: content.to_owned(), folder: "/".into() };
        parse(&Arc::new(text), 0)
    }

    fn messages(content: &str) -> Vec<String> {
        read(content).faults.iter().map(|d| format!("{}:{} {}", d.line, d.column, d.message)).collect()
    }

    #[test]
    fn accepts_and_refuses_what_the_ron_crate_does() {
        let good = r##"1 ¦ -1 ¦ 1_000 ¦ 0xff ¦ 0b1 ¦ 2e-3 ¦ .5 ¦ 1. ¦ inf ¦ -inf ¦ NaN ¦ true ¦ 'a' ¦ '\n' ¦ () ¦
            "a\u{e9}" ¦ "\x41" ¦ r"\" ¦ r#"a"b"# ¦ [] ¦ [1,] ¦ [1, 2] ¦ (1, 2) ¦ (1, 2,) ¦ (a: 1) ¦ (a: 1,) ¦ Name(a: 1) ¦
            Name(1) ¦ Name() ¦ Name ¦ {} ¦ {"a": 1,} ¦ {1: 2} ¦ Some(1) ¦ None ¦ /* a /* b */ */ 1 ¦ 1 // x ¦
            (a: (b: [{"c": None}])) ¦ #![enable(implicit_some)] 1"##;
        let bad = r##" ¦ 1 2 ¦ [1 2] ¦ [1,, 2] ¦ [,] ¦ (a: 1 b: 2) ¦ (a 1) ¦ (a: ) ¦ (a: 1 ¦ [1) ¦ {"a" 1} ¦ {"a": 1 ¦ "open ¦
            'ab' ¦ "\q" ¦ /* x ¦ 1.2.3 ¦ @ ¦ Name(a: 1)) ¦ (a: 1, 2) ¦ (1, a: 2) ¦ {"a": } ¦ {"a"} ¦ #![nothing] 1 ¦ 0x ¦
            1e ¦ --1 ¦ + ¦ r#"a""##;
        let cases = good.split('¦').map(|text| (text, true)).chain(bad.split('¦').map(|text| (text, false)));
        for (text, expected) in cases.chain([("\"several\nlines\"", true), ("// x\n1", true)]) {
            let text = text.trim();
            let theirs = ron::from_str::<ron::Value>(text);
            assert_eq!(theirs.is_ok(), expected, "{text:?}: {theirs:?}");
            assert_eq!(read(text).faults.is_empty(), expected, "{text:?}: {:?}", messages(text));
        }
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
        assert_eq!(parsed.faults.len(), 2);
        assert_eq!(parsed.faults[0].message, "The field `a` is stated twice.");
    }

    #[test]
    fn depth_and_number_of_faults_are_limited() {
        assert_eq!(messages(&"[".repeat(100_000)), ["1:129 Brackets are nested deeper than 128 levels."]);
        let deepest = format!("{}1{}", "[".repeat(128), "]".repeat(128));
        assert_eq!(messages(&deepest), [""; 0]);
        assert_eq!(messages(&"@ ".repeat(1000)).len(), MOST_FAULTS);
    }
}
