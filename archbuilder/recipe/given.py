"""Data that a person names on the command line: a file, a folder, or a set that ships with us."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from archbuilder.errors import UsageError, nearest, shown
from archbuilder.recipe.spec import Csv, DataFile, DataSpec, Digits, Idx, Npz, Text, Tokenising

_IDX_NAMES: Final = (
    ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
)


def data_from_path(text: str) -> DataSpec:
    """The data that `--data` names.

    `digits`, a `.npz` file with the arrays `x` and `y`, a `.csv` file with a line of names whose
    last column is the target, a `.txt` file of text whose characters are tokens, or a folder with
    the four files of MNIST.

    Raises:
        UsageError: if it is none of these.
    """
    if text == "digits":
        return DataSpec(Digits(), given=text)
    path = Path(text)
    given = str(path.absolute())
    if path.suffix == ".npz":
        return DataSpec(Npz(DataFile(text)), given=given)
    if path.suffix == ".csv":
        return DataSpec(Csv(DataFile(text)), given=given)
    if path.suffix == ".txt":
        return DataSpec(Text(DataFile(text), Tokenising()), given=given)
    if path.is_dir():
        return _idx_folder(path)
    hint = "; did you mean 'digits'?" if nearest(text, ["digits"]) else ""
    raise UsageError(
        f"the data {shown(text)} is neither 'digits', nor a .npz, .csv or .txt file, nor a folder"
        f" with the files of MNIST{hint}"
    )


def _idx_folder(folder: Path) -> DataSpec:
    found: list[Idx] = []
    for names in _IDX_NAMES:
        files = [_existing(folder, name) for name in names]
        if files[0] and files[1]:
            found.append(Idx(DataFile(str(files[0])), DataFile(str(files[1]))))
    if not found:
        expected = " and ".join(_IDX_NAMES[0])
        raise UsageError(f"the folder {shown(str(folder), 200)} has no files {expected} (or .gz)")
    validation = found[1] if len(found) > 1 else None
    return DataSpec(found[0], validation, given=str(folder.absolute()))


def _existing(folder: Path, name: str) -> Path | None:
    for candidate in (folder / name, folder / f"{name}.gz"):
        if candidate.is_file():
            return candidate
    return None
