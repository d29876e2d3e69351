//! The names and colours of classes.

/// VOC's colour of each id: the bits of the id, dealt to red, green and blue in turn, from the highest bit down.
pub const VOC_MAP: [[u8; 3]; 256] = voc_map();

const fn voc_map() -> [[u8; 3]; 256] {
    let mut map = [[0; 3]; 256];
    let mut id = 0;
    while id < 256 {
        let mut bit = 0;
        while bit < 8 {
            map[id][bit % 3] |= ((id >> bit & 1) as u8) << (7 - bit / 3);
            bit += 1;
        }
        id += 1;
    }
    map
}

/// The 21 classes of PASCAL VOC.
pub const VOC: [&str; 21] = [
    "background",
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "diningtable",
    "dog",
    "horse",
    "motorbike",
    "person",
    "pottedplant",
    "sheep",
    "sofa",
    "train",
    "tvmonitor",
];

/// The 11 classes of CamVid.
pub const CAMVID: [&str; 11] =
    ["sky", "building", "pole", "road", "pavement", "tree", "sign_symbol", "fence", "car", "pedestrian", "bicyclist"];

/// The colours of CamVid's classes (Brostow et al., 2009), in the order of [`CAMVID`].
pub const CAMVID_COLORS: [[u8; 3]; 11] = [
    [128, 128, 128],
    [128, 0, 0],
    [192, 192, 128],
    [128, 64, 128],
    [0, 0, 192],
    [128, 128, 0],
    [192, 128, 128],
    [64, 64, 128],
    [64, 0, 128],
    [64, 64, 0],
    [0, 128, 192],
];

/// The 6 classes of the made scenes.
pub const SHAPES: [&str; 6] = ["background", "disc", "square", "triangle", "wire", "blob"];

/// A palette of 8 bits with these colours of classes; ids that are no class are black, as the reference draws them.
pub fn palette(colors: &[[u8; 3]]) -> [[u8; 3]; 256] {
    std::array::from_fn(|id| colors.get(id).copied().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_map_has_the_published_colours() {
        assert_eq!(VOC_MAP[1], [128, 0, 0]);
        assert_eq!(VOC_MAP[15], [192, 128, 128]);
        assert_eq!(VOC_MAP[20], [0, 64, 128]);
        assert_eq!(VOC_MAP[255], [224, 224, 192]);
    }
}
