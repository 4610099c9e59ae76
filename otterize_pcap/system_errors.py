"""Errors of the operating system in words of ours: its own differ by system, libc and language."""

import errno

REASONS = {
    errno.ENOENT: "there is no such file or directory",
    errno.EACCES: "access is not permitted",
    errno.EPERM: "access is not permitted",
    errno.EISDIR: "it is a directory",
    errno.ENOTDIR: "a part of the path is no directory",
    errno.EEXIST: "it exists already",
    errno.ENAMETOOLONG: "the name is too long",
    errno.ELOOP: "its symbolic links lead in a circle",
    errno.EROFS: "the file system is read-only",
    errno.ENOSPC: "the disk is full",
    errno.ENXIO: "there is no such device",
    errno.EFBIG: "the file would be too large",
    errno.EIO: "the device fails",
    errno.EMFILE: "too many files are open",
    errno.ENFILE: "too many files are open",
    errno.ECONNREFUSED: "the connection was refused",
    errno.ECONNRESET: "the connection was cut",
    errno.EPIPE: "the connection was cut",
    errno.EHOSTUNREACH: "there is no route to it",
    errno.ENETUNREACH: "there is no route to it",
    errno.ETIMEDOUT: "no answer in time",
}


class UnsizedFileError(OSError):
    """A file is empty by its size, and not by what is read of it."""


def system_reason(error: OSError) -> str:
    """What the system refused, by the error's number; the number's name where we have no words."""
    if isinstance(error, UnsizedFileError):
        return "the system makes it while it is read; it is no file on a disk"
    number = error.errno or 0
    return REASONS.get(number) or f"system error {errno.errorcode.get(number, number)}"
