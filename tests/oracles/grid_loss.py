"""Eq. 4 (Chaudhuri et al. 2019), one face and one candidate at a time, in torch."""

from __future__ import annotations

import torch


def grid_loss(outputs, batch, anchors, stride, reduced, identity_weight, tau, cell_range):
    """The loss and its parts; ``reduced`` (204, 50, 47), ``identity_weight`` (50,)."""
    images, size = outputs[0].shape[:2]
    num_anchors = len(anchors)
    raw = [o.reshape(images, size, size, num_anchors, -1) for o in outputs]
    owner = _owners(batch, anchors, stride, size, cell_range)
    score_term, box_terms, shapes = 0.0, [], []
    for image in range(images):
        here = (batch["image_index"] == image).nonzero()[:, 0].tolist()
        for row in range(size):
            for column in range(size):
                for a in range(num_anchors):
                    cell = image, row, column, a
                    box = _decode(raw[0][cell], anchors[a], stride, row, column, cell_range)
                    face = owner.get(cell)
                    target = None
                    if face is not None:
                        iou, giou = _overlaps(_corners(box), batch["boxes"][face])
                        box_terms.append(1 - giou)
                        target = iou.detach().clamp(0, 1)
                        if batch["has_fit"][face] and iou > 0.2:
                            shapes.append((image, face, cell, box))
                    elif _spared(box.detach(), batch, here):
                        continue
                    else:
                        target = torch.zeros((), dtype=box.dtype)
                    logit = raw[0][cell][4]
                    score_term = score_term + torch.nn.functional.softplus(logit) - target * logit
    count = max(len(owner), 1)
    total = (score_term + 4.0 * sum(box_terms)) / count
    parts = {"objectness": score_term / count, "boxes": sum(box_terms) / count}
    shape_term, errors, lids, terms = _shapes(shapes, raw, batch, reduced, identity_weight, tau)
    known = max(len(errors), 1)
    return total + shape_term, parts | {
        "landmarks": sum(errors) / known,
        "lids": sum(lids) / known,
        "coefficients": sum(terms) / known,
    }


def distance(outputs, larger, anchors, stride, reduced, identity_weight, tau, most, cell_range):
    """How far outputs are from those of a larger network, whose scores all lie apart."""
    images, size = outputs[0].shape[:2]
    mine, theirs = (
        [o.reshape(images, size, size, len(anchors), -1) for o in some]
        for some in (outputs, larger)
    )
    score_term, box_term, count, shapes = 0.0, 0.0, 0.0, {}
    for image in range(images):
        cells = [(image, r, c, a) for r in range(size) for c in range(size)
                 for a in range(len(anchors))]  # fmt: skip
        for cell in cells:
            logit, other = mine[0][cell][4], theirs[0][cell][4]
            p, q = torch.sigmoid(other), torch.sigmoid(logit)
            score_term = score_term + p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()
        surest = sorted(cells, key=lambda cell: -theirs[0][cell][4])[:most]
        shapes[image] = []
        for cell in surest:
            score = torch.sigmoid(theirs[0][cell][4])
            if score <= 0.5:
                continue
            count += score
            _, row, column, a = cell
            own, target = (_decode(r[0][cell], anchors[a], stride, row, column, cell_range)
                           for r in (mine, theirs))  # fmt: skip
            iou, giou = _overlaps(_corners(own), _corners(target))
            box_term = box_term + score * (1 - giou)
            if iou <= 0.2:
                continue
            longer = target[2:].max()
            points, other = (
                _project(r[1][cell], torch.sigmoid(r[2][cell]), r[3][cell], reduced)
                * box[2:].max() + box[:2]
                for r, box in ((mine, own), (theirs, target))
            )  # fmt: skip
            truth = theirs[1][cell], torch.sigmoid(theirs[2][cell]), _unit(theirs[3][cell])
            error, lid = _apart(points - other, longer)
            term = _coefficients([r[cell] for r in mine[1:]], truth, identity_weight)
            weight = score * longer / (longer + 16.0)
            shapes[image].append((weight, tau * term + 20.0 * (error + lid)))
    shapes = [found for found in shapes.values() if found]
    shape_term = sum(
        sum(weight * term for weight, term in found) / sum(weight for weight, _ in found)
        for found in shapes
    )
    return (score_term + 4.0 * box_term) / max(count, 1.0) + shape_term / max(len(shapes), 1)


def _owners(batch, anchors, stride, size, cell_range):
    """{(image, row, column, anchor): face}; later faces take from earlier ones, and the cell with
    a face's centre is that face's before any neighbour's."""
    wanted = []
    for face, (box, ignore) in enumerate(zip(batch["boxes"], batch["ignore"], strict=True)):
        x, y = (float(v) / stride for v in (box[:2] + box[2:]) / 2)
        if ignore or not (0 <= x < size and 0 <= y < size):
            continue
        width, height = (max(float(v), 1e-3) for v in box[2:] - box[:2])
        alike = []
        for w, h in anchors:
            shared = min(width, w) * min(height, h)
            alike.append(shared / (width * height + w * h - shared))
        best = alike.index(max(alike))
        fitting = [a for a, value in enumerate(alike) if a == best or value > 0.4]
        reach = 0.8 * (cell_range - 1) / 2
        for row in range(size):
            for column in range(size):
                off_x = max(column - x, x - column - 1, 0.0)  # from the cell's nearest edge
                off_y = max(row - y, y - row - 1, 0.0)
                own = row == int(y) and column == int(x)
                in_y = column == int(x) and off_y < reach
                in_x = row == int(y) and off_x < reach
                if own or in_y or in_x:
                    order = 2 if own else 1 if in_x else 0
                    cell = int(batch["image_index"][face]), row, column
                    wanted += [(order, face, (*cell, a)) for a in fitting]
    return {candidate: face for _, face, candidate in sorted(wanted)}


def _shapes(shapes, raw, batch, reduced, identity_weight, tau):
    """Eq. 3 over fitted faces, every image with the same share."""
    errors, lids, terms, weights = [], [], [], []
    for _, face, cell, box in shapes:
        identity, expression, pose = (r[cell] for r in raw[1:])
        points = _project(identity, torch.sigmoid(expression), pose, reduced)
        points = points * box[2:].max() + box[:2]
        difference = points - batch["landmarks"][face]
        target = batch["boxes"][face]
        longer = (target[2:] - target[:2]).max()
        error, lid = _apart(difference, longer)
        errors.append(error)
        lids.append(lid)
        truth = [batch[name][face] for name in ("identity", "expression", "quaternion")]
        terms.append(_coefficients((identity, expression, pose), truth, identity_weight))
        weights.append(longer / (longer + 16.0))
    total = 0.0
    seen = {image for image, *_ in shapes}
    rows = zip(shapes, errors, lids, terms, weights, strict=True)
    for (image, *_), error, lid, term, weight in rows:
        beside = sum(w for (i, *_), w in zip(shapes, weights, strict=True) if i == image)
        total = total + weight / beside / len(seen) * (tau * term + 20.0 * (error + lid))
    return total, *([value.detach() for value in values] for values in (errors, lids, terms))


def _apart(difference, longer):
    """How far landmarks and lids are off, in longer sides of the box."""
    lids = [
        ((difference[upper] - difference[lower]).square().sum() + 1e-10).sqrt()
        for upper, lower in ((37, 41), (38, 40), (43, 47), (44, 46))
    ]
    return (difference.square().sum(1).mean() + 1e-8).sqrt() / longer, sum(lids) / 4 / longer


def _coefficients(raw, truth, identity_weight):
    """The terms that tau multiplies."""
    identity, expression, pose = raw
    same, other = ((_unit(pose) - sign * truth[2]).abs().mean() for sign in (1.0, -1.0))
    return (
        ((identity - truth[0]).abs() * identity_weight).mean()
        + (torch.sigmoid(expression) - truth[1]).abs().mean()
        + torch.minimum(same, other)
        + 0.1 * (pose[:4].norm() - 1) ** 2
        + 0.1 * pose[6] ** 2
    )


def _unit(pose):
    """The quaternion of length one and without a negative real part."""
    unit = pose[:4] / pose[:4].norm()
    return unit * (-1 if unit[0] < 0 else 1)


def _project(identity, expression, pose, reduced):
    weights = torch.cat([1 - expression.sum()[None], expression])
    shape = torch.einsum("rie,i,e->r", reduced, identity, weights).reshape(68, 3)
    w, x, y, z = pose[:4] / pose[:4].norm()
    rotation = torch.stack([
        torch.stack([1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)]),
        torch.stack([2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)]),
        torch.stack([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)]),
    ])  # fmt: skip
    posed = (shape @ rotation.T + pose[4:7]) * torch.sigmoid(pose[7])
    return torch.stack([posed[:, 0], -posed[:, 1]], dim=1)


def _decode(detection, anchor, stride, row, column, cell_range):
    """Centre and size."""
    x = (column + 0.5 + cell_range * (torch.sigmoid(detection[0]) - 0.5)) * stride
    y = (row + 0.5 + cell_range * (torch.sigmoid(detection[1]) - 0.5)) * stride
    width, height = (s * torch.exp(t) for s, t in zip(anchor, detection[2:4], strict=True))
    return torch.stack([x, y, width, height])


def _corners(box):
    return torch.cat([box[:2] - box[2:] / 2, box[:2] + box[2:] / 2])


def _overlaps(a, b):
    """IoU and GIoU."""
    sides = (torch.minimum(a[2:], b[2:]) - torch.maximum(a[:2], b[:2])).clamp(min=0)
    shared = sides.prod()
    union = (a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - shared
    hull = (torch.maximum(a[2:], b[2:]) - torch.minimum(a[:2], b[:2])).prod()
    return shared / union, shared / union - (hull - union) / hull


def _spared(box, batch, faces):
    """Whether a candidate is near a face, or inside one that is ignored."""
    for face in faces:
        target = batch["boxes"][face]
        if _overlaps(_corners(box), target)[0] > 0.5:
            return True
        inside = (box[:2] >= target[:2]).all() and (box[:2] <= target[2:]).all()
        if batch["ignore"][face] and inside:
            return True
    return False
