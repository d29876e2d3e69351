//! The names of pre-filters' parameters in the reference's checkpoints.

use std::collections::BTreeMap;

/// Gives names to parameters in the order of their creation, which is that of the inventory: TensorFlow numbers equal
/// names within a scope.
#[derive(Debug, Default)]
pub(super) struct Filters {
    count: BTreeMap<String, usize>,
    /// The last layer with a sigma of its own; its offset is named below the layer as well.
    own_sigma: Option<String>,
}

impl Filters {
    /// The reference's name of our `prefilter/<part>` of the whole network.
    pub fn network(part: &str) -> Option<String> {
        match part {
            "factors" => Some("c_vector".to_owned()),
            "sigma" => Some("gauss_sigma".to_owned()),
            _ => None,
        }
    }

    /// The reference's name of our `prefilter/<part>` of the layer that is called `layer` there, in the scope `scope`,
    /// which is empty or ends in a slash.
    pub fn layer(&mut self, part: &str, layer: &str, scope: &str) -> Option<String> {
        match part {
            "weights" | "average" => Some(self.numbered(format!("{scope}w_avg"))),
            "shared" | "mixing" => Some(format!("{layer}/fix_w")),
            "sigma" => {
                self.own_sigma = Some(layer.to_owned());
                Some(format!("{layer}/gauss_sigma"))
            }
            "offset" if self.own_sigma.as_deref() == Some(layer) => Some(format!("{layer}/w_gauss_value")),
            "offset" => Some(self.numbered(format!("{scope}w_gauss_value"))),
            _ => None,
        }
    }

    /// `w_avg`, then `w_avg_1`, ….
    fn numbered(&mut self, name: String) -> String {
        let count = self.count.entry(name.clone()).or_default();
        *count += 1;
        if *count == 1 { name } else { format!("{name}_{}", *count - 1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_names_are_numbered_by_scope() {
        let mut filters = Filters::default();
        let mut name = |part: &str, layer: &str, scope: &str| filters.layer(part, layer, scope).unwrap();
        assert_eq!(name("weights", "a", "net/block3/"), "net/block3/w_avg");
        assert_eq!(name("average", "b", "net/block3/"), "net/block3/w_avg_1");
        assert_eq!(name("weights", "c", "net/block4/"), "net/block4/w_avg");
        assert_eq!(
            (name("offset", "a", ""), name("offset", "b", "")),
            ("w_gauss_value".into(), "w_gauss_value_1".into())
        );
        assert_eq!(
            (name("mixing", "res4a_branch2b", ""), name("shared", "b", "")),
            ("res4a_branch2b/fix_w".into(), "b/fix_w".into())
        );
        assert_eq!(
            (name("sigma", "c", ""), name("offset", "c", "")),
            ("c/gauss_sigma".into(), "c/w_gauss_value".into())
        );
        assert_eq!(filters.layer("length", "a", ""), None);
        assert_eq!(
            (Filters::network("factors"), Filters::network("sigma")),
            (Some("c_vector".into()), Some("gauss_sigma".into()))
        );
    }
}
