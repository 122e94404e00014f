"""Files are what their content says: an allow-list of decoders, damage, limits, threads."""

import base64
import io
import struct
import subprocess
import sys
import tempfile
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image, ImageFile, TiffImagePlugin

from edgeface import (
    DEMO_PHOTO,
    BackendUnavailableError,
    InvalidInputError,
    image_files,
    read_image,
)
from edgeface.image_blocks import sound_jpeg
from edgeface.image_files import FORMATS, format_of, images_in
from edgeface.tone import tone_curve

WRITERS = {
    "JPEG": ("JPEG", {}), "PNG": ("PNG", {}), "WebP": ("WEBP", {}), "GIF": ("GIF", {}),
    "BMP": ("BMP", {}), "TIFF": ("TIFF", {"compression": "tiff_lzw"}), "PNM": ("PPM", {}),
    "JPEG 2000": ("JPEG2000", {}), "AVIF": ("AVIF", {"quality": 90}),
}  # fmt: skip
FOREIGN = ["EPS", "ICO", "ICNS", "PDF", "TGA", "SGI", "PCX", "DDS", "SPIDER"]


@pytest.fixture(scope="module")
def smooth():
    rows, columns = np.mgrid[:64, :96]
    return np.stack([rows * 3, columns * 2, 255 - rows - columns], axis=2).astype(np.uint8)


def written(pixels, format_name, **options):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format_name, **options)
    return buffer.getvalue()


@pytest.fixture(scope="module", params=FORMATS)
def file(request, smooth):
    """A format's name, and the bytes of a file."""
    if request.param == "HEIC":
        heif = pytest.importorskip("pillow_heif", reason="needs the extra: edgeface[heif]")
        buffer = io.BytesIO()
        heif.from_pillow(Image.fromarray(smooth)).save(buffer, quality=90)
        return "HEIC", buffer.getvalue()
    name, options = WRITERS[request.param]
    return request.param, written(smooth, name, **options)


@pytest.mark.parametrize("name", ["photo", "photo.txt", "photo.eps"])
def test_the_content_decides_whatever_the_name(file, smooth, tmp_path, name):
    kind, data = file
    assert format_of(data) == kind
    (tmp_path / name).write_bytes(data)
    pixels = read_image(tmp_path / name)
    limit = {"GIF": 12, "JPEG": 4, "WebP": 4, "AVIF": 4, "HEIC": 4}.get(kind, 0)
    assert np.abs(pixels.astype(int) - smooth).mean() <= limit


def test_a_file_cut_anywhere_is_an_error_or_whole(file, tmp_path, random):
    kind, data = file
    path = tmp_path / "cut"
    path.write_bytes(data)
    whole = read_image(path)
    for size in sorted({0, 1, 8, 20, 64, *random.integers(0, len(data), 40).tolist()}):
        path.write_bytes(data[:size])
        try:
            pixels = read_image(path)
        except InvalidInputError:
            continue
        np.testing.assert_array_equal(pixels, whole, err_msg=f"{kind} cut at {size}")


def png(channels, interlaced, share):
    """A PNG of 110 x 130 bright pixels whose data end, as they should, but hold a share of them."""
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    passes = [(14, 17), (14, 17), (28, 16), (27, 33), (55, 32), (55, 65), (110, 65)]
    lines = b"".join(
        b"\0" + bytes(100 + (x * row) % 151 for x in range(width * channels))
        for width, height in (passes if interlaced else [(110, 130)])
        for row in range(height)
    )
    parts = [
        (b"IHDR", struct.pack(">IIBBBBB", 110, 130, 8, colour, 0, 0, interlaced)),
        (b"IDAT", zlib.compress(lines[: int(len(lines) * share)])),
        (b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )


@pytest.mark.parametrize("interlaced", [0, 1])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_a_png_with_too_few_rows_is_refused(channels, interlaced):
    assert read_image(png(channels, interlaced, 1)).min() == 100
    for share in (0.3, 0.6, 0.999):
        with pytest.raises(InvalidInputError, match="truncated"):
            read_image(png(channels, interlaced, share))


@pytest.mark.parametrize("name", FOREIGN)
def test_other_formats_are_refused_by_content(smooth, tmp_path, name):
    pixels = smooth
    try:
        data = written(pixels, name)
    except (OSError, ValueError):
        data = written(pixels[:, :, 0], name)
    (tmp_path / "photo.jpg").write_bytes(data)
    with pytest.raises(InvalidInputError, match="its content is none of JPEG, PNG"):
        read_image(tmp_path / "photo.jpg")


def test_postscript_starts_no_program(tmp_path):
    (tmp_path / "gs").write_text(f"#!/bin/sh\ntouch {tmp_path}/STARTED\n")
    (tmp_path / "gs").chmod(0o755)
    (tmp_path / "a.jpg").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EOF\n")
    code = f"import edgeface; edgeface.read_image({str(tmp_path / 'a.jpg')!r})"
    environment = {"PATH": str(tmp_path), "PYTHONPATH": ":".join(sys.path)}
    result = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    assert "InvalidInputError" in result.stderr
    assert not (tmp_path / "STARTED").exists()


@pytest.mark.parametrize(
    ("missing", "brand", "remedy"),
    [("pillow_heif", b"heic", r"pip install 'edgeface\[heif\]'"), ("PIL.AvifImagePlugin", b"avif",
      "pip install --upgrade pillow")],
)  # fmt: skip
def test_a_missing_decoder_is_named(monkeypatch, tmp_path, missing, brand, remedy):
    monkeypatch.setitem(sys.modules, missing, None)
    (tmp_path / "photo.jpg").write_bytes(b"\0\0\0\x18ftyp" + brand + bytes(100))
    with pytest.raises(BackendUnavailableError, match=remedy):
        read_image(tmp_path / "photo.jpg")


def test_an_endless_or_too_large_file_is_not_read_whole(monkeypatch, tmp_path, smooth):
    with pytest.raises(InvalidInputError, match="content is none of"):
        read_image("/dev/zero")
    (tmp_path / "photo.png").write_bytes(written(smooth, "PNG"))
    monkeypatch.setattr(image_files, "MAX_FILE_BYTES", 100)
    with pytest.raises(InvalidInputError, match=r"photo\.png is too large"):
        read_image(tmp_path / "photo.png")


@pytest.mark.parametrize("name", ["caf\udce9.jpg", "\ud800"])
def test_errors_of_odd_names_can_be_printed(name):
    with pytest.raises(InvalidInputError) as refused:
        read_image(name)
    assert name.encode(errors="backslashreplace") in str(refused.value).encode("utf-8")


@pytest.mark.parametrize("path", ["", "\0", "a" * 5000, "/"])
def test_paths_that_are_none_are_refused(path):
    with pytest.raises(InvalidInputError):
        read_image(path)


def test_reading_changes_nothing_that_the_process_shares(tmp_path, smooth, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)  # the application's own, for its own files
    path = tmp_path / "photo.jpg"
    path.write_bytes(written(smooth, "JPEG"))
    before = list(warnings.filters)
    with ThreadPoolExecutor(8) as pool:
        first, *others = pool.map(read_image, [path] * 64)
    for pixels in others:
        np.testing.assert_array_equal(pixels, first)
    assert warnings.filters == before
    assert (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES) == (10, False)


def test_threads_may_share_a_picture_that_is_not_loaded():
    for _ in range(3):
        with Image.open(DEMO_PHOTO) as picture, ThreadPoolExecutor(8) as pool:
            assert len({pixels.tobytes() for pixels in pool.map(read_image, [picture] * 8)}) == 1


def test_what_others_register_with_pillow_is_not_asked(monkeypatch, tmp_path, smooth):
    def shout(*_):
        raise AssertionError("asked")

    monkeypatch.setitem(Image.OPEN, "JPEG", (shout, shout))
    (tmp_path / "photo.jpg").write_bytes(written(smooth, "JPEG"))
    assert read_image(tmp_path / "photo.jpg").shape == smooth.shape


def test_a_heic_photo_is_turned_once(smooth, tmp_path):
    heif = pytest.importorskip("pillow_heif", reason="needs the extra: edgeface[heif]")
    exif = Image.Exif()
    exif[0x0112] = 6
    container = heif.from_pillow(Image.fromarray(np.ascontiguousarray(np.rot90(smooth, 1))))
    container.info["exif"] = exif.tobytes()
    container.save(tmp_path / "photo.heic", quality=95)
    assert np.abs(read_image(tmp_path / "photo.heic").astype(int) - smooth).mean() < 4
    assert "HEIF" not in Image.OPEN


@pytest.mark.parametrize(("transfer", "card", "white"), [(16, 0.38, 0.58), (18, 0.38, 0.75)])
def test_hdr_heic_photos_are_tone_mapped(tmp_path, transfer, card, white):
    """Signals of a grey card (26 nits), of white paper (203) and of the peak: ITU-R BT.2408."""
    heif = pytest.importorskip("pillow_heif", reason="needs the extra: edgeface[heif]")
    peak = 0.7518 if transfer == 16 else 1.0
    levels = np.rint(255 * np.array([0, card, white, peak])).astype(np.uint8)
    picture = np.repeat(np.repeat(levels, 32)[None, :, None], 32, 0).repeat(3, 2)
    heif.from_pillow(Image.fromarray(picture)).save(
        tmp_path / "photo.heic", quality=100, chroma=444, color_primaries=9,
        transfer_characteristics=transfer, matrix_coefficients=9,
    )  # fmt: skip
    read = read_image(tmp_path / "photo.heic")[16, 16::32].astype(int)
    assert np.ptp(read, axis=1).max() <= 3
    np.testing.assert_allclose(read[:, 0], [0, 255 * 0.393, 225, 255], atol=4)


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("transfer", [16, 18])
@pytest.mark.parametrize("kind", ["AVIF", "PNG"])
def test_hdr_is_tone_mapped_in_every_format_that_names_it(kind, transfer, orientation, smooth):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = written(smooth, kind, exif=exif)
    if kind == "PNG":
        chunk = b"cICP" + bytes([9, transfer, 0, 1])
        hdr = data[:33] + b"\0\0\0\4" + chunk + struct.pack(">I", zlib.crc32(chunk)) + data[33:]
    else:
        start = data.index(b"colrnclx") + 10
        hdr = data[:start] + struct.pack(">H", transfer) + data[start + 2 :]
        # beside a picture for ordinary screens, the main one is left alone
        both = hdr + b"colrnclx" + bytes([0, 1, 0, 13])
        np.testing.assert_array_equal(read_image(both), read_image(data))
    expected = 255 * tone_curve(read_image(data) / 255, transfer)
    assert np.abs(read_image(hdr) - expected).mean() < 2


@pytest.mark.parametrize("opened", [lambda data: data, lambda data: Image.open(io.BytesIO(data))])
@pytest.mark.parametrize("said", ['"8"', "'8'"])
@pytest.mark.parametrize("tag", [1, 6])
def test_the_tag_of_a_tiff_counts_before_its_xmp(smooth, tag, said, opened):
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[274] = tag
    tags.tagtype[700] = 7
    tags[700] = f"<x tiff:Orientation={said}/>".encode()
    image = opened(written(smooth, "TIFF", tiffinfo=tags))
    np.testing.assert_array_equal(read_image(image), np.rot90(smooth, 0 if tag == 1 else -1))


@pytest.mark.parametrize(("tag", "kind", "value"), [(254, 2, "x"), (254, 12, 0.5), (700, 2, "x")])
def test_damaged_tags_of_a_tiff_do_not_matter(smooth, tag, kind, value):
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags.tagtype[tag] = kind
    tags[tag] = value
    np.testing.assert_array_equal(read_image(written(smooth, "TIFF", tiffinfo=tags)), smooth)


@pytest.mark.parametrize("kind", ["dng", "preview", "cr2"])
def test_raw_photos_are_refused_instead_of_their_previews(smooth, kind):
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    if kind == "dng":
        tags.tagtype[50706] = 1
        tags[50706] = b"\1\4\0\0"
    elif kind == "preview":
        tags[254] = 1
    buffer = io.BytesIO()
    Image.fromarray(smooth).save(buffer, "TIFF", tiffinfo=tags)
    data = buffer.getvalue()
    if kind == "cr2":
        assert data[4:8] == b"\x08\0\0\0"
        # the folder moves to the end, as Canon's lies behind the mark
        (count,) = struct.unpack_from("<H", data, 8)
        folder = data[8 : 8 + 2 + 12 * count + 4]
        data = data[:4] + struct.pack("<I", len(data)) + b"CR" + data[10:] + folder
    with pytest.raises(InvalidInputError, match="a camera's raw photo"):
        read_image(data)


def test_jpeg_padding_and_odd_markers_are_passed_over(smooth, tmp_path):
    data = written(smooth, "JPEG")
    path = tmp_path / "photo.jpg"
    path.write_bytes(data)
    whole = read_image(path)
    path.write_bytes(data[:2] + b"\xff\xff\xff" + data[3:])
    np.testing.assert_array_equal(read_image(path), whole)
    stripped, orientation = sound_jpeg(data[:2] + b"\xff\xe1\0\0" + data[2:])
    assert stripped == data[:2] + b"\xff\xe1\0\0" + data[2:]
    assert orientation is None


def png_chunk(kind, content, checksum=None):
    checksum = zlib.crc32(kind + content) if checksum is None else checksum
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


LARGE = zlib.compress(bytes(3_000_000))


@pytest.mark.parametrize(
    "block",
    [
        png_chunk(b"zTXt", b"workflow\0\0" + LARGE),
        png_chunk(b"zTXt", b"Raw profile type exif\0\0" + LARGE),
        png_chunk(b"iTXt", b"workflow\0\1\0\0\0" + LARGE),
        png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + LARGE),
        png_chunk(b"iCCP", b"name\0\0" + LARGE),
        png_chunk(b"iCCP", b"junk"),
        png_chunk(b"tEXt", b"name\0text", checksum=1),
        png_chunk(b"eXIf", b"MM\0*", checksum=1),
        png_chunk(b"pHYs", b"123"),
        png_chunk(b"acTL", b"1"),
        png_chunk(b"acTL", bytes(8)),
    ],
)
def test_what_stands_beside_the_pixels_of_a_png_does_not_matter(block, smooth):
    data = written(smooth, "PNG")
    np.testing.assert_array_equal(read_image(data[:33] + block + data[33:]), smooth)


@pytest.mark.parametrize(
    "block", [b"\xe0JFIF\0\1", b"\xe2ICC_PROFILE\0", b"\xe2ICC_PROFILE\0\1", b"\xeeAdobe"]
)
def test_short_blocks_of_a_jpeg_are_passed_over(block, smooth):
    data = written(smooth, "JPEG")
    inserted = b"\xff" + block[:1] + struct.pack(">H", len(block) + 1) + block[1:]
    read = read_image(data[:2] + inserted + data[2:])
    np.testing.assert_array_equal(read, read_image(data))


@pytest.mark.parametrize("wrap", [bytes, bytearray, memoryview, io.BytesIO])
def test_content_is_read_as_its_file_is(file, wrap, tmp_path):
    _, data = file
    (tmp_path / "photo").write_bytes(data)
    np.testing.assert_array_equal(read_image(wrap(data)), read_image(tmp_path / "photo"))


def test_open_files_are_read_from_where_they_stand(tmp_path, smooth):
    (tmp_path / "two").write_bytes(b"a header" + written(smooth, "PNG"))
    with open(tmp_path / "two", "rb") as file:
        file.seek(8)
        np.testing.assert_array_equal(read_image(file), smooth)
    with open(tmp_path / "two") as text, pytest.raises(InvalidInputError, match="binary mode"):
        read_image(text)


class Trickle(io.RawIOBase):
    """A stream that gives a few bytes at a time, as pipes and sockets do."""

    def __init__(self, data):
        self._left = data

    def read(self, size=-1):
        part, self._left = self._left[:7], self._left[7:]
        return part


def test_a_stream_may_give_a_little_at_a_time(smooth):
    np.testing.assert_array_equal(read_image(Trickle(written(smooth, "PNG"))), smooth)


def test_a_stream_that_fails_is_an_error_of_ours(tmp_path):
    class Broken:
        def read(self, size):
            raise RuntimeError("the line is dead")

    with pytest.raises(InvalidInputError, match="the Broken is no readable image: the line"):
        read_image(Broken())
    file = open(tmp_path / "closed", "wb")  # noqa: SIM115
    file.close()
    with pytest.raises(InvalidInputError, match="closed is no readable image"):
        read_image(file)


@pytest.mark.parametrize("head", ["data:image/jpeg;base64,", ""])
def test_content_in_place_of_a_name_is_told_in_short(head):
    text = head + base64.b64encode(bytes(100_000)).decode()
    with pytest.raises(InvalidInputError, match="is no path: of an image in base64") as caught:
        read_image(text)
    assert len(str(caught.value)) < 200


def test_what_is_empty_or_was_read_before_says_so(tmp_path, smooth):
    (tmp_path / "empty.jpg").touch()
    with pytest.raises(InvalidInputError, match=r"empty.jpg is no readable image: it is empty"):
        read_image(tmp_path / "empty.jpg")
    with tempfile.SpooledTemporaryFile() as upload:  # its name is None
        Image.fromarray(smooth).save(upload, "PNG")
        upload.seek(0)
        read_image(upload)
        with pytest.raises(InvalidInputError, match=r"SpooledTemporaryFile .*was read before"):
            read_image(upload)


def test_other_addresses_are_told_apart_from_names():
    with pytest.raises(InvalidInputError, match=r"no such image: s3://b/a\.jpg; pass the bytes of"):
        read_image("s3://b/a.jpg")


def test_a_folder_has_its_images_by_name_and_no_others(tmp_path):
    names = ["b.JFIF", "a.heic", "._a.heic", ".png", "notes.txt", "png"]
    for name in names:
        (tmp_path / name).touch()
    (tmp_path / "folder.jpg").mkdir()
    assert [path.name for path in images_in(tmp_path)] == ["a.heic", "b.JFIF"]
    with pytest.raises(InvalidInputError, match=r"folder\.jpg has no images"):
        images_in(tmp_path / "folder.jpg")
    with pytest.raises(InvalidInputError, match="no such folder of images"):
        images_in(tmp_path / "absent")
