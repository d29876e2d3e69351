//! The page's script and style, and the policy that allows these two and nothing else.
//!
//! The policy names both by the digests of their exact bytes. A browser then refuses every other script and style, and every
//! request: a page that works under it needs no network.

use super::sha256::sha256;
use crate::figure::base64;
use crate::figure::palette::{DARK, LIGHT, Scheme};

/// The script. It is plain JavaScript of at most 10 KB.
pub(super) const SCRIPT: &str = include_str!("script.js");

/// The rules of the style sheet.
const RULES: &str = include_str!("style.css");

/// The style sheet: the colours that the page shares with its pictures, and the rules.
pub(super) fn style() -> String {
    let (light, dark) = (colours(&LIGHT), colours(&DARK));
    format!(":root {{ {light} }}\n@media screen and (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}\n{RULES}")
}

/// The colours of a ground as variables.
fn colours(scheme: &Scheme) -> String {
    let named = [
        ("ground", scheme.ground),
        ("ink", scheme.ink),
        ("soft", scheme.muted),
        ("line", scheme.grid),
        ("strong", scheme.strong),
    ];
    let named = named.into_iter().map(|(name, colour)| (name.to_owned(), colour));
    let series = scheme.series.iter().enumerate().map(|(at, colour)| (format!("s{at}"), *colour));
    let variable =
        |(name, [red, green, blue]): (String, [u8; 3])| format!("--{name}: #{red:02x}{green:02x}{blue:02x};");
    named.chain(series).map(variable).collect::<Vec<_>>().join(" ")
}

/// The content security policy of a page with this style sheet.
///
/// `default-src` does not speak of `<base>` and of forms, so they are named as well.
pub(super) fn policy(style: &str) -> String {
    format!(
        "default-src 'none'; script-src {}; style-src {}; img-src data:; base-uri 'none'; form-action 'none'",
        allowed(SCRIPT),
        allowed(style)
    )
}

fn allowed(source: &str) -> String {
    let mut digest = String::new();
    base64(&sha256(source.as_bytes()), &mut digest);
    format!("'sha256-{digest}'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn script_and_style_can_stand_in_a_page_and_are_small() {
        assert!(SCRIPT.len() <= 10 * 1024, "the script has {} bytes", SCRIPT.len());
        let style = style();
        for source in [SCRIPT, &style] {
            // What ends the element early, and what a browser reads otherwise than it is hashed.
            assert!(!source.contains("</") && !source.contains("<!--") && !source.contains('\r') && source.is_ascii());
        }
        for word in ["http:", "https:", "//", "fetch(", "import ", "innerHTML", "eval(", "url(", "document.write"] {
            assert!(!SCRIPT.replace("// ", "").contains(word), "{word}");
            assert!(!style.contains(word), "{word}");
        }
    }
    /// The digests are of `printf a | openssl dgst -sha256 -binary | base64`, and of the same of an empty text.
    #[test]
    fn the_policy_names_the_digest_of_what_it_allows() {
        assert_eq!(allowed("a"), "'sha256-ypeBEsobvcr6wjGzmiPcTaeG7/gUfE5yuYB3ha/uSLs='");
        assert!(policy("").contains("style-src 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='; img-src data:;"));
    }
}
