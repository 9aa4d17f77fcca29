"""From what was found to answers: the posterior, bounds, reasons, and what labelled rows calibrate."""
