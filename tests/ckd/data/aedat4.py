"""A writer of AEDAT 4 recordings by the format's description (inivation.gitlab.io/dv/dv-docs/docs/file-formats).

A file is a line, a header, then packets behind their stream's number and their length; header and packets are
FlatBuffers with their size in front. Both are so small that their tables are laid out here by hand.
"""

import struct

import numpy as np
from numpy.typing import NDArray

INFO = """<dv version="2.0"><node name="outInfo" path="/mainloop/Recorder/outInfo/"><node name="0" path="0">
<attr key="compression" type="string">NONE</attr><attr key="originalOutputName" type="string">events</attr>
<attr key="typeIdentifier" type="string">EVTS</attr><node name="info" path="info">
<attr key="sizeX" type="int">128</attr><attr key="sizeY" type="int">128</attr></node></node></node></dv>"""


def aedat4(events: NDArray) -> bytes:
    """A file of one stream and one packet with these events (fields x, y, t, p)."""
    packet = _event_packet(events)
    return b"#!AER-DAT4.0\r\n" + _header(INFO) + struct.pack("<ii", 0, len(packet)) + packet


def _header(info: str) -> bytes:
    """IOHeader {compression: int, dataTablePosition: long, infoNode: string}; no compression, no table of data."""
    text = info.encode()
    vtable = struct.pack("<5H", 10, 24, 4, 16, 8) + bytes(2)
    table = struct.pack("<iiIIq", 12, 0, 16, 0, -1)
    return _sized(struct.pack("<I4s", 20, b"IOHE") + vtable + table + struct.pack("<I", len(text)) + text + b"\0")


def _event_packet(events: NDArray) -> bytes:
    """EventPacket {elements: [Event {timestamp: long, x: short, y: short, on: bool}]}, 16 bytes an event."""
    elements = np.zeros(len(events), [("t", "<i8"), ("x", "<i2"), ("y", "<i2"), ("on", "?"), ("pad", "V3")])
    for name, field in (("t", "t"), ("x", "x"), ("y", "y"), ("on", "p")):
        elements[name] = events[field]
    vtable = struct.pack("<3H", 6, 8, 4) + bytes(2)
    table = struct.pack("<iI", 8, 4)
    return _sized(
        struct.pack("<I4s", 16, b"EVTS") + vtable + table + struct.pack("<I", len(events)) + elements.tobytes()
    )


def _sized(buffer: bytes) -> bytes:
    return struct.pack("<I", len(buffer)) + buffer
