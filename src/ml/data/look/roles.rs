//! What the names of folders and files say: whether images or labels lie there, and for which part of a data set.

/// A part of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// To train on.
    Train,
    /// To compare models on while they are made.
    Val,
    /// To measure at the very end.
    Test,
}

impl Part {
    /// Its usual name.
    pub fn name(self) -> &'static str {
        match self {
            Part::Train => "train",
            Part::Val => "val",
            Part::Test => "test",
        }
    }
}

/// What lies in a folder, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Images.
    Images,
    /// Labels.
    Labels,
    /// Numbers of objects, not of classes.
    Instances,
    /// The names do not say.
    Unsaid,
}

/// What the path of a folder says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// What lies there.
    pub role: Role,
    /// For which part.
    pub part: Option<Part>,
    /// The folders that say neither.
    pub rest: String,
}

const IMAGES: [&str; 21] = [
    "frame",
    "frames",
    "image",
    "images",
    "img",
    "imgdir",
    "imgs",
    "input",
    "inputs",
    "jpegimages",
    "jpgs",
    "leftimg8bit",
    "original",
    "originals",
    "photo",
    "photos",
    "picture",
    "pictures",
    "pngimages",
    "raw",
    "rgb",
];

const LABELS: [&str; 28] = [
    "anndir",
    "annot",
    "annotation",
    "annotations",
    "annots",
    "classmask",
    "classmasks",
    "groundtruth",
    "gt",
    "gtcoarse",
    "gtfine",
    "gts",
    "lab",
    "label",
    "labelids",
    "labels",
    "labs",
    "mask",
    "masks",
    "seg",
    "segmentation",
    "segmentationclass",
    "segmentationclassaug",
    "segmentations",
    "segs",
    "semantic",
    "target",
    "targets",
];

const INSTANCES: [&str; 5] = ["instance", "instanceids", "instancemasks", "instances", "segmentationobject"];

const PARTS: [(&str, Part); 9] = [
    ("training", Part::Train),
    ("train", Part::Train),
    ("trn", Part::Train),
    ("validation", Part::Val),
    ("valid", Part::Val),
    ("val", Part::Val),
    ("testing", Part::Test),
    ("test", Part::Test),
    ("tst", Part::Test),
];

/// What may stand beside the name of a part.
const NEUTRAL: [&str; 5] = ["", "data", "s", "set", "split"];

/// What the path of a folder says.
pub fn said(folder: &str) -> Said {
    let mut said = Said { role: Role::Unsaid, part: None, rest: String::new() };
    for name in folder.split('/').filter(|name| !name.is_empty()) {
        match of_name(name) {
            (Role::Unsaid, None) => {
                if !said.rest.is_empty() {
                    said.rest.push('/');
                }
                said.rest += name;
            }
            (role, part) => {
                if role != Role::Unsaid {
                    said.role = role;
                }
                said.part = part.or(said.part);
            }
        }
    }
    said
}

/// The part that a name stands for, as that of a list `train.txt`.
pub fn part(name: &str) -> Option<Part> {
    of_name(name).1
}

fn of_name(name: &str) -> (Role, Option<Part>) {
    let plain: String = name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    if let Some(role) = role(&plain) {
        return (role, None);
    }
    for (word, part) in PARTS {
        let rest = plain.strip_prefix(word).or_else(|| plain.strip_suffix(word));
        match rest {
            Some(rest) if NEUTRAL.contains(&rest) => return (Role::Unsaid, Some(part)),
            Some(rest) => {
                if let Some(role) = role(rest) {
                    return (role, Some(part));
                }
            }
            None => {}
        }
    }
    (Role::Unsaid, None)
}

fn role(plain: &str) -> Option<Role> {
    let roles = [(&IMAGES[..], Role::Images), (&LABELS[..], Role::Labels), (&INSTANCES[..], Role::Instances)];
    roles.iter().find(|(words, _)| words.contains(&plain)).map(|(_, role)| *role)
}

/// How the names of labels end, behind the names of their images.
const LABEL_ENDS: [&str; 16] = [
    "annotation",
    "gt",
    "gtcoarselabelids",
    "gtfinelabelids",
    "groundtruth",
    "l",
    "label",
    "labelids",
    "labels",
    "labeltrainids",
    "lbl",
    "mask",
    "masks",
    "seg",
    "segmentation",
    "semantic",
];

/// How the names of files end that lie beside labels and are none.
const OTHER_ENDS: [&str; 9] =
    ["color", "colored", "colour", "coloured", "gtfinecolor", "gtfineinstanceids", "instanceids", "overlay", "vis"];

/// How the names of images end.
const IMAGE_ENDS: [&str; 7] = ["image", "img", "leftimg8bit", "rgb", "sat", "photo", "input"];

/// What a file is, by the end of its name behind `_`, `-` or `.`, and the name without it.
pub fn by_name(stem: &str) -> (Role, &str) {
    let cuts: Vec<usize> = stem.match_indices(['_', '-', '.']).map(|(at, _)| at).collect();
    // The longest end first: `_gtFine_labelIds` is one.
    for at in cuts {
        let end: String = stem[at..].chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
        for (ends, role) in
            [(&LABEL_ENDS[..], Role::Labels), (&OTHER_ENDS[..], Role::Instances), (&IMAGE_ENDS[..], Role::Images)]
        {
            if ends.contains(&end.as_str()) && at > 0 {
                return (role, &stem[..at]);
            }
        }
    }
    (Role::Unsaid, stem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_say_what_lies_in_them() {
        for (folder, role, part, rest) in [
            ("images", Role::Images, None, ""),
            ("Train_Masks/city", Role::Labels, Some(Part::Train), "city"),
            ("valannot", Role::Labels, Some(Part::Val), ""),
            ("data/training/Images", Role::Images, Some(Part::Train), "data"),
            ("VOC/SegmentationObject", Role::Instances, None, "VOC"),
            ("test", Role::Unsaid, Some(Part::Test), ""),
            ("trainval", Role::Unsaid, None, "trainval"),
            ("img_dir/val", Role::Images, Some(Part::Val), ""),
        ] {
            assert_eq!(said(folder), Said { role, part, rest: rest.to_owned() }, "{folder}");
        }
    }

    #[test]
    fn names_of_files_say_it_by_their_ends() {
        for (stem, role, name) in [
            ("a_mask", Role::Labels, "a"),
            ("104_sat", Role::Images, "104"),
            ("0001TP_006690_L", Role::Labels, "0001TP_006690"),
            ("ulm_1_gtFine_labelIds", Role::Labels, "ulm_1"),
            ("ulm_1_gtFine_color", Role::Instances, "ulm_1"),
            ("a_b", Role::Unsaid, "a_b"),
            ("_mask", Role::Unsaid, "_mask"),
        ] {
            assert_eq!(by_name(stem), (role, name), "{stem}");
        }
    }
}
