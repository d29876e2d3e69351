//! What things are called so that they can be told apart: by as few of their facets as do that.

/// A facet of a thing: what it is, as an axis of the matrix, and what the thing has there.
pub(super) type Facet = (String, String);

/// A label for each thing, no two alike. A facet is shown where the ones before it do not tell all things apart that it tells
/// apart. All things have the same facets, in the same order. Where no facet differs, things are called by `whole`, and
/// things that nothing tells apart have numbers.
pub(super) fn labels(things: &[Vec<Facet>], whole: impl Fn(usize) -> String) -> Vec<String> {
    let facets = things.first().map_or(0, Vec::len);
    let mut chosen: Vec<usize> = Vec::new();
    let parts = |chosen: &[usize]| -> usize {
        let mut keys: Vec<Vec<&str>> = things.iter().map(|thing| key(thing, chosen)).collect();
        keys.sort_unstable();
        keys.dedup();
        keys.len()
    };
    for facet in 0..facets {
        let more = [&chosen[..], &[facet]].concat();
        if parts(&more) > parts(&chosen).max(1) {
            chosen = more;
        }
    }
    let mut labels: Vec<String> = Vec::with_capacity(things.len());
    for (at, thing) in things.iter().enumerate() {
        let shown: Vec<String> = chosen.iter().filter_map(|&facet| thing.get(facet)).map(shown).collect();
        let label = if shown.is_empty() { whole(at) } else { shown.join(", ") };
        let same = |count: usize| if count == 0 { label.clone() } else { format!("{label} ({})", count + 1) };
        let free = (0..).map(same).find(|label| !labels.contains(label)).unwrap_or_default();
        labels.push(free);
    }
    labels
}

fn key<'a>(thing: &'a [Facet], chosen: &[usize]) -> Vec<&'a str> {
    chosen.iter().filter_map(|&facet| thing.get(facet)).map(|(_, value)| value.as_str()).collect()
}

/// A value that says what it is stands alone: `Average`. Others are named: `rate=0.01`.
fn shown((name, value): &Facet) -> String {
    let speaks = value.chars().any(char::is_alphabetic) && !["true", "false", "None"].contains(&value.as_str());
    match speaks || value.is_empty() && name.is_empty() {
        true => value.clone(),
        false => format!("{name}={value}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labelled(things: &[&[(&str, &str)]]) -> Vec<String> {
        let facets = |thing: &&[(&str, &str)]| thing.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        labels(&things.iter().map(facets).collect::<Vec<_>>(), |_| "whole".to_owned())
    }

    #[test]
    fn things_are_called_by_what_tells_them_apart_and_by_no_more() {
        assert_eq!(labelled(&[]), [""; 0]);
        assert_eq!(labelled(&[&[("prefilter", "Average"), ("rate", "0.1")]]), ["whole"]);
        // What the pre-filter tells already is not told again.
        let one = labelled(&[&[("prefilter", "Average"), ("words", "B")], &[("prefilter", "Regular"), ("words", "A")]]);
        assert_eq!(one, ["Average", "Regular"]);
        let two = labelled(&[
            &[("prefilter", "Average"), ("rate", "0.1")],
            &[("prefilter", "Average"), ("rate", "0.2")],
            &[("prefilter", "Regular"), ("rate", "0.1")],
        ]);
        assert_eq!(two, ["Average, rate=0.1", "Average, rate=0.2", "Regular, rate=0.1"]);
        assert_eq!(labelled(&[&[("mirror", "true")], &[("mirror", "false")]]), ["mirror=true", "mirror=false"]);
        assert_eq!(labelled(&[&[("a", "x")], &[("a", "x")]]), ["whole", "whole (2)"], "nothing tells them apart");
    }
}
