"""Which image and which label belong together: those with the same name before the extension.

Between two folders that is the path in the folder. A file of a list belongs to the file of the other store that shares
most of the end of its path: photos/x/1.jpg to x/1.png, or else to 1.png. Two lists that have no name in common pair
line by line. Where a list meets a folder, the list says which files are wanted, and the others in the folder don't
count.
"""

from __future__ import annotations

from posixpath import splitext

from caffe_fcn.datasets.build.file_pairs import FilePair
from caffe_fcn.datasets.records.faults import Fault
from caffe_fcn.datasets.records.listed_files import ListedFiles
from caffe_fcn.datasets.records.stores import Store
from caffe_fcn.errors import DatasetError

_EXTENSIONS = {".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".pgm", ".pnm", ".tif", ".tiff", ".gif", ".webp"}


def pair_up(images: Store, labels: Store) -> list[FilePair]:
    """The pairs in two stores: in the order of the list of images, or else of their names.

    A file without a partner is a pair with one name empty. Raises `Fault` where two files of one store have the same
    name before the extension, or belong to the same file.
    """
    image_of, label_of = (_find_stems(store) for store in (images, labels))
    if not image_of:
        raise DatasetError(images.locate(""), "holds no images", f"of {', '.join(sorted(_EXTENSIONS))}")
    if isinstance(images, ListedFiles):
        pairs = [FilePair(stem, image_of[stem], label) for stem, label in _match(images, image_of, label_of).items()]
        if not isinstance(labels, ListedFiles):
            return pairs
        if not any(pair.label for pair in pairs):
            return _pair_lines(images, labels, image_of, label_of)
        used = {pair.label for pair in pairs}
        return pairs + [FilePair(stem, "", label) for stem, label in label_of.items() if label not in used]
    if isinstance(labels, ListedFiles):
        return [FilePair(stem, image, label_of[stem]) for stem, image in _match(labels, label_of, image_of).items()]
    stems = sorted(image_of.keys() | label_of.keys())
    return [FilePair(stem, image_of.get(stem, ""), label_of.get(stem, "")) for stem in stems]


def _find_stems(store: Store) -> dict[str, str]:
    """Name without extension -> name; of a folder, the names of images."""
    found: dict[str, str] = {}
    for name in store.names():
        stem, extension = splitext(name)
        if extension.lower() not in _EXTENSIONS and not isinstance(store, ListedFiles):
            continue
        if stem in found:
            raise Fault("pair", store.locate(name), f"has the name of {store.locate(found[stem])}", "remove one")
        found[stem] = name
    return found


def _match(listed: ListedFiles, stems: dict[str, str], others: dict[str, str]) -> dict[str, str]:
    """Stem of a listed file -> the name of its partner, or an empty one."""
    partners: dict[str, str] = {}
    listed_by: dict[str, str] = {}
    for stem, name in stems.items():
        parts = listed.parts(name)
        ends = ("/".join(parts[start:]) for start in range(len(parts)))
        partner = next((others[end] for end in ends if end in others), "")
        if partner in listed_by:
            what = f"belongs to the same {partner!r} as {listed.locate(listed_by[partner])}"
            raise Fault("pair", listed.locate(name), what, "list one of them, or keep both kinds in like folders")
        if partner:
            listed_by[partner] = name
        partners[stem] = partner
    return partners


def _pair_lines(
    images: ListedFiles, labels: ListedFiles, image_of: dict[str, str], label_of: dict[str, str]
) -> list[FilePair]:
    if len(image_of) != len(label_of):
        what = f"lists {len(label_of)} files, {images.path} {len(image_of)}, and they have no name in common"
        raise Fault("pair", str(labels.path), what, "name labels as their images, or list both in the same order")
    return [
        FilePair(stem, image, label) for (stem, image), label in zip(image_of.items(), label_of.values(), strict=True)
    ]
