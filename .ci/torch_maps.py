"""Predictions of PyTorch networks against those of this program, from the same files of weights.

Each network is drawn from a seed, and saved as its own project saves it. Its batch norms have the statistics of the images,
so that every layer matters, and its biases make the classes about equally frequent. PyTorch's map of classes is the greatest
logit of each pixel, brought to the size of the image as the project does it. The program reads the same `.pth` and the same
PNG images. Usage: torch_maps.py PROGRAM FOLDER [TABLE], or torch_maps.py record: prints the numbers that
`src/ml/models/recorded.rs` has, for machines without PyTorch.
"""
import math, pathlib, subprocess, sys, time
import numpy
import torch, torchvision
from PIL import Image
from torch import nn
from torch.nn import functional as F

CLASSES = 21
LIMIT = 1e-4
SIZES = [(97, 129), (96, 128), (100, 131), (113, 98)]
IMAGES = 4
MEAN_BGR = (104.00698793, 116.66876762, 122.67891434)
PLAIN = dict(padding="Symmetric", pool="SymmetricCeil", stride="Reduce", first_dilation="Own", epsilon=1e-5)


def same(size, kernel, stride, dilation):
    """TensorFlow's `SAME` padding: before and behind."""
    total = max((-(-size // stride) - 1) * stride + (kernel - 1) * dilation + 1 - size, 0)
    return total // 2, total - total // 2


def padded(x, kernel, stride, dilation, value=0.0):
    rows, columns = (same(side, kernel, stride, dilation) for side in x.shape[2:])
    return F.pad(x, (*columns, *rows), value=value)


class Conv(nn.Conv2d):
    """A convolution with PyTorch's own padding, or with TensorFlow's."""

    def __init__(self, inputs, outputs, kernel, stride, dilation, how):
        super().__init__(inputs, outputs, kernel, stride, dilation * (kernel // 2), dilation, bias=False)
        self.how = how

    def forward(self, x):
        if self.how["padding"] == "Symmetric":
            return super().forward(x)
        x = padded(x, self.kernel_size[0], self.stride[0], self.dilation[0])
        return F.conv2d(x, self.weight, None, self.stride, 0, self.dilation)


class ConvBnReLU(nn.Sequential):
    def __init__(self, inputs, outputs, kernel, stride, dilation, relu, how):
        super().__init__()
        self.add_module("conv", Conv(inputs, outputs, kernel, stride, dilation, how))
        self.add_module("bn", nn.BatchNorm2d(outputs, eps=how["epsilon"]))
        if relu:
            self.add_module("relu", nn.ReLU())


class Bottleneck(nn.Module):
    def __init__(self, inputs, outputs, stride, dilation, projects, how):
        super().__init__()
        first, second = (stride, 1) if how["stride"] == "Reduce" else (1, stride)
        self.reduce = ConvBnReLU(inputs, outputs // 4, 1, first, 1, True, how)
        self.conv3x3 = ConvBnReLU(outputs // 4, outputs // 4, 3, second, dilation, True, how)
        self.increase = ConvBnReLU(outputs // 4, outputs, 1, 1, 1, False, how)
        self.shortcut = ConvBnReLU(inputs, outputs, 1, stride, 1, False, how) if projects else nn.Identity()

    def forward(self, x):
        return F.relu(self.increase(self.conv3x3(self.reduce(x))) + self.shortcut(x))


class Stem(nn.Sequential):
    def __init__(self, outputs, how):
        super().__init__()
        self.add_module("conv1", ConvBnReLU(3, outputs, 7, 2, 1, True, how))
        self.how = how

    def forward(self, x):
        x, pool = self.conv1(x), self.how["pool"]
        if pool == "Same":
            return F.max_pool2d(padded(x, 3, 2, 1, float("-inf")), 3, 2)
        return F.max_pool2d(x, 3, 2, 1, ceil_mode=pool == "SymmetricCeil")


class Aspp(nn.Module):
    def __init__(self, inputs, classes, rates):
        super().__init__()
        for at, rate in enumerate(rates):
            self.add_module(f"c{at}", nn.Conv2d(inputs, classes, 3, 1, rate, rate))

    def forward(self, x):
        return sum(stage(x) for stage in self.children())


class DeepLabV2(nn.Sequential):
    """The network of kazuto1011/deeplab-pytorch, with its names. `how` changes a convention."""

    def __init__(self, stem, channels, blocks, how=PLAIN, rates=(6, 12, 18, 24), classes=CLASSES):
        super().__init__()
        self.add_module("layer1", Stem(stem, how))
        inputs, before = stem, 1
        for layer, (outputs, count, stride, dilation) in enumerate(zip(channels, blocks, (1, 2, 1, 1), (1, 1, 2, 4)), 2):
            group = nn.Sequential()
            for at in range(count):
                own = before if at == 0 and how["first_dilation"] == "Before" else dilation
                group.add_module(f"block{at + 1}", Bottleneck(inputs, outputs, stride if at == 0 else 1, own, at == 0, how))
                inputs = outputs
            self.add_module(f"layer{layer}", group)
            before = dilation
        self.add_module("aspp", Aspp(inputs, classes, rates))


class Msc(nn.Module):
    """The multi-scale network of kazuto1011/deeplab-pytorch."""

    def __init__(self, base):
        super().__init__()
        self.base = base

    def forward(self, x):
        logits = self.base(x)
        resize = lambda other: F.interpolate(other, size=logits.shape[2:], mode="bilinear", align_corners=False)
        scaled = lambda scale: F.interpolate(x, scale_factor=scale, mode="bilinear", align_corners=False)
        members = [logits] + [resize(self.base(scaled(scale))) for scale in (0.5, 0.75)]
        return torch.stack(members).max(dim=0)[0]


class Torchvision(nn.Module):
    """A dilated ResNet of torchvision with the head of DeepLab-v2."""

    def __init__(self, resnet):
        super().__init__()
        self.backbone = torchvision.models._utils.IntermediateLayerGetter(resnet, {"layer4": "out"})
        self.aspp = Aspp(2048, CLASSES, (6, 12, 18, 24))

    def forward(self, x):
        return self.aspp(self.backbone(x)["out"])


def legacy(logits, size):
    """TensorFlow's legacy bilinear resize."""
    for axis, side in zip((2, 3), size):
        last = logits.shape[axis] - 1
        at = torch.arange(side, dtype=torch.float32) * torch.tensor((last + 1) / side, dtype=torch.float32)
        low = at.long().clamp(max=last)
        share = (at - low).reshape([-1 if dim == axis else 1 for dim in range(4)])
        below, above = logits.index_select(axis, low), logits.index_select(axis, (low + 1).clamp(max=last))
        logits = below + (above - below) * share
    return logits


UPSAMPLING = {
    "HalfPixel": lambda logits, size: F.interpolate(logits, size=size, mode="bilinear", align_corners=False),
    "AlignCorners": lambda logits, size: F.interpolate(logits, size=size, mode="bilinear", align_corners=True),
    "Legacy": legacy,
}


def picture(random, height, width):
    """Smooth patches of colour with some noise."""
    coarse = torch.from_numpy(random.random((1, 3, height // 12 + 2, width // 12 + 2), dtype=numpy.float32))
    smooth = F.interpolate(coarse, size=(height, width), mode="bicubic", align_corners=False)[0].permute(1, 2, 0).numpy()
    noisy = 255 * smooth + random.normal(0, 12, smooth.shape)
    return noisy.clip(0, 255).astype(numpy.uint8)


def bgr(image):
    levels = image[:, :, ::-1].astype(numpy.float32) - numpy.float32(MEAN_BGR)
    return torch.from_numpy(numpy.ascontiguousarray(levels.transpose(2, 0, 1)))[None]


def normalised(image):
    levels = torch.from_numpy(image.transpose(2, 0, 1).copy())[None].float() / 255
    return torchvision.transforms.functional.normalize(levels, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def draw(network, images, seed):
    """Draws the weights, then gives batch norms the statistics of `images`, and classes the same mean logit."""
    torch.manual_seed(seed)
    network.train()
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
            with torch.no_grad():
                # As those of trained networks, filters have a mean near 0: else a channel's mean drowns what varies in it,
                # and the more layers there are, the more of the maps is rounding.
                module.weight -= module.weight.mean(dim=(1, 2, 3), keepdim=True)
                # Small outputs make a batch norm's epsilon matter.
                module.weight *= 0.03 if module.kernel_size == (3, 3) else 0.3
        elif isinstance(module, nn.BatchNorm2d):
            # A block adds little to what comes in, as in trained networks. If all blocks were as strong as random ones, the
            # last layers of a hundred would be mostly rounding.
            last = name.endswith(("increase.bn", "bn3"))
            nn.init.uniform_(module.weight, *((0.1, 0.3) if last else (0.5, 1.5)))
            nn.init.normal_(module.bias, 0.0, 0.3)
            module.reset_running_stats()
            module.momentum = None
        elif isinstance(module, nn.Dropout):
            module.p = 0.0
    with torch.no_grad():
        for image in images:
            network(image)
        network.eval()
        main = (module for name, module in network.named_modules() if not name.startswith("aux"))
        last = [module for module in main if isinstance(module, nn.Conv2d) and module.bias is not None][-1]
        logits = [output(network, image).mean(dim=(0, 2, 3)) for image in images]
        last.bias -= torch.stack(logits).mean(dim=0)
    return network


def output(network, image):
    found = network(image)
    return found["out"] if isinstance(found, dict) else found


class Case:
    """A network, what a pipeline says of it, and how its project makes a map of its logits."""

    def __init__(self, name, network, encoder, geometry, head="Aspp()", upsampling="HalfPixel", inference="()", sizes=SIZES, torchvision=False, scales=None):
        self.name, self.network, self.encoder, self.geometry, self.head = name, network, encoder, geometry, head
        self.upsampling, self.inference, self.sizes, self.torchvision = upsampling, inference, sizes, torchvision
        self.weights = scales or network
        self.input = normalised if torchvision else bgr

    def classes(self, image):
        with torch.no_grad():
            logits = output(self.network, self.input(image))
            return UPSAMPLING[self.upsampling](logits, image.shape[:2]).argmax(dim=1)[0].numpy()

    def stages(self, number):
        """The stages of a pipeline, whose predictions are `p<number>_<height>`."""
        model = f"DeepLabV2(encoder: {self.encoder}, classes: {CLASSES}, head: {self.head}, geometry: {self.geometry})"
        source = f'Checkpoint(file: "{number}.pth", take: EncoderAndHead)'
        pixels = "()"
        if self.torchvision:
            pixels = "(order: Rgb, mean_bgr: (103.53, 116.28, 123.675), deviation_bgr: (57.375, 57.12, 58.395))"
        yield f'"w{number}": Weights(encoder: {self.encoder}, head: {self.head}, geometry: {self.geometry}, source: {source}),'
        yield f'"m{number}": Model(weights: "w{number}", model: {model}, input: {pixels}),'
        for height, width in self.sizes:
            name = f"p{number}_{height}"
            yield f'"{name}": Predict(model: "m{number}", data: "d{height}", inference: {self.inference}),'


def cases():
    tiny = (8, (16, 32, 64, 128), (1, 1, 2, 2))
    resnet101 = (64, (256, 512, 1024, 2048), (3, 4, 23, 3))
    yield Case("kazuto1011's DeepLab-v2, Tiny", DeepLabV2(*tiny), "Tiny", "Caffe")
    base = DeepLabV2(*tiny)
    yield Case("the same at three scales", Msc(base), "Tiny", "Caffe", inference="(scales: [1.0, 0.5, 0.75], fuse: Max)")
    yield Case("kazuto1011's DeepLab-v2, ResNet-101", DeepLabV2(*resnet101), "ResNet101", "Caffe", sizes=[(96, 128), (375, 500)])
    dilated = dict(replace_stride_with_dilation=[False, True, True])
    yield Case("torchvision's ResNet-50 with an ASPP", Torchvision(torchvision.models.resnet50(**dilated)), "ResNet50", "Torchvision", torchvision=True, sizes=[(97, 129), (100, 131)])
    yield Case("torchvision's fcn_resnet50", torchvision.models.segmentation.fcn_resnet50(weights=None, weights_backbone=None, num_classes=CLASSES, aux_loss=True), "ResNet50", "Torchvision", head="Fcn", torchvision=True, sizes=[(97, 129), (96, 128)])
    # Each convention by itself: one of TensorFlow's in the others of Caffe. The table of names says that files of these names
    # have the epsilon 1e-5: for another one the variances are moved, and the maps stay.
    reference = dict(PLAIN, padding="Same", pool="Same")
    yield Case("TensorFlow's conventions", DeepLabV2(*tiny, reference), "Tiny", "TensorFlow", upsampling="Legacy")
    yield Case("epsilon: 0.001", DeepLabV2(*tiny), "Tiny", "Caffe(epsilon: 0.001)", sizes=SIZES[1:3])
    for part, value in [("padding", "Same"), ("pool", "Same"), ("pool", "Symmetric"), ("stride", "Middle"), ("first_dilation", "Before")]:
        network = DeepLabV2(*tiny, {**PLAIN, part: value})
        yield Case(f"{part}: {value}", network, "Tiny", f"Caffe({part}: {value})", sizes=SIZES[1:3])
    for upsampling in ("Legacy", "AlignCorners"):
        yield Case(f"upsampling: {upsampling}", DeepLabV2(*tiny), "Tiny", f"Caffe(upsampling: {upsampling})", upsampling=upsampling, sizes=SIZES[1:3])


def main(program, folder, table=None):
    folder = pathlib.Path(folder)
    torch.set_grad_enabled(False)
    random = numpy.random.default_rng(7)
    data, images = [], {}
    drawn = list(cases())
    for height, width in sorted({size for case in drawn for size in case.sizes}):
        place = folder / "data" / str(height)
        place.mkdir(parents=True)
        images[height, width] = [picture(random, height, width) for _ in range(IMAGES if height < 200 else 1)]
        for at, image in enumerate(images[height, width]):
            Image.fromarray(image).save(place / f"{at}.png")
        (place / "list").write_text("".join(f"/{at}.png\n" for at in range(len(images[height, width]))))
        names = ", ".join(f'"c{at}"' for at in range(CLASSES))
        data.append(f'"d{height}": Dataset(source: Listed(root: Some("d{height}"), list: "list", labels: false), classes: Named(names: [{names}])),')
    stages = []
    for number, case in enumerate(drawn):
        draw(case.network, [case.input(image) for image in images[SIZES[0]]], number + 1)
        torch.save(case.network.state_dict(), folder / f"{number}.pth")
        stages += case.stages(number)
    (folder / "torch.ron").write_text('Pipeline(name: "torch", stages: {\n' + "\n".join(data + stages) + "\n})\n")
    roots = [f"--data=d{height}={folder / 'data' / str(height)}" for height, _ in images]
    started = time.monotonic()
    subprocess.run([program, "run", folder / "torch.ron", "--store", folder / "store", "--results", folder / "results", *roots], check=True, stdout=subprocess.DEVNULL)
    print(f"The program predicted in {time.monotonic() - started:.0f} s.")
    lines = ["| network | geometry | size | padding | upsampling | pixels | differing |", "|---|---|---|---|---|---|---|"]
    compared, faults = 0, []
    for number, case in enumerate(drawn):
        for size in case.sizes:
            differing = pixels = 0
            kinds = set()
            for at, image in enumerate(images[size]):
                expected = case.classes(image)
                kinds |= set(numpy.unique(expected))
                place = folder / "results" / "torch" / f"p{number}_{size[0]}"
                (mask,) = place.rglob(f"prediction/{at}_mask.png")
                found = numpy.asarray(Image.open(mask))
                assert found.shape == expected.shape, f"{case.name}: {found.shape} is not {expected.shape}"
                differing += int((found != expected).sum())
                pixels += found.size
            compared += pixels
            padding = "Same" if "Same" in case.geometry.replace("pool: Same", "") or case.geometry == "TensorFlow" else "Symmetric"
            lines.append(f"| {case.name} | `{case.geometry}` | {size[0]} x {size[1]} | {padding} | {case.upsampling} | {pixels:,} | {differing:,} |")
            if len(kinds) < 3:
                faults.append(f"{case.name} at {size}: only {len(kinds)} classes appear, which shows nothing")
            if differing > LIMIT * pixels:
                faults.append(f"{case.name} at {size}: {differing} of {pixels} pixels differ")
    print("\n".join(lines))
    if table:
        pathlib.Path(table).write_text("\n".join(lines) + "\n")
    assert compared > 0, "nothing was compared"
    if faults:
        sys.exit("\n".join(faults))
    print(f"{compared:,} pixels compared: at most 1 in {1 / LIMIT:,.0f} differs.")


def uniform(name, count):
    """Numbers in [0, 1) that follow from a name: a linear congruential generator from its FNV-1a hash."""
    state, drawn = 2166136261, numpy.empty(count)
    for byte in name.encode():
        state = (state ^ byte) * 16777619 % 2**32
    for at in range(count):
        state = (state * 1664525 + 1013904223) % 2**32
        drawn[at] = (state >> 8) / 2**24
    return drawn


def ours(name):
    """What a tensor of `DeepLabV2` is called in this program."""
    part = name.rsplit(".", 1)[1]
    norm = dict(weight="gamma", bias="beta", running_mean="mean", running_var="variance")
    place, *rest = name.split(".")
    if place == "aspp":
        return f"head/aspp{(int(rest[0][1:]) + 1) * 6}/" + dict(weight="weights", bias="biases")[part]
    if place == "layer1":
        return "stem/conv/weights" if rest[1] == "conv" else f"stem/norm/{norm[part]}"
    layer = dict(reduce="reduce", conv3x3="middle", increase="expand", shortcut="shortcut")[rest[1]]
    place = f"group{place[5:]}/{rest[0]}/{layer}"
    return f"{place}/weights" if rest[2] == "conv" else f"{place}/norm/{norm[part]}"


def record():
    torch.set_grad_enabled(False)
    torchvisions = dict(PLAIN, pool="Symmetric", stride="Middle", first_dilation="Before")
    for geometry, how, upsampling, scales, size in [
        ("Geometry::CAFFE", PLAIN, "HalfPixel", False, (33, 40)),
        ("Geometry::CAFFE", PLAIN, "HalfPixel", True, (36, 49)),
        ("Geometry { upsampling: Sampling::AlignCorners, ..Geometry::CAFFE }", PLAIN, "AlignCorners", False, (36, 49)),
        ("Geometry::TORCHVISION", torchvisions, "HalfPixel", False, (33, 40)),
        ("Geometry::TORCHVISION", torchvisions, "HalfPixel", False, (36, 49)),
    ]:
        network = DeepLabV2(8, (16, 32, 64, 128), (1, 1, 2, 2), how, classes=5).eval()
        for name, tensor in network.state_dict().items():
            if name.endswith("num_batches_tracked"):
                continue
            name = ours(name)
            u = uniform(name, tensor.numel())
            if name.endswith("/weights"):
                gain = 1.0 if name.startswith("head") else 0.1
                values = (2 * u - 1) * (gain * math.sqrt(3 / tensor[0].numel()))
            elif name.endswith("/variance"):
                values = (0.2 + 1.8 * u) * (42.0 if name.startswith("stem") else 0.01)
            elif name.endswith("/gamma"):
                values = 0.5 + u
            else:
                values = (2 * u - 1) * (0.02 if name.endswith("/mean") else 0.3)
            tensor.copy_(torch.from_numpy(values.reshape(tensor.shape)).float())
        height, width = size
        pixels = torch.from_numpy(240 * uniform("pixels", 3 * height * width) - 110).float().reshape(1, 3, height, width)
        logits = UPSAMPLING[upsampling]((Msc(network) if scales else network)(pixels), size)
        values = [float(logits[0, k % 5, 7 * k % height, 11 * k % width]) for k in range(12)]
        print(f"        ({geometry}, {str(scales).lower()}, {list(size)}, [{', '.join(f'{value:.6}' for value in values)}]),")


if __name__ == "__main__":
    record() if sys.argv[1:] == ["record"] else main(*sys.argv[1:])
