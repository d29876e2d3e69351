#!/usr/bin/env python3
"""The peer of `benches/input.rs`: torchvision and PIL bring the same files to the same sort of batches.

    benches/input_torch.py --root FOLDER --list FOLDER/train.txt --size 321

Reads and decodes image and label, scales both by a uniform factor from [0.5, 1.5) (image bilinear, label nearest),
mirrors half, pads with the mean and 255, crops, reverses the channels, subtracts the mean, and stacks contiguous float
tensors. One process, one thread. `--way pil` scales PIL's pictures, `--way tensor` scales tensors of bytes: the two ways
that torchvision has. Prints one line of JSON.
"""
import argparse, json, random, time
import torch
from PIL import Image
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as F

MEAN = torch.tensor([104.00698793, 116.66876762, 122.67891434]).reshape(3, 1, 1)
FILL = [123, 117, 104]  # The mean, red first: the nearest that bytes can say.


def scaled(image, label, factor, tensors):
    width, height = image.size
    size = [max(int(height * factor), 1), max(int(width * factor), 1)]
    if tensors:
        image, label = F.pil_to_tensor(image), F.pil_to_tensor(label)
    image = F.resize(image, size, InterpolationMode.BILINEAR, antialias=not tensors)
    return image, F.resize(label, size, InterpolationMode.NEAREST), size


def sample(root, names, crop, draw, tensors):
    image = Image.open(root + names[0]).convert("RGB")
    label = Image.open(root + names[1])
    image, label, (height, width) = scaled(image, label, draw.uniform(0.5, 1.5), tensors)
    if draw.random() < 0.5:
        image, label = F.horizontal_flip(image), F.horizontal_flip(label)
    below, beside = max(crop - height, 0), max(crop - width, 0)
    if below or beside:
        image = F.pad(image, [0, 0, beside, below], fill=FILL)
        label = F.pad(label, [0, 0, beside, below], fill=255)
    top, left = draw.randint(0, max(height - crop, 0)), draw.randint(0, max(width - crop, 0))
    image, label = F.crop(image, top, left, crop, crop), F.crop(label, top, left, crop, crop)
    if not tensors:
        image, label = F.pil_to_tensor(image), F.pil_to_tensor(label)
    return image.flip(0).to(torch.float32) - MEAN, label[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", required=True)
    parser.add_argument("--list", required=True)
    parser.add_argument("--size", type=int, default=321)
    parser.add_argument("--batch", type=int, default=10)
    parser.add_argument("--batches", type=int, default=20)
    parser.add_argument("--way", choices=("pil", "tensor"), default="tensor")
    options = parser.parse_args()
    torch.set_num_threads(1)
    files = [line.split() for line in open(options.list) if line.strip()]
    draw, times = random.Random(1), []
    for batch in range(options.batches + 1):
        start = time.perf_counter()
        chosen = [files[(batch * options.batch + i) % len(files)] for i in range(options.batch)]
        items = [sample(options.root, names, options.size, draw, options.way == "tensor") for names in chosen]
        images, labels = torch.stack([image for image, _ in items]), torch.stack([label for _, label in items])
        assert images.is_contiguous() and labels.is_contiguous()
        if batch:  # The first warms up.
            times.append((time.perf_counter() - start) / options.batch)
    print(json.dumps({"way": options.way, "size": options.size, "times": times, "seconds": sorted(times)[len(times) // 2]}))


if __name__ == "__main__":
    main()
