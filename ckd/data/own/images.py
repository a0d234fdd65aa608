"""Images from outside as stills."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ckd.errors import DatasetError
from ckd.events.types import Int

Image = NDArray[np.uint8]


def read_images(contents: list[Any], size: int, what: str) -> Image:
    """(M, C, H, W): the images as they are where all have one size of at most `size` pixels, else of that size.

    Args:
        contents: PIL images, or arrays (H, W), (H, W, C) or (C, H, W), uint8 or floats from 0 to 1; C is 1 or 3.
        size: height and width of the frames.
        what: what an error message calls them.

    Raises:
        DatasetError: one is none of these.
    """
    images = [_as_image(content, f"{what} {row}") for row, content in enumerate(contents)]
    if len({image.shape[0] for image in images}) > 1:
        images = [np.repeat(image, 3 // image.shape[0], axis=0) for image in images]
    shapes = {image.shape for image in images}
    if len(shapes) > 1 or max(*next(iter(shapes))[1:]) > size:
        images = [_resized(image, size) for image in images]
    return np.stack(images)


def originals_of(given: Any, recordings: int, images: int, what: str) -> tuple[Int, Int]:
    """Which original image each recording (R,) and each image (M,) shows.

    Args:
        given: (R,) rows of images, M and more for what no image shows; None: every recording shows its own.
        recordings: R.
        images: M.
        what: what an error message calls the data set.

    Raises:
        DatasetError: `given` has another form.
    """
    if given is None:
        return np.arange(recordings) + images, np.arange(images)
    shown = np.asarray(given)
    if shown.shape != (recordings,) or shown.dtype.kind not in "iu" or shown.min(initial=0) < 0:
        raise DatasetError(
            f"{what}: its originals have shape {shown.shape} and type {shown.dtype}; they must be {recordings} whole "
            "numbers from 0, one a recording"
        )
    return shown.astype(np.int64), np.arange(images)


def _as_image(content: Any, what: str) -> Image:
    """(C, H, W) uint8 of one image."""
    if hasattr(content, "convert"):  # PIL
        content = content.convert("L" if content.mode in ("1", "L") else "RGB")
    try:
        array = np.asarray(content)
    except Exception as error:
        raise DatasetError(f"{what}: is no image ({error})") from None
    if array.ndim == 2:
        array = array[None]
    elif array.ndim == 3 and array.shape[0] not in (1, 3):
        array = array.transpose(2, 0, 1)
    if array.ndim != 3 or array.shape[0] not in (1, 3) or array.dtype.kind not in "uf":
        raise DatasetError(
            f"{what}: has shape {np.shape(content)} and type {array.dtype}; an image is (H, W), (H, W, C) or (C, H, W) "
            "with 1 or 3 channels, of uint8 or of floats from 0 to 1"
        )
    if array.dtype.kind == "f":
        array = array * 255
    if not (np.isfinite(array).all() and array.min() >= 0 and array.max() <= 255):
        raise DatasetError(f"{what}: its values leave what is allowed, uint8 from 0 to 255 or floats from 0 to 1")
    return np.round(array).astype(np.uint8)


def _resized(image: Image, size: int) -> Image:
    from PIL import Image as Pillow

    planes = [np.asarray(Pillow.fromarray(plane).resize((size, size))) for plane in image]
    return np.stack(planes)
