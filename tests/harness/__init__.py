"""What the whole test suite shares beside its engines: detectors, and running things as an ordinary user."""
