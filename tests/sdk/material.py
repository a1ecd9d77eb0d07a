"""What clients send: a tone and plain coloured pictures."""

import numpy as np

TONE_HZ = 440
RATE_HZ = 48_000
WIDTH, HEIGHT = 640, 360
COLOURS = {"red": (200, 40, 40), "blue": (40, 60, 200)}


def tone(start: int, count: int) -> np.ndarray:
    phase = 2 * np.pi * TONE_HZ * (start + np.arange(count)) / RATE_HZ
    return (0.5 * 32767 * np.sin(phase)).astype(np.int16)
