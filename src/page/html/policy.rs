//! The page's script and style, and the policy that allows these two and nothing else.
//!
//! The policy names both by the digests of their exact bytes. A browser then refuses every other script and style, and every
//! request: a page that works under it needs no network.

use super::base64::base64;
use super::sha256::sha256;

/// The script. It is plain JavaScript of at most 10 KB.
pub(super) const SCRIPT: &str = include_str!("script.js");

/// The style sheet.
pub(super) const STYLE: &str = include_str!("style.css");

/// The content security policy.
///
/// `default-src` does not speak of `<base>` and of forms, so they are named as well.
pub(super) fn policy() -> String {
    format!(
        "default-src 'none'; script-src {}; style-src {}; img-src data:; base-uri 'none'; form-action 'none'",
        allowed(SCRIPT),
        allowed(STYLE)
    )
}

fn allowed(source: &str) -> String {
    format!("'sha256-{}'", base64(&sha256(source.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn script_and_style_can_stand_in_a_page_and_are_small() {
        assert!(SCRIPT.len() <= 10 * 1024, "the script has {} bytes", SCRIPT.len());
        for source in [SCRIPT, STYLE] {
            // What ends the element early, and what a browser reads otherwise than it is hashed.
            assert!(!source.contains("</") && !source.contains("<!--") && !source.contains('\r') && source.is_ascii());
        }
        for word in ["http:", "https:", "//", "fetch(", "import ", "innerHTML", "eval(", "url(", "document.write"] {
            assert!(!SCRIPT.replace("// ", "").contains(word), "{word}");
            assert!(!STYLE.contains(word), "{word}");
        }
    }
}
