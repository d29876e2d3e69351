"""Numbers that the statistics of this project are held against, as JSON on standard output.

Usage: stats_numbers.py SEED IMAGES RESAMPLES

Inputs, indices of resamples and swaps are drawn by numpy. What they come to is computed here from the definitions, with numpy,
scipy and statsmodels, and by nothing of the program. Where scipy or statsmodels have the whole of it (the bootstrap's intervals,
the tests, Holm, the power), this script also holds its own numbers against theirs.
"""

import json
import sys

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestIndPower, TTestPower
from statsmodels.stats.weightstats import ttost_ind, ttost_paired

LEVELS = [0.5, 0.9, 0.95, 0.99]


def close(ours, theirs, least=1e-12):
    assert np.allclose(ours, theirs, rtol=1e-11, atol=least), (ours, theirs)


# Images.


def models(rng, images, classes):
    """Cells [TP, FP, FN] of two models, image by class. Some images are equal in both, one has no counted pixels."""
    present = rng.random((images, classes)) < 0.5
    present[:, 0] = True
    present[images // 2] = False
    truth = np.where(present, np.exp(rng.normal(7, 1, (images, classes))).astype(int) + 2, 0)
    hard = rng.normal(-1.2, 0.7, (images, 1))
    same = rng.random(images) < 0.3
    cells = []
    for lead in [0.1, 0.0]:
        share = 1 / (1 + np.exp(-hard + lead + 0.3 * rng.normal(size=(images, classes))))
        wrong = np.floor(truth * share).astype(int)
        # A wrong pixel goes to the next class that the image has.
        false = np.zeros_like(wrong)
        for image in range(images):
            there = np.flatnonzero(present[image])
            for at, k in enumerate(there):
                false[image, there[(at + 1) % len(there)]] += wrong[image, k]
        cells.append(np.stack([truth - wrong, false, wrong], axis=2))
    cells[1][same] = cells[0][same]
    return cells


def figure(cells, name):
    """The figure of summed cells, by its definition."""
    tp, fp, fn = cells[:, 0], cells[:, 1], cells[:, 2]
    if name == "pixel_accuracy":
        return tp.sum() / (tp + fn).sum() if (tp + fn).sum() else None
    union = tp + fp + fn
    if name == "mean_iou":
        return np.mean(tp[union > 0] / union[union > 0]) if union.any() else None
    k = int(name.split()[1])
    return tp[k] / union[k] if union[k] else None


def difference(a, b, name):
    """The difference of summed cells, over the classes that both models count; and how many classes."""
    if name != "mean_iou":
        a, b = figure(a, name), figure(b, name)
        return (None, 0) if a is None or b is None else (a - b, 1)
    both = (a.sum(axis=1) > 0) & (b.sum(axis=1) > 0)
    if not both.any():
        return None, 0
    return figure(a[both], name) - figure(b[both], name), int(both.sum())


def counted(a, b, name):
    """The images in which the figure has counted pixels."""
    if name.startswith("iou"):
        k = int(name.split()[1])
        a, b = a[:, k : k + 1], b[:, k : k + 1]
    if name == "pixel_accuracy":
        a, b = a[:, :, [0, 2]], b[:, :, [0, 2]]
    return (a.sum(axis=(1, 2)) > 0) | (b.sum(axis=(1, 2)) > 0)


def case(rng, a, b, name, resamples):
    keep = counted(a, b, name)
    a, b = a[keep], b[keep]
    n = len(a)
    indices = rng.integers(0, n, (resamples, n))
    sums = [difference(a[draw].sum(axis=0), b[draw].sum(axis=0), name) for draw in indices]
    effect, classes = difference(a.sum(axis=0), b.sum(axis=0), name)
    values = [value for value, _ in sums]
    have = np.sort([value for value in values if value is not None])
    void = resamples - len(have)

    without = np.array([difference(np.delete(a, i, 0).sum(axis=0), np.delete(b, i, 0).sum(axis=0), name)[0] for i in range(n)])
    away = without.mean() - without
    error = np.sqrt((n - 1) / n * (away**2).sum())
    acceleration = (away**3).sum() / 6 / (away**2).sum() ** 1.5
    freedom = 2 * (away**2).sum() ** 2 / ((away**4).sum() - (away**2).sum() ** 2 / n)
    freedom = np.clip(freedom, 1, n - 1) if freedom > 0 else n - 1
    bias = stats.norm.ppf(((have < effect).sum() + (have <= effect).sum()) / 2 / len(have))
    wider = np.sqrt(max(1, (1 + error**2 / have.var()) / 2)) if error**2 > have.var() else 1.0

    def tail(z, side):
        z0, slope = side * bias, side * acceleration
        shifted = z - z0
        return shifted / (1 + slope * shifted) - z0 if 1 + slope * shifted > 0 else np.sign(shifted) * np.inf

    # scipy has the plain intervals: its own BCa, from the same resamples, must come from the same bias and acceleration.
    tails, plain = [], []
    if not void:
        of = lambda i: difference(a[i].sum(axis=0), b[i].sum(axis=0), name)[0]
        drawn = type("Drawn", (), {"bootstrap_distribution": np.array(values)})()
        for level in LEVELS:
            ask = dict(n_resamples=0, bootstrap_result=drawn, vectorized=False, confidence_level=level, rng=1)
            bca = stats.bootstrap((np.arange(n),), lambda i: of(i), method="BCa", **ask).confidence_interval
            percentile = stats.bootstrap((np.arange(n),), lambda i: of(i), method="percentile", **ask).confidence_interval
            z = stats.norm.ppf((1 - level) / 2)
            ends = [stats.norm.cdf(bias + (bias + s) / (1 - acceleration * (bias + s))) for s in [z, -z]]
            close(np.percentile(have, np.array(ends) * 100), [bca.low, bca.high])
            tails += [["low", stats.norm.ppf(ends[0]), z], ["high", stats.norm.ppf(1 - ends[1]), z]]
            plain.append([level, percentile.low, percentile.high])
    else:
        tails = []

    different = np.flatnonzero((a != b).any(axis=(1, 2)) if name == "mean_iou" else
                               [difference_of_terms(a[i], b[i], name) for i in range(n)])
    flips = rng.integers(0, 2, (resamples, len(different)))
    as_much = 0
    for flip in flips:
        swap = np.zeros(n, bool)
        swap[different[flip == 1]] = True
        swapped = np.where(swap[:, None, None], b, a).sum(axis=0), np.where(swap[:, None, None], a, b).sum(axis=0)
        value = difference(*swapped, name)[0]
        as_much += value is None or abs(value) >= abs(effect) - 1e-12
    p_swapped = (as_much + 1) / (resamples + 1)

    def one_sided(beyond, side):
        if beyond == resamples:
            return 1.0
        z = stats.norm.ppf((beyond + 1) / (resamples + 1))
        return stats.t.cdf(max(z, tail(z, side)) / wider, freedom)

    def p(bound):
        if bound == effect:
            return 1.0
        if bound < effect:
            value = one_sided(void + (have <= bound).sum(), 1)
        else:
            value = one_sided(void + (have >= bound).sum(), -1)
        value = min(1.0, 2 * value)
        return max(value, p_swapped) if min(0, effect) <= bound <= max(0, effect) else value

    intervals = []
    for level in LEVELS:
        # From the definition: all bounds whose p-value is not below 1 - level. It changes at resamples and at 0 only.
        bounds = np.unique(np.concatenate([have, [0.0, effect]]))
        inside = [bound for bound in bounds if p(bound) >= 1 - level]
        low = None if p(-1e9) >= 1 - level else min(inside)
        high = None if p(1e9) >= 1 - level else max(inside)
        intervals.append([level, low, high])

    won = [[figure(cells[i], name) for cells in (a, b)] for i in range(n)]
    better = sum(x is not None and y is not None and x > y for x, y in won)
    worse = sum(x is not None and y is not None and x < y for x, y in won)
    bounds = [0.0, effect / 2, effect * 1.5 + 0.001, effect - 0.005, effect + 0.005, effect - 0.02, effect + 0.02]
    return {
        "figure": name,
        "effect": effect,
        "indices": indices.tolist(),
        "resampled": values,
        "lost": sum(count < classes for _, count in sums),
        "jackknife": [error, freedom, acceleration],
        "bias": bias,
        "wider": wider,
        "tails": tails,
        "plain": plain,
        "flips": flips.tolist(),
        "as_much": int(as_much),
        "swapped": p_swapped,
        "p": [[bound, p(bound)] for bound in bounds],
        "intervals": intervals,
        "wins": [better, worse, n - better - worse, stats.binomtest(better, better + worse).pvalue if better + worse else 1.0],
    }


def difference_of_terms(a, b, name):
    """Whether an image's counts differ in what the figure is made of."""
    if name == "pixel_accuracy":
        return a[:, 0].sum() != b[:, 0].sum()
    k = int(name.split()[1])
    return a[k, 0] != b[k, 0] or a[k].sum() != b[k].sum()


def images(rng, images, resamples):
    a, b = models(rng, images, 4)
    weights = rng.integers(0, 4, images)
    weighted = (weights[:, None, None] * a).sum(axis=0)
    names = ["mean_iou", "pixel_accuracy", "iou 1"]
    return {
        "a": a.tolist(),
        "b": b.tolist(),
        "weights": weights.tolist(),
        "weighted": [[name, figure(weighted, name)] for name in names],
        "cases": [case(rng, a, b, name, resamples) for name in names],
    }


# Seeds.


def seeds(rng):
    tests = []
    for size, other, shift in [(3, 3, 0.0), (5, 5, 0.4), (5, 4, -0.3), (10, 10, 1.0), (30, 12, 0.2)]:
        a, b = rng.normal(42 + shift, 0.5, size), rng.normal(42, 0.8, other)
        for paired in [False] + [True] * (size == other):
            test = stats.ttest_rel(a, b) if paired else stats.ttest_ind(a, b, equal_var=False)
            ends = [[level, *test.confidence_interval(level)] for level in LEVELS]
            tost = []
            for low, high in [(-0.5, 0.5), (-1.0, 0.2), (-2.0, 2.0)]:
                p = ttost_paired(a, b, low, high)[0] if paired else ttost_ind(a, b, low, high, usevar="unequal")[0]
                tost.append([low, high, p])
            tests.append({"a": list(a), "b": list(b), "paired": paired, "effect": a.mean() - b.mean(), "p": test.pvalue, "intervals": ends, "tost": tost})
    one = rng.normal(0.4, 0.02, 6)
    test = stats.ttest_1samp(one, 0.41)
    mean = {"a": list(one), "bound": 0.41, "p": test.pvalue, "intervals": [[level, *test.confidence_interval(level)] for level in LEVELS]}
    holm = []
    for count in [1, 2, 5, 12]:
        p = rng.random(count) ** 3
        holm.append({"p": list(p), "adjusted": list(multipletests(p, 0.05, "holm")[1])})
    power = []
    for size in [4, 9, 25]:
        a = rng.normal(0, 0.7, size)
        for margin in [0.3, 0.8, 1.5]:
            for alpha in [0.05, 0.01]:
                ask = dict(power=0.8, alpha=alpha / 2, alternative="larger")
                paired = TTestPower().solve_power(margin / a.std(ddof=1), **ask)
                apart = TTestIndPower().solve_power(margin / a.std(ddof=1), **ask)
                power.append({"a": list(a), "margin": margin, "alpha": alpha, "paired": float(paired), "apart": float(apart)})
    shares = []
    for freedom in [1, 4, 9.5, 60, 1448]:
        for shift in [-1.0, 0.0, 2.5, 6.0]:
            t = shift + 1.3
            shares.append([t, freedom, shift, stats.nct.cdf(t, freedom, shift) if shift else stats.t.cdf(t, freedom)])
    return {"tests": tests, "mean": mean, "holm": holm, "power": power, "noncentral": shares}


# Seeds and images.


def squares(values):
    """Mean squares of seeds, images and the rest, by statsmodels' analysis of variance."""
    s, n = values.shape
    data = pd.DataFrame({"y": values.ravel(), "seed": np.repeat(np.arange(s), n), "image": np.tile(np.arange(n), s)})
    table = anova_lm(ols("y ~ C(seed) + C(image)", data).fit())
    return (table["sum_sq"] / table["df"]).to_numpy()


def pseudo(cells, name):
    n = len(cells)
    whole = figure(cells.sum(axis=0), name)
    return whole, np.array([n * whole - (n - 1) * figure(np.delete(cells, i, 0).sum(axis=0), name) for i in range(n)])


def crossed(rng):
    """Methods of several seeds: effect, error, degrees of freedom and interval by variance components."""
    cases = []
    for s, other, paired in [(4, 0, False), (5, 5, True), (4, 5, False), (2, 2, True), (3, 0, False)]:
        n, k = 12, 3
        truth = rng.integers(200, 4000, (n, k))
        hard = rng.normal(-1, 0.6, (n, 1))

        def model(lead):
            share = 1 / (1 + np.exp(-hard + lead + 0.15 * rng.normal() + 0.1 * rng.normal(size=(n, k))))
            wrong = np.floor(truth * share).astype(int)
            return np.stack([truth - wrong, np.roll(wrong, 1, axis=1), wrong], axis=2)

        a, b = [model(0.2) for _ in range(s)], [model(0.0) for _ in range(other)]
        of = lambda models: [np.array(x) for x in zip(*[pseudo(cells, "mean_iou") for cells in models])]
        figures, values = of(a)
        groups = [(figures, values)]
        if other:
            groups.append(of(b))
        if paired:
            groups = [(figures - groups[1][0], values - groups[1][1])]
        effect = groups[0][0].mean() - (groups[1][0].mean() if len(groups) > 1 else 0)
        seed_terms = [(g[0].var(ddof=1) / len(g[0]), len(g[0]) - 1) for g in groups]
        rests = [(squares(v)[2] / v.size, (len(v) - 1) * (n - 1)) for _, v in groups]
        per_image = groups[0][1].mean(axis=0) - (groups[1][1].mean(axis=0) if len(groups) > 1 else 0)
        between = (per_image.var(ddof=1) / n, n - 1)
        if len(groups) == 1:
            close(between[0], squares(groups[0][1])[1] / groups[0][1].size)
        image = max(0.0, between[0] - sum(r for r, _ in rests))
        total = sum(v for v, _ in seed_terms) + image
        terms = seed_terms + ([between] + rests if image > 0 else [])
        freedom = total**2 / sum(v**2 / f for v, f in terms)
        few = min(f + 1 for _, f in seed_terms)
        weigh = 1 if few < 3 else 2 if len(groups) == 1 and few < 4 else None
        ends = []
        for level in LEVELS:
            if weigh is None:
                half = np.sqrt(total) * stats.t.ppf(0.5 + level / 2, freedom)
            else:
                pairs = seed_terms + [(image, n - 1)]
                weights = np.array([(v / total) ** weigh for v, _ in pairs])
                half = np.sqrt(total) * (weights * [stats.t.ppf(0.5 + level / 2, f) for _, f in pairs]).sum() / weights.sum()
            ends.append([level, effect - half, effect + half])
        cases.append({
            "a": [m.tolist() for m in a], "b": [m.tolist() for m in b], "paired": paired, "effect": effect,
            "seeds": [v for v, _ in seed_terms], "images": image, "p": 2 * stats.t.sf(abs(effect) / np.sqrt(total), freedom) if weigh is None else None,
            "intervals": ends,
        })
    return cases


def main():
    seed, count, resamples = map(int, sys.argv[1:])
    rng = np.random.default_rng(seed)
    numbers = {"images": images(rng, count, resamples), "seeds": seeds(rng), "crossed": crossed(rng)}
    plain = lambda value: value.item() if hasattr(value, "item") else value
    json.dump(numbers, sys.stdout, separators=(",", ":"), default=plain, allow_nan=False)


main()
