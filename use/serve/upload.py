"""The recording of a request: counted while it comes, kept in a file without a name, and read as any other file."""

import tempfile
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import IO

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from ricercar.data.audio.file import TooLongError
from ricercar.data.audio.sound import Sound
from ricercar.data.scratch import NoRoomError
from ricercar.errors import InputError
from ricercar.use.serve.limits import Limits, RefusedError

_IN_MEMORY = 1 << 20  # bytes, up to which nothing goes to the disk
_CALLED = "the recording"  # in messages, in place of a path


async def received(request: Request, limits: Limits) -> IO[bytes]:
    """The file of a multipart form (the first there is), or the body. The caller closes it.

    It has no name: it is gone with its last user, however that ends. RefusedError: 400, 413.
    """
    told = request.headers.get("content-length", "")
    if told.isdecimal() and int(told) > limits.max_bytes:
        raise _too_large(limits)
    if request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        return await _of_form(request, limits)
    file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115  # the caller closes it
    try:
        async for part in _counted(request, limits):
            file.write(part)
    except OSError as error:
        file.close()
        raise no_room() from error
    except BaseException:
        file.close()
        raise
    return file


def read(file: IO[bytes], sample_rate: int, limits: Limits) -> Sound:
    """The sound in a file that was received, which is closed. RefusedError: 400 with the reader's words, 413."""
    with file:
        if not file.seek(0, 2):
            raise RefusedError(400, "The body is empty: send a recording.")
        getattr(file, "rollover", file.flush)()
        file.flush()
        path = Path(f"/proc/self/fd/{file.fileno()}")
        try:
            return Sound.read(path, sample_rate, limits.max_s)
        except NoRoomError as error:
            raise no_room() from error
        except TooLongError as error:
            raise RefusedError(413, f"The recording is longer than {limits.max_minutes:g} minutes.") from error
        except InputError as error:
            raise RefusedError(
                400, str(error).replace(f"Audio file {path}", _CALLED).replace(str(path), _CALLED)
            ) from error


async def _of_form(request: Request, limits: Limits) -> IO[bytes]:
    try:
        parser = MultiPartParser(request.headers, _counted(request, limits), max_files=1, max_fields=10)
        form = await parser.parse()
    except OSError as error:
        raise no_room() from error
    except MultiPartException as error:
        raise RefusedError(400, f"The form cannot be read: {error.message}") from error
    files = [value for _, value in form.multi_items() if isinstance(value, UploadFile)]
    if not files:
        raise RefusedError(400, "The form has no file: send one, as in curl --form file=@song.mp3")
    file: IO[bytes] = files[0].file
    return file


async def _counted(request: Request, limits: Limits) -> AsyncGenerator[bytes, None]:
    length = 0
    async for part in request.stream():
        length += len(part)
        if length > limits.max_bytes:
            raise _too_large(limits)
        yield part


def _too_large(limits: Limits) -> RefusedError:
    return RefusedError(413, f"The recording is larger than {limits.max_mb:g} MB.")


def no_room() -> RefusedError:
    """Where the folder of temporary files is full."""
    return RefusedError(503, "There is no room for a recording of this length now.", 60)
