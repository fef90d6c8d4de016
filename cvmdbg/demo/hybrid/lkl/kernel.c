/* A kernel as a library, the way LKL is: one call at a time, the host only for locks, time and the console. */
#include "cvm.h"
#include "lkl.h"

enum { ENOENT = 2, EBADF = 9, EFAULT = 14, EINVAL = 22, EMFILE = 24, ENOSYS = 38, FILES = 8 };

struct node { char path[16], content[64]; };         /* no pointers: they would be relocations */
struct open_file { const struct node *node; u64 offset; };
struct timespec { long seconds, nanoseconds; };

static const struct node nodes[] = {
    { "/app/motd", "a kernel in the same cVM, called like any function\n" },
    { "/app/empty", "" },
};
static struct open_file files[FILES];
static long cpu;                            /* a semaphore: who holds it is in the kernel */

static struct open_file *file_of(long fd)
{
    return fd >= 3 && fd < FILES && files[fd].node ? &files[fd] : 0;
}

static long sys_openat(long *p)
{
    for (u64 i = 0; i < sizeof nodes / sizeof *nodes; i++) {
        if (!same((const char *)p[1], nodes[i].path))
            continue;
        for (long fd = 3; fd < FILES; fd++)
            if (!files[fd].node) {
                files[fd] = (struct open_file){ &nodes[i], 0 };
                return fd;
            }
        return -EMFILE;
    }
    return -ENOENT;
}

static long sys_close(long *p)
{
    struct open_file *file = file_of(p[0]);
    if (!file)
        return -EBADF;
    file->node = 0;
    return 0;
}

static long sys_lseek(long *p)
{
    struct open_file *file = file_of(p[0]);
    if (!file)
        return -EBADF;
    if (p[2] != 0 || p[1] < 0)
        return -EINVAL;
    file->offset = p[1];
    return p[1];
}

static long sys_read(long *p)
{
    struct open_file *file = file_of(p[0]);
    if (!file)
        return -EBADF;
    u64 size = length(file->node->content), left = file->offset < size ? size - file->offset : 0;
    u64 count = (u64)p[2] < left ? (u64)p[2] : left;
    copy((void *)p[1], file->node->content + file->offset, count);
    file->offset += count;
    return count;
}

static long sys_write(long *p)
{
    if (p[0] != 1 && p[0] != 2)
        return -EBADF;
    if (!p[1])
        return -EFAULT;
    hostcall(HC_WRITE_OUT, p[1], p[2]);
    return p[2];
}

static long sys_clock_gettime(long *p)
{
    long now = hostcall(HC_TIME_NS);
    *(struct timespec *)p[1] = (struct timespec){ now / 1000000000, now % 1000000000 };
    return 0;
}

static long dispatch(long number, long *params)
{
    switch (number) {
    case NR_openat: return sys_openat(params);
    case NR_close: return sys_close(params);
    case NR_lseek: return sys_lseek(params);
    case NR_read: return sys_read(params);
    case NR_write: return sys_write(params);
    case NR_clock_gettime: return sys_clock_gettime(params);
    case NR_getpid: return 1;
    case NR_gettid: return hostcall(HC_THREAD_SELF) % 1000;
    }
    return -ENOSYS;
}

long lkl_syscall(long number, long *params)
{
    hostcall(HC_SEM_DOWN, cpu);
    long result = dispatch(number, params);
    hostcall(HC_SEM_UP, cpu);
    return result;
}

void lkl_start(void) { cpu = hostcall(HC_SEM_ALLOC, 1); }
