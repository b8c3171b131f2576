#    Licensed under the Apache License, Version 2.0 (the "License"); you may
#    not use this file except in compliance with the License. You may obtain
#    a copy of the License at
#
#         http://www.apache.org/licenses/LICENSE-2.0
#
#    Unless required by applicable law or agreed to in writing, software
#    distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
#    WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
#    License for the specific language governing permissions and limitations
#    under the License.

"""Read a file as a whole, and replace it atomically."""

import contextlib
import errno
import os
import shutil
import stat
import sys
import tempfile
import typing

from trove_flavor_filter import exception

# The name of standard input and standard output.
STANDARD = '-'
# Standard output as a file. A command may have another one open by its number.
STANDARD_OUTPUT = ('/dev/stdout', '/dev/fd/1')


def load(path: str, largest: int) -> bytes:
    """The bytes of a file that a command line names, or of standard input.

    :param largest: how many there may be
    :raises FlavorFilterError: there are none to have; the message names the
        file
    """
    if path == STANDARD and typing.cast(typing.Any, sys.stdin) is None:
        raise exception.FlavorFilterError('standard input is closed')
    try:
        if path == STANDARD:
            data = sys.stdin.buffer.read(largest + 1)
        else:
            data = read(path)
    except OSError as error:
        raise exception.FlavorFilterError(
            f'{path}: {error.strerror or error}') from None
    except exception.FlavorFilterError as error:
        raise exception.FlavorFilterError(f'{path}: {error}') from None
    if len(data) > largest:
        raise exception.FlavorFilterError(
            f'{os.path.basename(path)}: longer than {largest} bytes')
    return data


def save(path: str, data: bytes) -> None:
    """Write a file that a command line names, or to standard output.

    :raises FlavorFilterError: it could not be done; the message names the
        file, which is as before
    """
    if path in (STANDARD, *STANDARD_OUTPUT):
        sys.stdout.buffer.write(data)
        return
    try:
        replace(path, data)
    except OSError as error:
        raise exception.FlavorFilterError(
            f'{path}: {error.strerror or error}; the file is unchanged'
        ) from None
    except exception.FlavorFilterError as error:
        raise exception.FlavorFilterError(f'{path}: {error}') from None


def read(path: str) -> bytes:
    """The bytes of a regular file.

    :raises OSError: it cannot be read
    :raises FlavorFilterError: it is not a regular file
    """
    # Reading a pipe would block until somebody writes to it.
    _check(os.stat(path))
    with open(path, 'rb') as file:
        return file.read()


def replace(path: str, data: bytes) -> None:
    """Replace the contents of a file atomically; create it if missing.

    Owner, mode and extended attributes (access lists, SELinux labels) are
    kept. A symbolic link is kept, and its target is replaced.

    :raises OSError: the file cannot be replaced, and is unchanged; the
        error's text has the reason and what to do
    :raises FlavorFilterError: it is not a regular file
    """
    try:
        _replace(os.path.realpath(path), data)
    except OSError as error:
        why = _explained(error, os.path.realpath(path))
        raise OSError(error.errno, why) from None


def _replace(path: str, data: bytes) -> None:
    status = os.stat(path) if os.path.exists(path) else None
    if status is not None:
        # Root could replace a device by mistake.
        _check(status)
    directory = os.path.dirname(path)
    descriptor, temporary = tempfile.mkstemp(
        prefix='.trove-flavor-filter-', dir=directory)
    try:
        with os.fdopen(descriptor, 'wb') as file:
            file.write(data)
            file.flush()
            if status is None:
                os.chmod(temporary, 0o666 & ~_umask())
            else:
                # The owner first: chown clears setuid and setgid bits.
                os.chown(temporary, status.st_uid, status.st_gid)
                shutil.copystat(path, temporary)
                os.utime(temporary)
            os.fsync(descriptor)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    # Make the rename durable too. Where a directory cannot be synced, the
    # file has been replaced all the same.
    with contextlib.suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _explained(error: OSError, path: str) -> str:
    """Why a file cannot be replaced, and what to do."""
    directory = os.path.dirname(path)
    why = ''
    match error.errno:
        case errno.EBUSY:
            why = ('it is a mount point (a container\'s bind mount or a '
                   'Kubernetes subPath) and cannot be replaced in one step; '
                   'edit the file that is mounted here, with "--print" for a '
                   'paste file')
        case errno.EROFS:
            why = (f'{directory} is on a read-only file system; edit the '
                   f'original of the file, or mount that read-write')
        case errno.EPERM if os.geteuid() == 0:
            why = (f'it or {directory} may be immutable or append-only, which '
                   f'"lsattr" shows; run "chattr -ia" on it')
        case errno.EPERM | errno.EACCES:
            why = (f'user {os.geteuid()} may not write to {directory}, or may '
                   f'not keep the owner of the file; run this as root')
        case errno.ENOSPC | errno.EDQUOT:
            why = f'{directory} is full; make room, and run this again'
    return f'{why}: {error.strerror}' if why else (
        error.strerror or str(error))


def _check(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise exception.FlavorFilterError('not a file')


def _umask() -> int:
    # The umask can only be read by changing it.
    mask = os.umask(0)
    os.umask(mask)
    return mask
