"""Lines to a stream whose reader may go away: a pipe that closes never ends a rollout."""

from __future__ import annotations

import json
import os
import select
import sys
from typing import TextIO


class Output:
    """One of the standard streams."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.gone = False

    @property
    def stream(self) -> TextIO:
        stream: TextIO = getattr(sys, self._name)
        return stream

    @property
    def is_terminal(self) -> bool:
        return self.stream.isatty()

    def notice_end(self) -> None:
        """Find out whether the reader went away, where there is nothing to write."""
        try:
            place = self.stream.fileno()
        except (OSError, ValueError):
            return  # not a file of the system
        watched = select.poll()
        watched.register(place, select.POLLERR)
        if any(found & select.POLLERR for _, found in watched.poll(0)) and not self.gone:
            self.gone = True
            self._point_nowhere()

    def line(self, text: str = "") -> None:
        self.write(text + "\n")

    def write(self, text: str) -> None:
        """Write and flush; after the reader has gone, nothing is written."""
        if self.gone:
            return
        try:
            self.stream.write(in_encoding(text, self.stream.encoding))
            self.stream.flush()
        except BrokenPipeError:
            self.gone = True
            self._point_nowhere()

    def _point_nowhere(self) -> None:
        """What is still buffered must not fail again when the process ends."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.stream.fileno())
        os.close(nowhere)


def in_encoding(text: str, encoding: str | None) -> str:
    r"""What the encoding does not have stands as \uXXXX, which JSON reads as the same."""
    if encoding is None:
        return text
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return "".join(_escaped(one, encoding) for one in text)
    return text


def _escaped(character: str, encoding: str) -> str:
    try:
        character.encode(encoding)
    except UnicodeEncodeError:
        return json.dumps(character)[1:-1]
    return character
