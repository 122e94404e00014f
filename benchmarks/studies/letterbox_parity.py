"""What the choice of resize costs in accuracy.

    python -m benchmarks.studies.letterbox_parity PACK.zip

Training shrinks photos by Pillow (bilinear, antialiased over two target pixels, ``reducing_gap``
3); the runtime averages over the target pixel's area. Both are run on the same photos, and what
the network then says is compared with the labels and with each other.
"""

import argparse
import io
import zipfile

import numpy as np
from PIL import Image

from edgeface import detector, load
from edgeface import image as edgeface_image


def by_pillow(image, size, engine="numpy"):
    """`edgeface.image.letterbox` with Pillow's resize."""
    canvas, placement = edgeface_image.letterbox(image, size)
    inner = np.round(placement.scale * image.shape[1::-1]).astype(int)
    left, top = placement.offset.astype(int)
    small = Image.fromarray(np.ascontiguousarray(image)).resize(
        tuple(inner.tolist()), Image.Resampling.BILINEAR, reducing_gap=3.0
    )
    canvas[top : top + inner[1], left : left + inner[0]] = np.asarray(small)
    return canvas, placement


def compare_mfn(model, arguments):
    """Whole photos: what is found, and how far apart its landmarks are."""
    landmarks, found = [], [0, 0]
    ours = detector.letterbox
    for photo in photos(arguments.pack, arguments.count):
        photo = enlarged(photo, arguments.enlarge)
        results = []
        for letterbox in (ours, by_pillow):
            detector.letterbox = letterbox
            results.append(model.run(photo, score_threshold=arguments.threshold, detail="fast"))
        detector.letterbox = ours
        area, pillow = results
        found = [found[0] + len(area), found[1] + len(pillow)]
        landmarks += [gap for face in area if (gap := distance(face, pillow)) is not None]
    print(f"faces found: area {found[0]}, Pillow {found[1]}, matched {len(landmarks)}")
    report("landmarks apart, % of the box", landmarks)


def distance(face, others):
    """Mean distance to the landmarks of the face at the same place, % of the box; or None."""
    if len(others) == 0:
        return None
    middle = others.boxes_xyxy.reshape(-1, 2, 2).mean(axis=1)
    away = np.linalg.norm(middle - face.box_xyxy.reshape(2, 2).mean(axis=0), axis=1)
    side = float((face.box_xyxy[2:] - face.box_xyxy[:2]).max())
    if away.min() > side / 4:
        return None
    other = others.landmarks_2d[int(away.argmin())]
    return 100 * float(np.linalg.norm(face.landmarks_2d - other, axis=1).mean()) / side


def compare_sfn(model, arguments):
    """Face crops with labels, brought to the network's size by either resize."""
    with zipfile.ZipFile(arguments.pack) as pack:
        labels = np.load(io.BytesIO(pack.read("labels.npz")))
    truth = labels["landmarks68"]
    picked = np.linspace(0, len(truth) - 1, arguments.count).astype(int)
    size = model.metadata.input_size
    errors, apart = [[], []], []
    for i, photo in zip(picked, photos(arguments.pack, arguments.count), strict=True):
        # in these packs the face box is centred and half of the photo
        margin = round(photo.shape[0] * (1 - model.metadata.crop_scale / 2) / 2)
        cut = enlarged(photo[margin:-margin, margin:-margin], arguments.enlarge)
        points = []
        for letterbox in (edgeface_image.letterbox, by_pillow):
            tensor, placement = letterbox(cut, size)
            # an input of the network's own size goes through the crop unchanged
            seen = placement.to_image(model.run(tensor)[0].landmarks_2d)
            points.append(seen / arguments.enlarge + margin)
        scale = np.linalg.norm(truth[i, 36] - truth[i, 45]) / 100
        for error, landmarks in zip(errors, points, strict=True):
            error.append(np.linalg.norm(landmarks - truth[i], axis=1).mean() / scale)
        apart.append(np.linalg.norm(points[0] - points[1], axis=1).mean() / scale)
    print(f"NME, % of the eye distance: area {np.mean(errors[0]):.3f}, ", end="")
    print(f"Pillow {np.mean(errors[1]):.3f}")
    report("landmarks apart, % of the eye distance", apart)


def photos(path, count):
    with zipfile.ZipFile(path) as pack:
        names = sorted(n for n in pack.namelist() if n.endswith(".jpg"))
        for i in np.linspace(0, len(names) - 1, count).astype(int):
            yield np.asarray(Image.open(io.BytesIO(pack.read(names[i]))).convert("RGB"))


def enlarged(photo, factor):
    size = [round(side * factor) for side in photo.shape[1::-1]]
    return np.asarray(Image.fromarray(photo).resize(size, Image.Resampling.BICUBIC))


def report(title, values):
    if values:
        p50, p95 = np.percentile(values, [50, 95])
        print(f"{title}: median {p50:.2f}, 95 % below {p95:.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pack", help="multiface-wider.zip for an mfn, faces68-300w.zip for an sfn")
    parser.add_argument("--model", default="mfn")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--threshold", type=float)
    parser.add_argument("--enlarge", type=float, default=1.0, help="factor applied to the photos")
    arguments = parser.parse_args()
    model = load(arguments.model)
    compare = compare_mfn if model.metadata.detects else compare_sfn
    compare(model, arguments)


if __name__ == "__main__":
    main()
