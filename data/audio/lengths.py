"""What the bytes of an audio file say of its length, put right where libsndfile would believe what does not hold."""

import itertools
import mmap
import struct
from collections.abc import Iterator
from typing import NamedTuple

Content = bytes | mmap.mmap  # of a file
Pieces = tuple[bytes | memoryview, ...]  # what libsndfile is to read, in a row: none but what is changed is copied


def id3_bytes(content: Content) -> int:
    """-> the length of the ID3v2 tags at the start."""
    start = 0
    while content[start : start + 3] == b"ID3" and len(content) >= start + 10:
        a, b, c, d = content[start + 6 : start + 10]
        start += 10 + ((a & 127) << 21 | (b & 127) << 14 | (c & 127) << 7 | d & 127)
    return start


# --- FLAC ---


def flac_unbounded(content: Pieces) -> tuple[Pieces, int | None]:
    """-> the stream without a number of frames in its header, which a decoder reads to the end; and that number."""
    head, *rest = content
    if len(head) < 42 or head[4] & 127:
        return content, None
    promised = (head[21] & 15) << 32 | int.from_bytes(head[22:26], "big")
    return (head[:21], bytes([head[21] & 240, 0, 0, 0, 0]), head[26:], *rest), promised or None


# --- MPEG audio: layers I, II and III ---

_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_KBPS = {  # of MPEG 1 for each layer, then of MPEG 2
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_SEARCHED = 1 << 20  # bytes of anything else before the first frame


def mpeg_start(content: Content) -> int | None:
    """-> where the first three frames in a row begin (or all, where fewer are there); None without any."""
    start = first = id3_bytes(content)
    while 0 <= start < first + _SEARCHED:
        if _in_a_row(content, start):
            return start
        start = content.find(b"\xff", start + 1)
    return None


def mpeg_counted(content: Content, start: int) -> tuple[Pieces, bool]:
    """The frames from `start` on, with their true number in the Xing or Info tag, where the tag has fewer; and whether
    that is so.
    """
    header = content[start + 1] & 254, content[start + 2] & 12
    position, frames = start, -1  # the tag is in a frame of its own
    while start <= position < len(content) - 3:
        length = _frame_bytes(content, position)
        if length and (content[position + 1] & 254, content[position + 2] & 12) == header:
            frames += position + length <= len(content)
            position += length
        else:
            position = content.find(b"\xff", position + 1)
    mono, first = content[start + 3] >> 6 == 3, content[start + 1] >> 3 & 3 == 3
    tag = start + 4 + {(False, True): 32, (True, True): 17, (False, False): 17, (True, False): 9}[mono, first]
    tag += 2 * (content[start + 1] & 1 == 0)
    view = memoryview(content)
    if content[tag : tag + 4] not in (b"Xing", b"Info") or not content[tag + 7] & 1:
        return (view[start:],), False
    if int.from_bytes(content[tag + 8 : tag + 12], "big") >= frames:
        return (view[start:],), False
    return (view[start : tag + 8], frames.to_bytes(4, "big"), view[tag + 12 :]), True


def _in_a_row(content: Content, start: int) -> bool:
    position = start
    for _ in range(3):
        length = _frame_bytes(content, position)
        if not length or content[position + 1] & 254 != content[start + 1] & 254:
            return False
        position += length
        if position >= len(content) - 3:
            return position - length > start or start == id3_bytes(content)
    return True


def _frame_bytes(content: Content, start: int) -> int:
    """The length of the frame that begins there; 0 where none does."""
    if start + 4 > len(content) or content[start] != 255 or content[start + 1] < 224:
        return 0
    version, layer = content[start + 1] >> 3 & 3, 4 - (content[start + 1] >> 1 & 3)
    kbps, rate, padding = content[start + 2] >> 4, content[start + 2] >> 2 & 3, content[start + 2] >> 1 & 1
    if version == 1 or layer == 4 or kbps in (0, 15) or rate == 3:
        return 0
    per_s = _KBPS[version == 3, layer][kbps - 1] * 1000
    if layer == 1:
        return (12 * per_s // _RATES[version][rate] + padding) * 4
    return (72 if layer == 3 and version != 3 else 144) * per_s // _RATES[version][rate] + padding


# --- Ogg ---

_FIRST_PAGE, _LAST_PAGE = 2, 4  # flags


class OggLink(NamedTuple):
    """One of the streams that an Ogg file has in a row. ended: its last page is there and whole.

    content is the stream; of FLAC, which libsndfile does not read in Ogg, what is in it: a FLAC file.
    """

    content: Pieces
    ended: bool
    is_flac: bool


def ogg_links(content: Content) -> Iterator[OggLink]:
    """-> the streams of a chain. A page that is cut off ends with what is whole in it."""
    view = memoryview(content)
    pages = list(_ogg_pages(content))
    if not pages:
        yield OggLink((view,), False, False)
        return
    flags = [content[page.start + 5] for page in pages]
    starts = [at for at, each in enumerate(flags) if each & _FIRST_PAGE and not (at and flags[at - 1] & _FIRST_PAGE)]
    for first, after in itertools.pairwise([0, *starts[1:], len(pages)]):
        start, last = pages[first].start, pages[after - 1]
        page = content[last.start : last.end]
        ended = last.is_whole and bool(page[5] & _LAST_PAGE) and _ogg_checksum(page) == page[22:26]
        stream: Pieces = (view[start : last.end],)
        if not last.is_whole:
            stream = (view[start : last.start], _ogg_mended(page))
        is_flac = content[start + 28 : start + 33] == b"\x7fFLAC"  # packets of a FLAC file, behind nine bytes
        if is_flac:
            head, *bodies = [view[each.start + 27 + content[each.start + 26] : each.end] for each in pages[first:after]]
            stream = (head[9:], *bodies)
        yield OggLink(stream, ended, is_flac)


class _OggPage(NamedTuple):
    start: int
    end: int
    is_whole: bool


def _ogg_pages(content: Content) -> Iterator[_OggPage]:
    """Pages, of which some may be cut off by the next one, or by the end of the file."""
    start = content.find(b"OggS")
    while 0 <= start < len(content) - 27:
        body = start + 27 + content[start + 26]
        end = body + sum(content[start + 27 : body])
        after = content.find(b"OggS", start + 4)
        if content[end : end + 4] == b"OggS" or (after < 0 and end <= len(content)):
            yield _OggPage(start, end, True)
            after = end
        elif after < 0 or after >= end:
            if body <= len(content):
                yield _OggPage(start, min(end, len(content)), end <= after)
        elif body <= after:
            yield _OggPage(start, after, False)
        start = after


def _ogg_mended(page: bytes) -> bytes:
    sizes = page[27 : 27 + page[26]]
    segments, taken = 0, 0
    while segments < len(sizes) and 27 + len(sizes) + taken + sizes[segments] <= len(page):
        taken += sizes[segments]
        segments += 1
    body = page[27 + len(sizes) :][:taken]
    mended = page[:5] + bytes([page[5] & ~_LAST_PAGE]) + page[6:26] + bytes([segments]) + sizes[:segments] + body
    return mended[:22] + _ogg_checksum(mended) + mended[26:]


def _ogg_checksum(page: bytes) -> bytes:
    """CRC-32 with 0x04c11db7, from the highest bit on."""
    checksum = 0
    for byte in page[:22] + bytes(4) + page[26:]:
        checksum = (checksum << 8 & 0xFFFFFFFF) ^ _CRC[checksum >> 24 ^ byte]
    return checksum.to_bytes(4, "little")


def _crc_entry(byte: int) -> int:
    value = byte << 24
    for _ in range(8):
        value = (value << 1 ^ (0x04C11DB7 if value >> 31 else 0)) & 0xFFFFFFFF
    return value


_CRC = [_crc_entry(byte) for byte in range(256)]

# --- chunks: WAV, AIFF, AU, CAF ---


class Mended(NamedTuple):
    """A file whose header now has the length that is there. share: of the promised one; None: none was promised."""

    content: Pieces
    share: float | None


def mended(content: Content) -> Mended | None:
    """-> a file in which libsndfile finds no samples because of the length in its header; None where it is not so."""
    kind, view = content[:4], memoryview(content)
    if kind == b".snd" and len(content) > 24:
        return Mended((view[:8], b"\xff\xff\xff\xff", view[12:]), None)
    layout = _LAYOUTS.get(kind)
    if layout is None:
        return None
    wanted, first, form = layout
    head = struct.calcsize(form)
    position = first
    while 0 <= position <= len(content) - head:
        name, size = struct.unpack_from(form, content, position)
        if name == wanted:
            break
        if size < 0:
            return None
        position += head + size + (size & 1 if head == 8 else 0)
    else:
        return None
    there = len(content) - position - head
    if there <= 8 or _is_followed(content, position + head + max(size, 0), form):
        return None
    changed = bytearray(view[: position + head])
    if kind in (b"RF64", b"BW64"):
        if content[12:16] != b"ds64":
            return None
        struct.pack_into("<QQ", changed, 20, len(content) - 8, there)
    else:
        struct.pack_into(form, changed, position, wanted, there)
    share = there / size if kind == b"caff" and size > there else None
    return Mended((bytes(changed), view[position + head :]), share)


_LAYOUTS = {
    b"RIFF": (b"data", 12, "<4sI"),
    b"RIFX": (b"data", 12, ">4sI"),
    b"RF64": (b"data", 12, "<4sI"),
    b"BW64": (b"data", 12, "<4sI"),
    b"FORM": (b"SSND", 12, ">4sI"),
    b"caff": (b"data", 8, ">4sq"),
}


def _is_followed(content: Content, position: int, form: str) -> bool:
    """Whether a chunk, or nothing, comes there."""
    if position == len(content):
        return True
    if position > len(content) - struct.calcsize(form):
        return False
    name, size = struct.unpack_from(form, content, position)
    return bool(name.isascii() and name.decode().isprintable() and 0 <= size <= len(content) - position)
