"""Every mode, bit depth, orientation and colour profile: the right pixels, or a refusal."""

import io
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

from edgeface import InvalidInputError, pictures, read_image


@pytest.fixture
def grey(noise):
    return noise[:, :, 0]


def exif(orientation, *, order="<", kind=3, before=b""):
    """A block of EXIF that holds an orientation, after any damaged entries."""
    mark = b"II*\0" if order == "<" else b"MM\0*"
    code = {1: "Bxxx", 3: "Hxx", 4: "I"}[kind]
    entry = struct.pack(f"{order}HHI{code}", 0x0112, kind, 1, orientation)
    count = struct.pack(f"{order}IH", 8, 1 + len(before) // 12)
    return b"Exif\0\0" + mark + count + before + entry + bytes(4)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("band", [pictures.BAND_PIXELS, 37])
@pytest.mark.parametrize("mode", ["RGB", "L", "I;16"])
def test_every_orientation_is_as_pillow_turns_it(monkeypatch, noise, orientation, band, mode):
    monkeypatch.setattr(pictures, "BAND_PIXELS", band * 200)
    if mode == "I;16":
        picture = Image.fromarray(noise[:, :, 0].astype(np.uint16) << 8)
    else:
        picture = Image.fromarray(noise).convert(mode)
    picture.info["exif"] = exif(orientation)
    upright = np.asarray(ImageOps.exif_transpose(picture))
    if mode != "RGB":
        upright = (upright >> (8 if mode == "I;16" else 0))[:, :, None].repeat(3, axis=2)
    np.testing.assert_array_equal(read_image(picture), upright)
    assert picture.info["exif"] == exif(orientation)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", [1, 3, 4])
def test_orientation_is_read_in_either_byte_order_and_any_integer(order, kind):
    assert pictures.exif_orientation(exif(6, order=order, kind=kind)) == 6


def entry(tag, kind, count, value):
    return struct.pack("<HHI", tag, kind, count) + value


@pytest.mark.parametrize(
    "damaged",
    [
        entry(0x011A, 5, 1, struct.pack("<I", 4_000_000_000)),
        entry(0x011A, 10, 1, struct.pack("<I", 3)),
        entry(0x0100, 8, 1, struct.pack("<hh", -5, 0)),
        entry(0x010F, 2, 2**32 - 1, b"\xff\xff\xff\xff"),
        entry(0x8769, 4, 1, struct.pack("<I", 8)),  # a sub-directory that is itself
        entry(0x0132, 99, 7, b"\0\0\0\0"),
    ],
)
@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "WEBP", "AVIF"])
@pytest.mark.filterwarnings("error")
def test_damaged_entries_beside_the_orientation_do_not_matter(photo_array, damaged, format_name):
    buffer = io.BytesIO()
    turned = np.ascontiguousarray(np.rot90(photo_array, 1))
    block = exif(6, before=damaged)
    if format_name == "AVIF":  # libavif writes the orientation itself
        block = block.replace(struct.pack("<HHI", 0x0112, 3, 1), struct.pack("<HHI", 0x0111, 3, 1))
        turned = photo_array
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Pillow, which reads what it writes
        Image.fromarray(turned).save(buffer, format_name, quality=95, exif=block)
    path = io_path(buffer.getvalue())
    pixels = read_image(path)
    assert np.abs(pixels.astype(int) - photo_array).mean() < 4


@pytest.fixture(scope="module")
def photo_array():
    """A smooth picture that no turning maps to itself."""
    rows, columns = np.mgrid[:48, :64]
    return np.stack([rows * 5, columns * 4, (rows + columns) * 2], axis=2).astype(np.uint8)


@pytest.fixture(autouse=True)
def _folder(tmp_path):
    io_path.folder = tmp_path


def io_path(data, name="image"):
    path = io_path.folder / name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    "junk",
    [
        b"",
        b"Exif\0\0",
        b"Exif\0\0II*\0",
        b"Exif\0\0II*\0\xff\xff\xff\xff",
        b"Exif\0\0QQ",
        b"Exif\0\0MM\0*\0\0\0\x08\xff\xff",
    ],
)
def test_a_block_without_an_orientation_leaves_the_picture(junk, noise):
    picture = Image.fromarray(noise)
    picture.info["exif"] = junk
    np.testing.assert_array_equal(read_image(picture), noise)


@pytest.mark.parametrize("key", ["xmp", "XML:com.adobe.xmp"])
@pytest.mark.parametrize(
    "text", ['<x tiff:Orientation="3"/>', "<tiff:Orientation>3</tiff:Orientation>"]
)
def test_orientation_in_xmp(key, text, noise):
    picture = Image.fromarray(noise)
    picture.info[key] = text.encode() if key == "xmp" else text
    np.testing.assert_array_equal(read_image(picture), noise[::-1, ::-1])


def test_orientation_in_a_raw_profile(noise):
    picture = Image.fromarray(noise)
    block = exif(3)
    picture.info["Raw profile type exif"] = f"\nexif\n{len(block):8d}\n{block.hex()}\n"
    np.testing.assert_array_equal(read_image(picture), noise[::-1, ::-1])
    picture.info["Raw profile type exif"] = "\nexif\n1\nno digits\n"
    np.testing.assert_array_equal(read_image(picture), noise)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX",
                                  "CMYK", "YCbCr", "HSV", "LAB"])  # fmt: skip
def test_every_8_bit_mode_shows_what_it_showed(photo_array, mode):
    picture = Image.fromarray(photo_array)
    if mode == "LAB":
        lab = ImageCms.createProfile("LAB")
        picture = ImageCms.profileToProfile(
            picture, ImageCms.createProfile("sRGB"), lab, outputMode="LAB"
        )
    elif mode in ("La", "RGBa", "PA"):
        first = picture.quantize(256) if mode == "PA" else picture.convert(mode.upper())
        picture = first.convert(mode)
    elif mode == "P":
        picture = picture.quantize(256)
    else:
        picture = picture.convert(mode)
    pixels = read_image(picture)
    expected = photo_array
    if mode in ("L", "LA", "La"):
        expected = np.asarray(Image.fromarray(photo_array).convert("L"))[:, :, None]
    elif mode == "1":
        expected = np.asarray(picture)[:, :, None] * 255
    limit = {"P": 12, "PA": 12, "HSV": 4, "LAB": 4, "YCbCr": 3}.get(mode, 1)
    assert pixels.shape == (48, 64, 3)
    assert np.abs(pixels.astype(int) - expected).mean() <= limit


@pytest.mark.parametrize("mode", ["I;16", "I;16L", "I;16B"])
def test_sixteen_bits_keep_the_higher_eight(grey, mode):
    values = (grey.astype(np.uint16) << 8) + 200
    order = ">u2" if mode == "I;16B" else "<u2"
    picture = Image.frombytes(mode, (200, 120), values.astype(order).tobytes())
    np.testing.assert_array_equal(read_image(picture)[:, :, 2], grey)


@pytest.mark.parametrize("mode", ["I", "F"])
def test_modes_without_a_white_are_refused(mode):
    with pytest.raises(InvalidInputError, match=f"mode '{mode}' do not say which value is white"):
        read_image(Image.new(mode, (4, 4)))


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(values, colour):
    """A 16-bit PNG of an array (H, W, C)."""
    height, width = values.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    head = struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows))
            + chunk(b"IEND", b""))  # fmt: skip


@pytest.mark.parametrize(("colour", "channels"), [(0, 1), (2, 3), (4, 2), (6, 4)])
def test_sixteen_bit_png_files(random, colour, channels):
    values = random.integers(0, 65536, (20, 30, channels))
    pixels = read_image(io_path(png(values, colour)))
    colours = values[:, :, :3] if channels > 2 else values[:, :, :1]
    # Pillow rounds 16 bits of grey with alpha; elsewhere the higher byte is taken
    assert np.abs(pixels.astype(int) - (colours >> 8)).max() <= (1 if channels == 2 else 0)


@pytest.mark.parametrize(("magic", "channels", "most"), [(5, 1, 65535), (6, 3, 65535), (5, 1, 4095),
                                                         (6, 3, 1023)])  # fmt: skip
def test_deep_pnm_files(random, magic, channels, most):
    values = random.integers(0, most + 1, (20, 30, channels))
    data = f"P{magic}\n30 20\n{most}\n".encode() + values.astype(">u2").tobytes()
    pixels = read_image(io_path(data))
    assert np.abs(pixels.astype(int) - values * 255 / most).max() <= 1


def tiff(values, bits, *, order="<", photometric=1):
    """An uncompressed TIFF of grey values that are packed already."""
    mark = b"II*\0" if order == "<" else b"MM\0*"
    tags = [(256, 30), (257, 20), (258, bits), (259, 1), (262, photometric), (273, 8), (277, 1),
            (278, 20), (279, len(values))]  # fmt: skip
    entries = b"".join(struct.pack(f"{order}HHII", tag, 4, 1, v) for tag, v in tags)
    place = struct.pack(f"{order}I", 8 + len(values))
    return mark + place + values + struct.pack(f"{order}H", len(tags)) + entries + bytes(4)


@pytest.mark.parametrize("order", ["<", ">"])
def test_sixteen_bit_tiff_files(random, order):
    values = random.integers(0, 65536, (20, 30))
    pixels = read_image(io_path(tiff(values.astype(f"{order}u2").tobytes(), 16, order=order)))
    np.testing.assert_array_equal(pixels[:, :, 0], values >> 8)


def test_sixteen_bit_tiff_files_in_which_white_is_0(random):
    values = random.integers(0, 65536, (20, 30))
    pixels = read_image(io_path(tiff(values.astype("<u2").tobytes(), 16, photometric=0)))
    np.testing.assert_array_equal(pixels[:, :, 0], 255 - (values >> 8))


def test_twelve_bit_tiff_files(random):
    values = random.integers(0, 4096, (20, 30))
    pairs = values.reshape(-1, 2)
    packed = np.stack(
        [pairs[:, 0] >> 4, (pairs[:, 0] & 15) << 4 | pairs[:, 1] >> 8, pairs[:, 1] & 255]
    )
    pixels = read_image(io_path(tiff(packed.T.astype(np.uint8).tobytes(), 12)))
    np.testing.assert_array_equal(pixels[:, :, 0], values >> 4)


def test_a_tiff_is_turned_once(noise):
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "TIFF", tiffinfo={0x0112: 6}, compression="tiff_lzw")
    np.testing.assert_array_equal(read_image(io_path(buffer.getvalue())), np.rot90(noise, -1))
    with Image.open(io.BytesIO(buffer.getvalue())) as picture:
        np.testing.assert_array_equal(read_image(picture), np.rot90(noise, -1))


def test_an_inverted_cmyk_jpeg_is_no_negative(photo_array):
    buffer = io.BytesIO()
    cmyk = Image.fromarray(photo_array).convert("CMYK")
    cmyk.save(buffer, "JPEG", quality=95)  # Pillow writes Adobe's inverted values
    pixels = read_image(io_path(buffer.getvalue()))
    assert np.abs(pixels.astype(int) - photo_array).mean() < 4


@pytest.mark.filterwarnings("error")
def test_transparency_of_a_palette_does_not_matter(photo_array):
    picture = Image.fromarray(photo_array).quantize(200)
    expected = read_image(picture)
    picture.info["transparency"] = bytes(range(200))
    np.testing.assert_array_equal(read_image(picture), expected)


@pytest.mark.parametrize("format_name", ["GIF", "PNG", "WEBP", "TIFF"])
def test_the_first_frame_of_an_animation(format_name):
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "lime", "blue")]
    buffer = io.BytesIO()
    lossless = {"lossless": True} if format_name == "WEBP" else {}
    frames[0].save(buffer, format_name, save_all=True, append_images=frames[1:], **lossless)
    assert (read_image(io_path(buffer.getvalue())) == [255, 0, 0]).all()
    with Image.open(buffer) as picture:
        picture.seek(2)
        assert (read_image(picture) == [0, 0, 255]).all()


def wide_profile():
    """An RGB profile whose red and blue are exchanged: the least doubtful of conversions."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, blue = data.index(b"rXYZ"), data.index(b"bXYZ")
    data[red : red + 4], data[blue : blue + 4] = b"bXYZ", b"rXYZ"
    at = data.index(b"s\0R\0G\0B")
    data[at : at + 7] = b"t\0E\0S\0T"
    return bytes(data)


def test_colours_are_converted_by_the_profile_inside(photo_array):
    picture = Image.fromarray(photo_array)
    picture.info["icc_profile"] = wide_profile()
    pixels = read_image(picture)
    assert np.abs(pixels.astype(int) - photo_array[:, :, ::-1]).max() <= 2


def test_a_profile_is_applied_whatever_its_name(photo_array):
    """As "Display P3 Gamut with sRGB Transfer", which Android writes."""
    picture = Image.fromarray(photo_array)
    name = b"t\0E\0S\0T"
    picture.info["icc_profile"] = wide_profile().replace(name, b"s\0R\0G\0B")
    assert np.abs(read_image(picture).astype(int) - photo_array[:, :, ::-1]).max() <= 2


def test_a_profile_of_a_palette_is_applied(photo_array):
    picture = Image.fromarray(photo_array).quantize(64)
    plain = read_image(picture)
    picture.info["icc_profile"] = wide_profile()
    assert np.abs(read_image(picture).astype(int) - plain[:, :, ::-1]).max() <= 2


def test_a_profile_of_grey_is_applied():
    picture = Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    picture.info["icc_profile"] = linear_grey_profile()
    lighter = read_image(picture)[0, :, 1]
    assert lighter[[0, 55, 128, 255]].tolist() == pytest.approx([0, 128, 188, 255], abs=2)
    picture.info["icc_profile"] = SRGB  # that of the photo before it was made grey
    assert (read_image(picture)[0, :, 1] == np.arange(256)).all()


def linear_grey_profile():
    """An ICC profile by hand: header, white point, and the curve of a gamma of 1."""
    white = b"XYZ \0\0\0\0" + struct.pack(">iii", 63190, 65536, 54061)
    curve = b"curv\0\0\0\0" + struct.pack(">I", 0)
    tags = {b"wtpt": white, b"kTRC": curve}
    place, table, body = 128 + 4 + 12 * len(tags), struct.pack(">I", len(tags)), b""
    for name, content in tags.items():
        table += name + struct.pack(">II", place + len(body), len(content))
        body += content
    size = place + len(body)
    head = struct.pack(">I4sI4s4s4s", size, b"lcms", 0x02100000, b"mntr", b"GRAY", b"XYZ ")
    head += bytes(12) + b"acsp" + bytes(28) + white[8:]
    return head.ljust(128, b"\0") + table + body


SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.mark.parametrize(
    "profile",
    [SRGB, b"", b"damaged", SRGB[:300], wide_profile()[:200] + bytes(2000), "text"],
    ids=["srgb", "empty", "damaged", "cut", "cut wide", "text"],
)
def test_a_profile_that_says_nothing_changes_no_colours(photo_array, profile):
    picture = Image.fromarray(photo_array)
    picture.info["icc_profile"] = profile
    np.testing.assert_array_equal(read_image(picture), photo_array)


def test_a_large_picture_is_refused_before_it_is_decoded(noise):
    huge = Image.new("1", (60_000, 5_000))
    with pytest.raises(InvalidInputError, match="60000 x 5000 is more than 250,000,000 pixels"):
        read_image(huge)
    with pytest.raises(InvalidInputError, match="empty"):
        read_image(Image.new("RGB", (0, 5)))


def test_memory_that_runs_out_is_an_error_of_ours(monkeypatch, noise):
    def none_left(*_, **__):
        raise MemoryError("no more")

    monkeypatch.setattr(pictures.np, "empty", none_left)
    with pytest.raises(InvalidInputError, match="does not fit into memory"):
        read_image(Image.fromarray(noise))


def test_a_closed_picture_is_refused(noise):
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "PNG")
    picture = Image.open(buffer)
    picture.close()
    with pytest.raises(InvalidInputError, match="no readable image"):
        read_image(picture)
