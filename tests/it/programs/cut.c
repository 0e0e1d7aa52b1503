/* Preloaded: once the file that CUT names was mapped, all but its first page is cut off. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static void *map(void *at, size_t length, int protection, int flags, int fd, off_t offset)
{
    const char *path = getenv("CUT");
    struct stat wanted, mapped;
    void *start = (void *)syscall(SYS_mmap, at, length, protection, flags, fd, offset);
    if (start != MAP_FAILED && path && fd >= 0 && stat(path, &wanted) == 0 && fstat(fd, &mapped) == 0
        && wanted.st_ino == mapped.st_ino && wanted.st_dev == mapped.st_dev && truncate(path, 4096) != 0)
        abort();
    return start;
}

void *mmap(void *at, size_t length, int protection, int flags, int fd, off_t offset)
{
    return map(at, length, protection, flags, fd, offset);
}

void *mmap64(void *at, size_t length, int protection, int flags, int fd, off64_t offset)
{
    return map(at, length, protection, flags, fd, offset);
}
