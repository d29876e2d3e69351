#!/usr/bin/env python3
"""The peer of `benches/evaluate.rs`: PyTorch from logits to a confusion matrix. Prints one line of JSON.

    benches/evaluate_torch.py --height 375 --width 500 --threads 2 --way channels_last

`--way` is the layout of the logits; each finds the classes by the call that is faster in it.
"""
import argparse, json, os, time
import torch
import torch.nn.functional as F


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--height", type=int, default=375)
    parser.add_argument("--width", type=int, default=500)
    parser.add_argument("--classes", type=int, default=21)
    parser.add_argument("--images", type=int, default=30)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--way", choices=("contiguous", "channels_last"), default="channels_last")
    options = parser.parse_args()
    last = options.way == "channels_last"
    torch.set_num_threads(options.threads)
    torch.manual_seed(1)
    height, width, classes = options.height, options.width, options.classes
    h, w = -(-height // 8), -(-width // 8)
    region = torch.arange(h * w) // 300 % classes
    logits = torch.rand(1, classes, h, w) + 8.0 * F.one_hot(region, classes).T.reshape(1, classes, h, w)
    logits = logits.contiguous(memory_format=torch.channels_last if last else torch.contiguous_format)
    at = torch.arange(height * width)
    truth = (at // width // 40 * 3 + at % width // 90) % classes
    truth[at % 97 == 0] = 255
    counts, times = torch.zeros(classes * classes, dtype=torch.int64), []
    with torch.inference_mode():
        for image in range(options.images + 1):
            start = time.perf_counter()
            resized = F.interpolate(logits, (height, width), mode="bilinear", align_corners=False)
            predicted = (resized.argmax(1) if last else resized.max(1).indices).flatten()
            counted = truth < classes
            counts += torch.bincount(truth[counted] * classes + predicted[counted], minlength=classes * classes)
            if image:
                times.append(time.perf_counter() - start)
    print(json.dumps({"times": times, "seconds": sorted(times)[len(times) // 2], "counted": int(counts.sum())}))


if __name__ == "__main__":
    main()
