"""Build the wheel and the sdist so that the same commit gives the same bytes.

    python .ci/build.py [OUTDIR]

Every date in them is that of the commit (``SOURCE_DATE_EPOCH``, or git's), every owner is nobody,
every mode is 644 or 755, whatever the machine's clock, user and umask are.
"""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def commit_time() -> str:
    """Seconds since 1970 that everything is dated by."""
    given = os.environ.get("SOURCE_DATE_EPOCH")
    if given:
        return given
    command = ["git", "log", "-1", "--format=%ct"]
    return subprocess.run(
        command, cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.strip()


def normalise_sdist(sdist: Path, seconds: int) -> None:
    """Write an sdist again, without what differs between machines."""
    packed = io.BytesIO()
    with (
        tarfile.open(sdist) as before,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as after,
    ):
        for member in sorted(before.getmembers(), key=lambda m: m.name):
            member.mtime, member.pax_headers = seconds, {}
            member.uid = member.gid = 0
            member.uname = member.gname = ""
            member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            after.addfile(member, before.extractfile(member) if member.isfile() else None)
    with sdist.open("wb") as file, gzip.GzipFile("", "wb", 9, file, mtime=seconds) as zipped:
        zipped.write(packed.getvalue())


def normalise_wheel(wheel: Path, seconds: int) -> None:
    """Write a wheel again, likewise."""
    with zipfile.ZipFile(wheel) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    date = time.gmtime(seconds)[:6]
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name, date)
            info.external_attr = 0o100644 << 16
            info.create_system = 3
            archive.writestr(info, content, zipfile.ZIP_DEFLATED, 9)


def main() -> None:
    """Build into a folder, and name what was built."""
    out = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "dist").resolve()
    out.mkdir(parents=True, exist_ok=True)
    seconds = commit_time()
    # setuptools adds what an earlier build listed, whether or not it still belongs to the package
    (ROOT / "edgeface.egg-info/SOURCES.txt").unlink(missing_ok=True)
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(ROOT)]
    environment = os.environ | {"SOURCE_DATE_EPOCH": seconds, "PYTHONHASHSEED": "0"}
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
    normalise_sdist(next(out.glob("*.tar.gz")), int(seconds))
    normalise_wheel(next(out.glob("*.whl")), int(seconds))
    for path in sorted(out.iterdir()):
        print(f"{path.stat().st_size / 1e6:6.2f} MB  {path.name}")


if __name__ == "__main__":
    main()
