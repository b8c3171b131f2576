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

"""Files that are read as a whole, and replaced in one step."""

import contextlib
import errno
import fcntl
import os
import shutil
import stat
import struct
import tempfile

from trove_flavor_filter import exception

# Of linux/fs.h, which Python has no names for.
FS_IOC_GETFLAGS = 0x80086601
FS_IMMUTABLE_FL = 0x10
FS_APPEND_FL = 0x20


def read(path: str) -> bytes:
    """The bytes of a regular file.

    :raises OSError: it cannot be read
    :raises FlavorFilterError: it is something else than a file
    """
    # Reading a pipe would wait for somebody to write.
    _check(os.stat(path))
    with open(path, 'rb') as file:
        return file.read()


def replace(path: str, data: bytes) -> None:
    """Give a file new contents in one step; make it where there is none.

    Owner, mode and extended attributes (access lists, SELinux labels) stay.
    A symbolic link stays, and what it points at is replaced.

    :raises OSError: it could not be done; then the file is as before, and
        the error's text says what stands in the way
    :raises FlavorFilterError: there is something else than a file
    """
    try:
        _replace(os.path.realpath(path), data)
    except OSError as error:
        why = _explained(error, os.path.realpath(path))
        raise OSError(error.errno, why) from None


def _replace(path: str, data: bytes) -> None:
    status = os.stat(path) if os.path.exists(path) else None
    if status is not None:
        # Root could replace a device.
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
                # The owner first: a change of owner clears bits of the mode.
                os.chown(temporary, status.st_uid, status.st_gid)
                shutil.copystat(path, temporary)
                os.utime(temporary)
            os.fsync(descriptor)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    # The new name should last as well; where that cannot be asked for, the
    # file is the new one all the same.
    with contextlib.suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _explained(error: OSError, path: str) -> str:
    """What stands in the way of a file's replacement, and what to do."""
    directory = os.path.dirname(path)
    why = ''
    match error.errno:
        case errno.EBUSY:
            why = ('it is a mount of its own, as a container\'s bind mount '
                   'or a Kubernetes subPath makes it, and cannot be replaced '
                   'in one step; edit the file that is mounted here, with '
                   '"--print" for a paste file')
        case errno.EROFS:
            why = (f'{directory} is on a read-only file system; edit the '
                   f'file where it comes from, or mount that read-write')
        case errno.EPERM if _is_immutable(path):
            why = 'it is immutable or append-only; "chattr -ia" ends that'
        case errno.EPERM | errno.EACCES if _is_immutable(directory):
            why = (f'{directory} is immutable or append-only; "chattr -ia" '
                   f'ends that')
        case errno.EPERM | errno.EACCES:
            why = (f'user {os.geteuid()} may not write to {directory}, or not '
                   f'keep the owner of the file; run this as root')
        case errno.ENOSPC | errno.EDQUOT:
            why = f'{directory} is full; make room, and run this again'
    return f'{why}: {error.strerror}' if why else (
        error.strerror or str(error))


def _is_immutable(path: str) -> bool:
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            flags = fcntl.ioctl(descriptor, FS_IOC_GETFLAGS, bytes(8))
        finally:
            os.close(descriptor)
        return bool(struct.unpack('=Q', flags)[0]
                    & (FS_IMMUTABLE_FL | FS_APPEND_FL))
    return False


def _check(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise exception.FlavorFilterError('not a file')


def _umask() -> int:
    # There is no way to ask that changes nothing.
    mask = os.umask(0)
    os.umask(mask)
    return mask
