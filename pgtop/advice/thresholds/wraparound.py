"""Numbers of the rules about wraparound."""

NAPTIMES = 10.0
"""Past the forced vacuum's age for so long and no vacuum at work: something keeps it away."""

WARNING_FRACTION = 0.5
"""Of the fail-safe's age: half the way is gone and forced vacuums did not help."""

CRITICAL_S = 86_400.0
"""A day to the stop: whoever is on call must act now."""

FAILSAFE_13 = 1.6e9
"""13 has no fail-safe; the later versions' age is as good a line there."""
