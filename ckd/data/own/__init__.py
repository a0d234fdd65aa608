"""Data sets from outside: what `--dataset PACKAGE.MODULE:FACTORY` may return, and how it becomes a `Source`.

A factory is called with `data_root` (a path, from --data-root) where it has that parameter, and returns one of

    recordings                         trained without distillation
    (recordings, images)
    OwnData(recordings=..., ...)       where more is to be said

`recordings` is a data set of tonic's as it is, any other with a length whose items are (events, label), or a pair of
arrays (frames, labels); `images` is one of torchvision's, any other whose items are (image, label), or a pair of arrays
(images, labels).
"""

from ckd.data.own.own_data import OwnData

__all__ = ["OwnData"]
