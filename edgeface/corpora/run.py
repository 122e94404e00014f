"""`run_corpus`: all photos of a folder, by this process or by Ray, from where it was left."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any, Literal, cast, get_args

from edgeface import tables
from edgeface.addresses import text_without_secrets
from edgeface.corpora.label import SUFFIX, FaceLabeller, Part, part_name
from edgeface.corpora.store import Store
from edgeface.errors import EdgeFaceError, InferenceError, InvalidInputError
from edgeface.image_files import SUFFIXES_LISTED, is_image_name
from edgeface.model import Model
from edgeface.values import Choice, Free, Whole, option

Engine = Literal["plain", "ray"]
CHUNK = 64
"""Photos that are one file, and that are done again after a kill."""
MAX_WORKERS, MAX_CAUSES = 100_000, 10


@dataclass(frozen=True)
class Summary:
    """What a run came to.

    Attributes
    ----------
    num_images, num_faces, num_errors : of this run
    num_before : photos that earlier runs had done
    """

    num_images: int = 0
    num_faces: int = 0
    num_errors: int = 0
    num_before: int = 0

    def plus(self, part: Part) -> Summary:
        """With one part more."""
        return replace(
            self,
            num_images=self.num_images + part.num_images,
            num_faces=self.num_faces + part.num_faces,
            num_errors=self.num_errors + part.num_errors,
        )


def run_corpus(
    photos: str | os.PathLike[str],
    target: str | os.PathLike[str],
    model: Model,
    *,
    engine: Engine = "plain",
    workers: int = 1,
    chunk: int = CHUNK,
    options: Mapping[str, Any] | None = None,
    progress: Callable[[Summary, int], None] | None = None,
) -> Summary:
    """Find the faces of all photos below a folder, and write them as Parquet files.

    Parameters
    ----------
    photos : a folder, or an address that fsspec knows, like ``s3://bucket/photos``; it is searched
        with the folders in it
    target : a folder or address for the files, which `FaceLabeller` describes; photos that are in
        it already are not looked at again
    model : finds the faces. Each worker loads it anew: give it one thread where they fill the cores
    engine : "plain" works in this process, "ray" by Ray Data, in this machine or in the cluster
        that the environment variable RAY_ADDRESS names
    workers : how many Ray processes work side by side, each on one core
    chunk : photos that are one file; a kill costs so many for each worker, at most
    options : of `edgeface.Model.run`
    progress : called after each part with what was done and how many photos are to do

    Returns
    -------
    Summary

    Raises
    ------
    InvalidInputError
        If there are no photos, or an argument is not as described.
    BackendUnavailableError
        If Ray, pyarrow or fsspec is needed and not installed; the message names the remedy.
    InferenceError
        If Ray cannot start, or its workers are lost.

    Notes
    -----
    Photos of one listing are cut into the same chunks by every run, and a chunk's file has its name
    from theirs and gets it when it is whole: what a killed run had begun is done again and written
    under the same name, so that nothing is lost or doubled, even while its last worker still works.

    Examples
    --------
    >>> from edgeface.corpora import run_corpus
    >>> model = edgeface.load("mfn", num_threads=1)                       # doctest: +SKIP
    >>> run_corpus("photos", "faces", model, engine="ray", workers=2)     # doctest: +SKIP
    """
    option("engine", engine, Choice(get_args(Engine)))
    count = option("workers", workers, Whole(1, MAX_WORKERS))
    size = option("chunk", chunk, Whole(1, 10**6))
    chosen = option(
        "options", dict(options) if isinstance(options, Mapping) else options or {}, Free()
    )
    source, store = Store(photos), Store(target)
    names = [n for n in source.names() if is_image_name(PurePosixPath(n).name)]
    if not names and not source.exists():
        raise InvalidInputError(f"there is no folder {source.shown}")
    if not names:
        raise InvalidInputError(
            f"{source.shown} has no images: expected {SUFFIXES_LISTED} below it"
        )
    store.prepare()
    chunks = [*pending(names, size, store)]
    total = sum(map(len, chunks))
    summary = Summary(num_before=len(names) - total)
    arguments = (source, store, model, chosen)
    parts = _by_ray(chunks, arguments, count) if engine == "ray" else _here(chunks, arguments)
    for part in parts:
        summary = summary.plus(part)
        if progress is not None:
            progress(summary, total)
    return summary


def pending(names: list[str], size: int, store: Store) -> Iterator[list[str]]:
    """The chunks of photos that a store has not got yet."""
    there = {name for name in store.names() if name.endswith(SUFFIX)}
    chunks = [names[i : i + size] for i in range(0, len(names), size)]
    whole = {part_name(chunk) for chunk in chunks} & there
    # files of another listing or chunk size
    done = set(done_names(store, there - whole))
    for chunk in chunks:
        if part_name(chunk) not in whole:
            rest = [name for name in chunk if tables.printable(name) not in done]
            if rest:
                yield rest


def done_names(store: Store, parts: Iterable[str]) -> Iterator[str]:
    """The photos in some files of a store; raises InvalidInputError if one cannot be read."""
    for part in parts:
        parquet = tables.needed("pyarrow.parquet", "Parquet files", "tables")
        try:
            with store.open(part) as file:
                column = parquet.read_table(file, columns=["image"])["image"]
            names = cast(list[str], column.unique().to_pylist())
        except Exception as error:  # pyarrow and file systems have each their own
            told = text_without_secrets(" ".join(str(error).split()[:40]))
            raise InvalidInputError(
                f"{store.shown} holds {part}, which is damaged or was not written by a run: move "
                f"it away, or write to another folder ({told})"
            ) from error
        yield from names


def _here(chunks: list[list[str]], arguments: Any) -> Iterator[Part]:
    if chunks:
        labeller = FaceLabeller(*arguments)
        yield from map(labeller.label, chunks)


def _by_ray(chunks: list[list[str]], arguments: Any, workers: int) -> Iterator[Part]:
    data: Any = tables.needed("ray.data", "corpora by Ray", "corpora")
    ray: Any = tables.needed("ray", "corpora by Ray", "corpora")
    if not chunks:
        return
    if not ray.is_initialized():
        local = {} if "RAY_ADDRESS" in os.environ else {"num_cpus": workers}
        with _explained():
            ray.init(log_to_driver=False, logging_level=logging.ERROR, **local)
    data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    blocks = min(len(chunks), 64 * workers)
    items = [{"names": [os.fsencode(name) for name in chunk]} for chunk in chunks]  # any name
    parts = data.from_items(items, override_num_blocks=blocks).map_batches(
        FaceLabeller,
        fn_constructor_args=arguments,
        batch_size=1,
        compute=data.ActorPoolStrategy(size=workers),
        num_cpus=1,
    )
    rows = iter(parts.iter_rows())
    while True:
        with _explained():
            row = next(rows, None)
        if row is None:
            return
        yield Part(**row)


@contextlib.contextmanager
def _explained() -> Generator[None, None, None]:
    """Raise what Ray raises as an error of the project's: the one of a worker, if there is one."""
    try:
        yield
    except Exception as error:
        chain: list[Any] = [error]
        while chain[-1] is not None and len(chain) < MAX_CAUSES:
            chain.append(getattr(chain[-1], "cause", None) or chain[-1].__cause__)
        for inner in chain:
            # not those that Ray makes up, which are of this class, too, but hold a traceback's text
            if type(inner).__module__ == EdgeFaceError.__module__:
                raise inner from error
        told = (str(error).strip().splitlines() or [type(error).__name__])[-1]
        raise InferenceError(f"Ray failed: {text_without_secrets(told)}") from error
