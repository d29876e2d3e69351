//! The colours of pictures. `docs/pictures.md` has them with the figures that a test below asserts.

/// The colours of a ground: light, as paper, or dark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scheme {
    /// The ground.
    pub ground: [u8; 3],
    /// Text and axes.
    pub ink: [u8; 3],
    /// What is said in passing.
    pub muted: [u8; 3],
    /// Lines that guide the eye.
    pub grid: [u8; 3],
    /// Text on the first series' colour.
    pub strong: [u8; 3],
    /// The series, in their order.
    pub series: [[u8; 3]; SERIES],
}

/// How many series have colours of their own.
pub const SERIES: usize = 8;

/// The colours on white.
pub const LIGHT: Scheme = Scheme {
    ground: [255, 255, 255],
    ink: [26, 28, 32],
    muted: [96, 100, 108],
    grid: [222, 224, 228],
    strong: [255, 255, 255],
    series: [
        [28, 47, 251],
        [195, 134, 0],
        [0, 113, 75],
        [163, 24, 138],
        [39, 148, 220],
        [223, 12, 87],
        [98, 66, 0],
        [140, 139, 142],
    ],
};

/// The colours on a dark ground.
pub const DARK: Scheme = Scheme {
    ground: [22, 24, 29],
    ink: [232, 233, 236],
    muted: [160, 164, 172],
    grid: [52, 55, 62],
    strong: [232, 233, 236],
    series: [
        [55, 103, 170],
        [199, 130, 45],
        [45, 168, 139],
        [155, 134, 255],
        [62, 231, 249],
        [184, 54, 75],
        [251, 207, 68],
        [225, 234, 218],
    ],
};

/// Viridis, by Nathaniel Smith and Stéfan van der Walt (CC0), at 33 places of its 256 as matplotlib 3.11 has them. Between
/// these, colours are mixed: no channel is off by more than 2.
const VIRIDIS: [[u8; 3]; 33] = [
    [68, 1, 84],
    [71, 13, 96],
    [72, 24, 106],
    [72, 35, 116],
    [71, 45, 123],
    [69, 55, 129],
    [66, 64, 134],
    [62, 73, 137],
    [59, 82, 139],
    [55, 91, 141],
    [51, 99, 141],
    [47, 107, 142],
    [44, 114, 142],
    [41, 122, 142],
    [38, 130, 142],
    [35, 137, 142],
    [33, 145, 140],
    [31, 151, 139],
    [31, 159, 136],
    [33, 166, 133],
    [39, 173, 129],
    [49, 181, 123],
    [61, 188, 116],
    [76, 194, 108],
    [92, 200, 99],
    [110, 206, 88],
    [129, 211, 77],
    [149, 216, 64],
    [170, 220, 50],
    [192, 223, 37],
    [213, 226, 26],
    [234, 229, 26],
    [253, 231, 37],
];

/// The colours of a map, from the least value to the greatest.
pub fn map() -> Vec<[u8; 3]> {
    (0..256).map(|level| viridis(f64::from(level) / 255.0)).collect()
}

/// The colour of a share from 0 to 1.
fn viridis(share: f64) -> [u8; 3] {
    let place = share.clamp(0.0, 1.0) * (VIRIDIS.len() - 1) as f64;
    let at = (place as usize).min(VIRIDIS.len() - 2);
    mix(VIRIDIS[at], VIRIDIS[at + 1], place - at as f64)
}

/// A colour between two: `share` of the second.
pub fn mix(a: [u8; 3], b: [u8; 3], share: f64) -> [u8; 3] {
    std::array::from_fn(|c| (f64::from(a[c]) * (1.0 - share) + f64::from(b[c]) * share).round() as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Three = [f64; 3];

    /// What people without one sort of cones see, for linear RGB: protanopia, deuteranopia, tritanopia, all at severity 1.0
    /// (Machado, Oliveira and Fernandes, IEEE TVCG 15(6), 2009, table of precomputed matrices). The first is normal sight.
    const SIGHTS: [(&str, [Three; 3]); 4] = [
        ("normal", [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]),
        (
            "protanopia",
            [
                [0.152_286, 1.052_583, -0.204_868],
                [0.114_503, 0.786_281, 0.099_216],
                [-0.003_882, -0.048_116, 1.051_998],
            ],
        ),
        (
            "deuteranopia",
            [[0.367_322, 0.860_646, -0.227_968], [0.280_085, 0.672_501, 0.047_413], [-0.011_820, 0.042_940, 0.968_881]],
        ),
        (
            "tritanopia",
            [
                [1.255_528, -0.076_749, -0.178_779],
                [-0.078_411, 0.930_809, 0.147_602],
                [0.004_733, 0.691_367, 0.303_900],
            ],
        ),
    ];

    fn linear(colour: [u8; 3]) -> Three {
        colour.map(|c| {
            let c = f64::from(c) / 255.0;
            if c <= 0.040_45 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        })
    }

    fn times(matrix: &[Three; 3], v: Three) -> Three {
        std::array::from_fn(|row| (0..3).map(|at| matrix[row][at] * v[at]).sum())
    }

    /// CIE Lab of linear sRGB, for the white D65.
    fn lab(rgb: Three) -> Three {
        const XYZ: [Three; 3] = [
            [0.412_456_4, 0.357_576_1, 0.180_437_5],
            [0.212_672_9, 0.715_152_2, 0.072_175_0],
            [0.019_333_9, 0.119_192_0, 0.950_304_1],
        ];
        let [x, y, z] = times(&XYZ, rgb.map(|c| c.clamp(0.0, 1.0)));
        let f = |t: f64| if t > 216.0 / 24389.0 { t.cbrt() } else { (24389.0 / 27.0 * t + 16.0) / 116.0 };
        let (x, y, z) = (f(x / 0.950_47), f(y), f(z / 1.088_83));
        [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
    }

    /// CIEDE2000 (Sharma, Wu and Dalal, Color Research and Application 30(1), 2005).
    fn distance([l1, a1, b1]: Three, [l2, a2, b2]: Three) -> f64 {
        let seventh = |c: f64| (c.powi(7) / (c.powi(7) + 25_f64.powi(7))).sqrt();
        let g = 1.0 + 0.5 * (1.0 - seventh((a1.hypot(b1) + a2.hypot(b2)) / 2.0));
        let (a1, a2) = (a1 * g, a2 * g);
        let (c1, c2) = (a1.hypot(b1), a2.hypot(b2));
        let hue = |a: f64, b: f64| b.atan2(a).to_degrees().rem_euclid(360.0);
        let (h1, h2) = (hue(a1, b1), hue(a2, b2));
        let grey = c1 * c2 == 0.0;
        let turn = if grey { 0.0 } else { (h2 - h1 + 180.0).rem_euclid(360.0) - 180.0 };
        let dh = 2.0 * (c1 * c2).sqrt() * (turn / 2.0).to_radians().sin();
        let (l, c) = ((l1 + l2) / 2.0, (c1 + c2) / 2.0);
        let h = if grey { h1 + h2 } else { (h1 + turn / 2.0).rem_euclid(360.0) };
        let cos = |degrees: f64| degrees.to_radians().cos();
        let t =
            1.0 - 0.17 * cos(h - 30.0) + 0.24 * cos(2.0 * h) + 0.32 * cos(3.0 * h + 6.0) - 0.2 * cos(4.0 * h - 63.0);
        let sl = 1.0 + 0.015 * (l - 50.0).powi(2) / (20.0 + (l - 50.0).powi(2)).sqrt();
        let (sc, sh) = (1.0 + 0.045 * c, 1.0 + 0.015 * c * t);
        let around = 60.0 * (-((h - 275.0) / 25.0).powi(2)).exp();
        let rt = -2.0 * seventh(c) * around.to_radians().sin();
        let (dl, dc, dh) = ((l2 - l1) / sl, (c2 - c1) / sc, dh / sh);
        (dl * dl + dc * dc + dh * dh + rt * dc * dh).sqrt()
    }

    fn seen(sight: &[Three; 3], colour: [u8; 3]) -> Three {
        lab(times(sight, linear(colour)))
    }

    /// The contrast of the Web Content Accessibility Guidelines.
    fn contrast(a: [u8; 3], b: [u8; 3]) -> f64 {
        let luminance = |colour| linear(colour).iter().zip([0.2126, 0.7152, 0.0722]).map(|(c, w)| c * w).sum::<f64>();
        let (a, b): (f64, f64) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn the_distance_is_that_of_its_paper() {
        // Pairs 1, 7, 17 and 25 of table 1.
        let pairs = [
            ([50.0, 2.6772, -79.7751], [50.0, 0.0, -82.7485], 2.0425),
            ([50.0, 0.0, 0.0], [50.0, -1.0, 2.0], 2.3669),
            ([50.0, 2.5, 0.0], [73.0, 25.0, -18.0], 27.1492),
            ([60.2574, -34.0099, 36.2677], [60.4626, -34.1751, 39.4387], 1.2644),
        ];
        for (a, b, expected) in pairs {
            assert!((distance(a, b) - expected).abs() < 1e-4, "{a:?} {b:?} {}", distance(a, b));
        }
    }

    #[test]
    fn the_colour_blind_can_tell_the_series() {
        let mut least = Vec::new();
        for (scheme, floors) in [(LIGHT, [18.0, 14.0, 14.0, 14.0]), (DARK, [22.0, 17.0, 17.0, 17.0])] {
            for ((name, sight), floor) in SIGHTS.iter().zip(floors) {
                let all: Vec<Three> =
                    scheme.series.iter().chain([&scheme.ground]).map(|&colour| seen(sight, colour)).collect();
                let pairs = (0..all.len()).flat_map(|a| (0..a).map(move |b| (a, b)));
                let (found, pair) = pairs
                    .map(|pair| (distance(all[pair.0], all[pair.1]), pair))
                    .fold((f64::INFINITY, (0, 0)), |a, b| if b.0 < a.0 { b } else { a });
                assert!(found >= floor, "{name}: {pair:?} are {found:.1} apart");
                least.push(format!("{name} {found:.1}"));
            }
        }
        // `docs/pictures.md` says these.
        insta::assert_snapshot!(least.join("\n"), @r"
        normal 20.9
        protanopia 14.5
        deuteranopia 15.2
        tritanopia 14.8
        normal 22.7
        protanopia 18.0
        deuteranopia 18.0
        tritanopia 18.0
        ");
    }

    #[test]
    fn every_colour_can_be_seen_on_its_ground() {
        for scheme in [LIGHT, DARK] {
            for colour in scheme.series {
                assert!(contrast(colour, scheme.ground) >= 3.0, "{colour:?}: {}", contrast(colour, scheme.ground));
            }
            assert!(contrast(scheme.strong, scheme.series[0]) >= 4.5);
            assert!(contrast(scheme.ink, scheme.ground) >= 7.0 && contrast(scheme.muted, scheme.ground) >= 4.5);
        }
    }

    #[test]
    fn a_greater_value_of_a_map_is_lighter_for_every_sight() {
        let map = map();
        assert_eq!((map.len(), map[0], map[255]), (256, VIRIDIS[0], VIRIDIS[32]));
        for (name, sight) in &SIGHTS {
            let lightness: Vec<f64> = map.iter().map(|&colour| seen(sight, colour)[0]).collect();
            assert!(lightness.windows(2).all(|pair| pair[1] > pair[0] - 0.3), "{name}");
            assert!(lightness.windows(17).all(|part| part[16] > part[0] + 1.0), "{name}");
        }
    }

    #[test]
    fn the_documents_have_the_colours() {
        let text = include_str!("../../docs/pictures.md");
        for colour in LIGHT.series.into_iter().chain(DARK.series) {
            let [r, g, b] = colour;
            let name = format!("#{r:02x}{g:02x}{b:02x}");
            assert!(text.contains(&name), "docs/pictures.md lacks {name}");
        }
    }
}
