"""Write ``chime.wav``: three notes of a bell, half a second long."""

import math
import wave
from pathlib import Path

RATE_HZ = 8000
LENGTH_S = 0.5
NOTES = ((0.0, 659.3), (0.1, 830.6), (0.2, 987.8))  # start in seconds, pitch in hertz


def main() -> None:
    """Write the sound beside this file, as 8-bit samples of one channel."""
    samples = bytes(
        round(128 + 40 * loudness(number / RATE_HZ))
        for number in range(round(LENGTH_S * RATE_HZ))
    )
    with wave.open(str(Path(__file__).with_suffix(".wav")), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(1)
        sound.setframerate(RATE_HZ)
        sound.writeframes(samples)


def loudness(time_s: float) -> float:
    """Return the sum of the bells that ring at *time_s*, from -3 to 3."""
    return sum(
        math.sin(math.tau * pitch_hz * (time_s - start_s))
        * math.exp(-9 * (time_s - start_s))
        for start_s, pitch_hz in NOTES
        if time_s >= start_s
    )


if __name__ == "__main__":
    main()
