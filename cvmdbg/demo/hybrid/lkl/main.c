/* An application as musl-lkl runs it: its C library calls the kernel below it with lkl_syscall. */
#include "cvm.h"
#include "lkl.h"

#define AT_FDCWD (-100)

void thread_entry(void *argument);

static long worker_done;
long errors;

static long call(long number, long a, long b, long c)
{
    long params[6] = { a, b, c };
    return lkl_syscall(number, params);
}

static void print(const char *text) { call(NR_write, 1, (long)text, length(text)); }

static void expect(const char *what, long found, long wanted)
{
    print(what);
    print(found == wanted ? ": as expected\n" : ": WRONG\n");
    errors += found != wanted;
}

static void show_file(const char *path)
{
    char buffer[64];
    long fd = call(NR_openat, AT_FDCWD, (long)path, 0), count;
    while ((count = call(NR_read, fd, (long)buffer, 24)) > 0)
        call(NR_write, 1, (long)buffer, count);
    expect("close", call(NR_close, fd, 0, 0), 0);
}

/* Hostcall 11 starts it: a second thread in the same kernel. */
void worker(void *argument)
{
    for (int i = 0; i < 3; i++)
        expect("getpid of the worker", call(NR_getpid, 0, 0, 0), 1);
    hostcall(HC_SEM_UP, worker_done);
}

void cvm_main(long *sp)
{
    long now[2];
    (void)sp;

    lkl_start();
    worker_done = hostcall(HC_SEM_ALLOC, 0);
    show_file("/app/motd");
    expect("openat of nothing", call(NR_openat, AT_FDCWD, (long)"/app/none", 0), -2);
    expect("read of no file", call(NR_read, 77, (long)now, 16), -9);
    expect("a call that is unknown", call(999, 1, 2, 3), -38);
    expect("clock_gettime", call(NR_clock_gettime, 1, (long)now, 0), 0);
    hostcall(HC_THREAD_CREATE, thread_entry, 0);
    hostcall(HC_SEM_DOWN, worker_done);
    print(errors ? "lkl: something is wrong\n" : "lkl: all as expected\n");
}
