"""Import a take into Blender and render three frames of it.

    pip install bpy && python import_take.py take.glb OUT

or, inside Blender itself, ``blender --background --python import_take.py -- take.glb OUT``. It
prints how far each shape goes and the head turns, and writes OUT/frame-1.png to frame-3.png.
"""

import math
import sys
from pathlib import Path

import bpy
from mathutils import Vector


def main(take: str, out: str) -> None:
    """Import, report, render."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.context.scene.render.fps = 30  # keys lie at seconds times this, between frames, too
    bpy.ops.import_scene.gltf(filepath=take)
    scene = bpy.context.scene
    first, last = frames_of(bpy.data.actions)
    faces = [o for o in bpy.data.objects if o.type == "MESH" and o.data.shape_keys]
    report(scene, faces, first, last)
    look_at(faces)
    scene.render.engine = "CYCLES"
    scene.cycles.samples, scene.cycles.device = 8, "CPU"
    scene.render.resolution_x = scene.render.resolution_y = 320
    for number, share in enumerate((0.1, 0.5, 0.9), start=1):
        scene.frame_set(round(first + share * (last - first)))
        scene.render.filepath = str(Path(out) / f"frame-{number}.png")
        bpy.ops.render.render(write_still=True)


def frames_of(actions) -> tuple[int, int]:
    """The first and the last frame of all animations."""
    ranges = [action.frame_range for action in actions]
    if not ranges:
        raise SystemExit("this file has no animation")
    return math.floor(min(r[0] for r in ranges)), math.ceil(max(r[1] for r in ranges))


def report(scene, faces, first: int, last: int) -> None:
    """Print the largest value of each shape over the take."""
    peaks = {}
    for frame in range(first, last + 1):
        scene.frame_set(frame)
        for face in faces:
            for key in face.data.shape_keys.key_blocks[1:]:
                peaks[key.name] = max(peaks.get(key.name, 0.0), key.value)
    moving = {name: peak for name, peak in peaks.items() if peak > 0.01}
    print(f"frames {first} to {last}, {len(peaks)} shapes, {len(moving)} of them move")
    for name, peak in sorted(moving.items(), key=lambda item: -item[1]):
        print(f"  {name} {peak:.2f}")


def look_at(faces) -> None:
    """Place a camera in front of the faces, and a light beside it."""
    corners = [face.matrix_world @ Vector(c) for face in faces for c in face.bound_box]
    low, high = (Vector(f(c[i] for c in corners) for i in range(3)) for f in (min, max))
    centre, size = (low + high) / 2, (high - low).length
    camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    camera.location = centre + Vector((0, -1.4 * size, 0))  # glTF's +z is Blender's -y
    camera.rotation_euler = (math.pi / 2, 0, 0)
    light = bpy.data.objects.new("light", bpy.data.lights.new("light", "AREA"))
    light.location = centre + Vector((-size, -2 * size, size))
    light.rotation_euler = (math.radians(65), 0, math.radians(-25))
    light.data.energy, light.data.size = 60 * size**2, size
    for thing in (camera, light):
        bpy.context.collection.objects.link(thing)
    bpy.context.scene.camera = camera
    world = bpy.data.worlds.new("world")
    world.color = (0.25, 0.25, 0.3)
    bpy.context.scene.world = world


if __name__ == "__main__":
    after = sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else sys.argv[1:]
    if len(after) != 2:
        raise SystemExit(__doc__)
    main(*after)
