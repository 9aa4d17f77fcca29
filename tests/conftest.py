"""What all tests share: hypothesis without deadlines, and with the same examples on every machine."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "textclassify",
    deadline=None,  # a shared machine is slow at times
    derandomize=True,
    database=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("textclassify")
