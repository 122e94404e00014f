"""Who runs: functions from an RGB image to the number of faces found."""

import importlib
from pathlib import Path

import edgeface
from edgeface.kernels import numba_installed

MAX_FACES = 20
OURS = "edgeface"
"""How the names of our own contestants begin."""


def contestants(arguments, size):
    """{name: function} of edgeface's models and of the peers whose model files were given."""
    runners = {
        f"{OURS} {Path(name).name}": ours(name, arguments.threshold) for name in arguments.models
    }
    if arguments.mediapipe:
        runners["mediapipe"] = mediapipe(arguments.mediapipe)
    if arguments.yunet:
        runners["yunet"] = yunet(arguments.yunet, size)
    return runners


def ours(name, threshold):
    """Box, 68 landmarks in 2D and 3D, pose, identity and 46 expressions of every face, in one pass.

    ``name`` is a model file or a shipped one's name, ``NAME@PX`` one at another input size.
    """
    engine = "numba" if numba_installed() else "numpy"
    name, _, size = name.partition("@")
    model = edgeface.load(
        name, num_threads=1, kernels=engine, input_size=int(size) if size else None
    )
    options = {"score_threshold": threshold, "detail": "fast", "look_again": False}
    return lambda image: len(model.run(image, **options))


def mediapipe(path):
    """FaceLandmarker with blendshapes: box, 478 landmarks and 52 expressions of every face."""
    package = importlib.import_module("mediapipe")
    vision = importlib.import_module("mediapipe.tasks.python.vision")
    base = importlib.import_module("mediapipe.tasks.python")
    landmarker = vision.FaceLandmarker.create_from_options(
        vision.FaceLandmarkerOptions(
            base_options=base.BaseOptions(model_asset_path=str(path)),
            num_faces=MAX_FACES,
            output_face_blendshapes=True,
            output_facial_transformation_matrixes=True,
        )
    )

    def run(image):
        wrapped = package.Image(image_format=package.ImageFormat.SRGB, data=image)
        return len(landmarker.detect(wrapped).face_landmarks)

    return run


def yunet(path, size):
    """OpenCV's detector: box and 5 landmarks of every face, no expression and no 3D."""
    cv2 = importlib.import_module("cv2")
    cv2.setNumThreads(1)
    detector = cv2.FaceDetectorYN.create(str(path), "", size[::-1])

    def run(image):
        faces = detector.detect(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1]
        return 0 if faces is None else len(faces)

    return run
