"""What a screen shows of a decoded picture, against the standards' own equations."""

import struct
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from edgeface.pictures import Picture
from edgeface.video import VideoWriter, open_video

av = pytest.importorskip("av")

COLOURS = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [200, 120, 90], [255, 255, 255],
                    [40, 40, 40], [0, 0, 0], [128, 128, 128]])  # fmt: skip
PATCH = 16
LUMA = {1: (0.2126, 0.0722), 6: (0.299, 0.114), 5: (0.299, 0.114), 9: (0.2627, 0.0593)}
"""ITU-R BT.709, BT.601 (twice) and BT.2020: weights of red and blue, by matrix number."""
LIMITED, FULL = 1, 2


def coded(rgb, matrix, colour_range, bits=8):
    """Y, Cb, Cr of 8-bit RGB, by ITU-R BT.709 and BT.2020, Sec. 3 and 4."""
    kr, kb = LUMA[matrix]
    r, g, b = np.moveaxis(rgb / 255.0, -1, 0)
    y = kr * r + (1 - kr - kb) * g + kb * b
    cb, cr = (b - y) / (2 - 2 * kb), (r - y) / (2 - 2 * kr)
    unit, top = 2 ** (bits - 8), 2**bits - 1
    if colour_range == LIMITED:
        values = [(16 + 219 * y) * unit, (128 + 224 * cb) * unit, (128 + 224 * cr) * unit]
    else:
        values = [y * top, cb * top + 128 * unit, cr * top + 128 * unit]
    return np.round(np.clip(values, 0, top))


def decoded(planes, matrix):
    """RGB of limited-range Y, Cb, Cr, shape (3, N)."""
    kr, kb = LUMA[matrix]
    y, cb, cr = (planes[0] - 16) / 219, (planes[1] - 128) / 224, (planes[2] - 128) / 224
    r, b = y + (2 - 2 * kr) * cr, y + (2 - 2 * kb) * cb
    g = (y - kr * r - kb * b) / (1 - kr - kb)
    return np.clip(np.round(255 * np.stack([r, g, b], axis=1)), 0, 255)


def stripes(height, matrix, colour_range, pix_fmt, colours=COLOURS):
    """A picture of one patch a colour."""
    bits = 10 if "10" in pix_fmt else 8
    picture = av.VideoFrame(PATCH * len(colours), height, pix_fmt)
    for plane, values in zip(picture.planes, coded(colours, matrix, colour_range, bits),
                             strict=True):  # fmt: skip
        row = np.repeat(values, plane.width // len(colours)).astype("<u2" if bits > 8 else "u1")
        padded = np.zeros(plane.line_size, np.uint8)
        padded[: row.nbytes] = row.view(np.uint8)
        plane.update(np.tile(padded, plane.height).tobytes())
    return picture


def patches(image):
    """The colour at the middle of every patch."""
    width = image.shape[1] // len(COLOURS)
    return image[image.shape[0] // 2, width // 2 :: width].astype(int)


def frames_of(path):
    with open_video(path) as video:
        return [frame.image for frame in video]


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv422p10le"])
@pytest.mark.parametrize("colour_range", [LIMITED, FULL], ids=["limited", "full"])
@pytest.mark.parametrize("matrix", [1, 5, 6, 9], ids=["709", "601-625", "601-525", "2020"])
def test_colours_are_read_as_tagged(make_video, matrix, colour_range, pix_fmt):
    picture = stripes(48, matrix, colour_range, pix_fmt)

    def tag(encoder):
        encoder.colorspace, encoder.color_range = matrix, colour_range

    path = make_video("c.mkv", [picture] * 2, codec="ffv1", pix_fmt=pix_fmt, prepare=tag)
    np.testing.assert_allclose(patches(frames_of(path)[1]), COLOURS, atol=3)


@pytest.mark.parametrize(("height", "matrix"), [(480, 6), (576, 6), (720, 1), (1080, 1)])
def test_untagged_colours_are_read_by_size(make_video, height, matrix):
    picture = stripes(height, matrix, LIMITED, "yuv420p")
    image = frames_of(make_video("c.mkv", [picture], codec="ffv1"))[0]
    np.testing.assert_allclose(patches(image), COLOURS, atol=3)


@pytest.mark.parametrize(("codec", "pix_fmt", "name"), [
    ("png", "rgb24", "c.mov"), ("utvideo", "gbrp", "c.avi"), ("ffv1", "bgr0", "c.mkv"),
    ("qtrle", "rgb24", "c.mov"), ("mjpeg", "yuvj420p", "c.avi"), ("gif", "rgb8", "c.gif"),
    ("png", "rgba", "c.mov"), ("png", "rgb48be", "c.mov"),
])  # fmt: skip
def test_other_codes_keep_their_colours(make_video, codec, pix_fmt, name):
    image = np.repeat(COLOURS.astype(np.uint8), PATCH, axis=0)[None].repeat(48, axis=0)
    path = make_video(name, [image] * 2, codec=codec, pix_fmt=pix_fmt)
    np.testing.assert_allclose(
        patches(frames_of(path)[0]), COLOURS, atol=45 if codec == "gif" else 5
    )


@pytest.mark.parametrize("source_range", [LIMITED, FULL])
@pytest.mark.parametrize(("height", "matrix"), [(480, 6), (577, 6), (720, 1), (721, 1)])
def test_overlays_are_tagged_and_converted(make_video, tmp_path, height, matrix, source_range):
    def tag(encoder):
        encoder.colorspace, encoder.color_range = 1, source_range

    source = stripes(48, 1, source_range, "yuv420p")
    path = make_video("source.mkv", [source], codec="ffv1", prepare=tag)
    image = np.repeat(COLOURS.astype(np.uint8), 2 * PATCH, axis=0)[None].repeat(height, axis=0)
    with open_video(path) as video:
        read = patches(next(iter(video)).image)
        writer = VideoWriter(tmp_path / "out.mp4", video)
        writer.write(image, 0.0)
        writer.close()
    np.testing.assert_allclose(read, COLOURS, atol=3)
    with av.open(str(tmp_path / "out.mp4")) as container:
        picture = next(container.decode(video=0))
    assert (picture.colorspace, picture.color_range) == (matrix, LIMITED)
    assert (picture.color_primaries, picture.color_trc) == (1, 1)
    assert picture.height == height // 2 * 2
    planes = [np.frombuffer(p, np.uint8).reshape(p.height, p.line_size)[p.height // 2, : p.width]
              for p in picture.planes]  # fmt: skip
    middles = [row[len(row) // 16 :: len(row) // 8].astype(float) for row in planes]
    np.testing.assert_allclose(decoded(middles, matrix), COLOURS, atol=5)
    np.testing.assert_allclose(patches(frames_of(tmp_path / "out.mp4")[0]), COLOURS, atol=5)


def test_overlays_keep_the_primaries_that_reading_left_alone(make_video, tmp_path):
    assert overlay_tags(make_video, tmp_path, COLOURS, 14) == (9, 14)


def overlay_tags(make_video, tmp_path, colours, transfer):
    """Primaries and transfer of an overlay on a video of BT.2020, which is left in the folder."""

    def tag(encoder):
        encoder.colorspace, encoder.color_primaries, encoder.color_trc = 9, 9, transfer

    path = make_video("wide.mkv", [stripes(48, 9, LIMITED, "yuv420p10le", colours)], codec="ffv1",
                      pix_fmt="yuv420p10le", prepare=tag)  # fmt: skip
    with open_video(path) as video:
        frame = next(iter(video))
        writer = VideoWriter(tmp_path / "out.mp4", video)
        writer.write(frame.image, 0.0)
        writer.close()
    with av.open(str(tmp_path / "out.mp4")) as container:
        picture = next(container.decode(video=0))
    return picture.color_primaries, picture.color_trc


PRIMARIES = {
    709: [(0.64, 0.33), (0.30, 0.60), (0.15, 0.06)],
    2020: [(0.708, 0.292), (0.170, 0.797), (0.131, 0.046)],
}
"""The xy of red, green and blue, ITU-R BT.709 and BT.2020; white is D65 in both."""


def xyz_of(primaries):
    """The matrix from linear RGB to XYZ, by SMPTE RP 177."""
    colours = np.array([(x / y, 1, (1 - x - y) / y) for x, y in [*primaries, (0.3127, 0.3290)]]).T
    return colours[:, :3] * np.linalg.solve(colours[:, :3], colours[:, 3])


def pq(nits):
    """ITU-R BT.2100, Table 4."""
    power = (nits / 10_000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375


def hlg(nits):
    """ITU-R BT.2100, Table 5 and the inverse of the OOTF for a screen of 1,000 nits."""
    shown = nits / 1000
    luminance = shown @ xyz_of(PRIMARIES[2020])[1]
    scene = shown * np.maximum(luminance, 1e-9)[:, None] ** (1 / 1.2 - 1)
    bent = 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073
    return np.where(scene <= 1 / 12, np.sqrt(3 * scene), bent)


@pytest.mark.parametrize(("transfer", "encode"), [(16, pq), (18, hlg)])
def test_hdr_is_tone_mapped(make_video, tmp_path, transfer, encode):
    """Light below the knee is as it is, white is bright, and highlights are kept apart."""
    colours = np.array([[150, 50, 50], [50, 150, 50], [50, 50, 150], [180, 120, 90], [40, 40, 40],
                        [0, 0, 0], [128, 128, 128], [100, 160, 180]])  # fmt: skip
    linear = np.where(colours <= 10, colours / 3294.6, ((colours / 255 + 0.055) / 1.055) ** 2.4)
    wide = linear @ np.linalg.solve(xyz_of(PRIMARIES[2020]), xyz_of(PRIMARIES[709])).T
    tags = overlay_tags(make_video, tmp_path, 255 * encode(203 * np.maximum(wide, 0)), transfer)
    assert tags == (1, 1)
    with open_video(tmp_path / "wide.mkv") as video:
        read = patches(next(iter(video)).image)
    np.testing.assert_allclose(read, colours, atol=6)
    np.testing.assert_allclose(patches(frames_of(tmp_path / "out.mp4")[0]), colours, atol=8)
    greys = np.array([101.5, 203, 400, 700, 1000, 1000, 1000, 1000])[:, None] * np.ones(3)
    overlay_tags(make_video, tmp_path, 255 * encode(greys), transfer)
    with open_video(tmp_path / "wide.mkv") as video:
        read = patches(next(iter(video)).image)
    assert np.ptp(read, axis=1).max() <= 2
    assert 180 < read[0, 0] < 192
    assert 215 < read[1, 0] < read[2, 0] < read[3, 0] < read[4, 0] >= 253


def corners(image):
    """The four corners, by how bright they are, from the top left clockwise."""
    height, width = image.shape[:2]
    spots = [(5, 5), (5, width - 6), (height - 6, width - 6), (height - 6, 5)]
    return [round(float(image[r, c].mean()) / 60) for r, c in spots]


@pytest.mark.parametrize(
    ("matrix", "order", "wide"),
    [
        ((1, 0, 0, 1), [1, 2, 3, 4], True),
        ((0, 1, -1, 0), [4, 1, 2, 3], False),  # a quarter clockwise
        ((-1, 0, 0, -1), [3, 4, 1, 2], True),
        ((0, -1, 1, 0), [2, 3, 4, 1], False),
        ((-1, 0, 0, 1), [2, 1, 4, 3], True),  # left and right change places
        ((1, 0, 0, -1), [4, 3, 2, 1], True),
        ((0, 1, 1, 0), [1, 4, 3, 2], False),  # about the diagonal
        ((0, -1, -1, 0), [3, 2, 1, 4], False),
    ],
)
def test_pictures_are_turned_and_mirrored(make_video, matrix, order, wide):
    """The track header's matrix, as ISO/IEC 14496-12 has it, written by hand."""
    image = np.full((64, 96, 3), 128, np.uint8)
    image[:24, :24], image[:24, -24:], image[-24:, -24:], image[-24:, :24] = 60, 120, 180, 240
    path = make_video("turned.mp4", [image] * 3)
    data = bytearray(path.read_bytes())
    start = data.find(b"tkhd") + 4 + 4 + 20 + 16  # version, times and ids, reserved and layer
    a, b, c, d = (v << 16 for v in matrix)
    data[start : start + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    shown = frames_of(path)[0]
    assert shown.shape[:2] == ((64, 96) if wide else (96, 64))
    assert corners(shown) == order


@pytest.mark.parametrize(
    ("aspect", "width"), [((64, 45), 137), ((8, 9), 85), ((1, 1), 96), ((2, 1), 192),
                          ((1, 2), 48), ((1, 1000), 96)],
)  # fmt: skip
@pytest.mark.parametrize("name", ["s.mp4", "s.mkv"])
def test_pixels_are_made_square(make_video, ramp, name, aspect, width):
    def set_aspect(encoder):
        encoder.sample_aspect_ratio = Fraction(*aspect)

    path = make_video(name, ramp, prepare=set_aspect)
    assert {image.shape for image in frames_of(path)} == {(64, width, 3)}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_photos_with_exif_are_pictures_too(tmp_path, ramp, suffix, orientation):
    """FFmpeg tells of the EXIF beside them, for which PyAV has no name."""
    exif, path = Image.Exif(), tmp_path / f"photo.{suffix}"
    exif[0x0112] = orientation
    Image.fromarray(ramp[0]).save(path, exif=exif)
    with open_video(path) as video:
        (frame,) = video
    if av.library_versions["libavcodec"] < (62,):  # which turns nothing
        orientation = 1
    expected = Picture(Image.fromarray(ramp[0]), orientation).to_array()
    assert frame.image.shape == expected.shape
    assert np.abs(frame.image.astype(int) - expected).mean() < 5


def test_an_interlaced_picture_shows_one_moment(make_video):
    """A bar moves between the two fields: its edges must be those of the first."""
    images = []
    for i in range(6):
        image = np.zeros((64, 96, 3), np.uint8)
        image[0::2, 10 + 8 * i : 30 + 8 * i] = 220
        image[1::2, 14 + 8 * i : 34 + 8 * i] = 220
        images.append(image)
    options = {"x264-params": "tff=1", "crf": "4"}
    for i, image in enumerate(frames_of(make_video("i.mkv", images, encoder_options=options))):
        columns = image[..., 1].astype(int)
        assert np.abs(columns - columns[0]).max() < 40  # no comb
        np.testing.assert_allclose(columns[30, 18 + 8 * i : 22 + 8 * i], 220, atol=25)
        assert columns[30, 33 + 8 * i] < 60
