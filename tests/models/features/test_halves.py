"""Half-precision numbers become the same float32 as numpy makes of them."""

import numpy as np

from textclassify.models.features.halves import widen


def test_every_finite_half_is_widened_exactly():
    """There are 63,488 of them: zeros of both signs and the subnormal ones among them."""
    halves = np.arange(2**16, dtype=np.uint16).view("<f2")
    halves = halves[np.isfinite(halves)]
    out = np.empty(halves.shape, dtype=np.float32)

    widen(halves, out)

    assert len(halves) == 63_488
    np.testing.assert_array_equal(out.view(np.uint32), halves.astype(np.float32).view(np.uint32))
