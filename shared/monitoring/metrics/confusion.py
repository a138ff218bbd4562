"""What is right of each class, of a confusion matrix."""

from __future__ import annotations

import numpy as np

from shared.monitoring.arrays import Floats


def precisions(confusion: Floats) -> Floats:
    """Of what was predicted to be of a class, the share that is; 0 for a class that was never predicted."""
    return _shares(np.diag(confusion), confusion.sum(axis=0))


def recalls(confusion: Floats) -> Floats:
    """Of what is of a class, the share that was predicted to be; 0 for a class that did not occur."""
    return _shares(np.diag(confusion), confusion.sum(axis=1))


def _shares(parts: Floats, wholes: Floats) -> Floats:
    return np.divide(parts, wholes, out=np.zeros(len(parts)), where=wholes > 0)
