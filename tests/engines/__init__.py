"""The engines that devbench's tests need: installed, started, filled with test images, and taken away again.

Standard library only, so that it runs before anything else is there. ``python -m engines --help`` (with ``tests``
on the path) shows what it does; ``nox -s engines`` and ``nox -s tests`` are its usual callers.
"""
