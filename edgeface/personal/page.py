"""A page to look at a personal model: its fit beside the frames, its views, each of its shapes."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from edgeface.personal.model import PersonalModel
from edgeface.personal.rendering import portrait
from edgeface.types import ImageArray

VIEWS_DEG = (-60.0, -30.0, 0.0, 30.0, 60.0)
VIEW_PX, SHAPE_PX = 240, 150

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 78em; padding: 0 1em;
  color: #e8e8ea; background: #17181c; }
h1 { font-size: 1.5em; } h2 { font-size: 1.15em; margin-top: 2em; }
figure { display: inline-block; margin: 0 .5em .8em 0; vertical-align: top; }
figcaption { font-size: .8em; color: #a9abb3; } img { display: block; border-radius: 4px; }
.row img { display: inline-block; width: 150px; image-rendering: auto; }
.unseen { opacity: .55; } td, th { padding: .1em 1.2em .1em 0; text-align: left; }
.warning { color: #ffcf6b; }
"""


@dataclass(frozen=True)
class FittedFrame:
    """Pictures of one fitted frame, side by side: name to uint8 (S, S, 3)."""

    pictures: dict[str, ImageArray]


def person_page(person: PersonalModel, title: str, frames: Sequence[FittedFrame] = ()) -> str:
    """One HTML file that needs no server, no network and no other file.

    Parameters
    ----------
    person : the model
    title : of the page
    frames : frames that the model was fitted to; the page then shows the person's own pictures

    Returns
    -------
    str
        HTML. Shapes that the person did not show are dimmed: they are the template's.
    """
    parts = [f"<h1>{html.escape(title)}</h1>", _figures(person)]
    if frames:
        parts.append("<h2>The fit</h2><p>" + ", ".join(frames[0].pictures) + "</p>")
        parts += [_row(frame) for frame in frames]
    none = np.zeros(len(person.template.expression_names), np.float32)
    parts.append("<h2>The neutral face</h2><div>")
    for clay in (False, True):
        parts += [
            _figure(portrait(person, none, yaw_deg=yaw, size=VIEW_PX, clay=clay), f"{yaw:+.0f}°")
            for yaw in VIEWS_DEG
        ]
        parts.append("<br>")
    parts.append(_figure(_uint8(person.skin), "skin"))
    parts.append("</div><h2>Each shape at 1</h2><p>Dimmed ones were not seen.</p><div>")
    for row, name in enumerate(person.template.expression_names):
        weights = none.copy()
        weights[row] = 1
        picture = portrait(person, weights, yaw_deg=20, size=SHAPE_PX)
        parts.append(_figure(picture, name, dim=name in person.unseen))
    parts.append("</div>")
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}'
        f"</title><style>{_STYLE}</style></head><body>{''.join(parts)}</body></html>\n"
    )


def _figures(person: PersonalModel) -> str:
    report: dict[str, Any] = person.report
    names = person.template.expression_names
    rows = [
        ("pictures looked at", report.get("pictures")),
        ("of them fitted", report.get("frames")),
        ("left out", _listed(report.get("refused"))),
        ("photometric error, of 255", report.get("photometric_error")),
        ("landmark error, % of the eyes' distance", report.get("landmark_error_percent")),
        ("shapes seen", f"{len(names) - len(person.unseen)} of {len(names)}"),
    ]
    cells = "".join(
        f"<tr><th>{html.escape(name)}</th><td>{html.escape(str(value))}</td></tr>"
        for name, value in rows
        if value not in (None, "")
    )
    warnings = "".join(
        f'<p class="warning">{html.escape(str(text))}</p>' for text in report.get("warnings", ())
    )
    return f"<table>{cells}</table>{warnings}"


def _listed(refused: Any) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in dict(refused or {}).items())


def _row(frame: FittedFrame) -> str:
    images = "".join(f'<img alt="{name}" src="{_data(p)}">' for name, p in frame.pictures.items())
    return f'<div class="row">{images}</div>'


def _figure(picture: ImageArray, caption: str, *, dim: bool = False) -> str:
    kind = ' class="unseen"' if dim else ""
    return (
        f'<figure{kind}><img alt="" src="{_data(picture)}">'
        f"<figcaption>{html.escape(caption)}</figcaption></figure>"
    )


def _data(picture: ImageArray) -> str:
    content = io.BytesIO()
    Image.fromarray(picture).save(content, "JPEG", quality=88)
    return "data:image/jpeg;base64," + base64.b64encode(content.getvalue()).decode()


def _uint8(image: Any) -> ImageArray:
    return np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
