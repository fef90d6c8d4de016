/* How a program starts another: vfork and execve, posix_spawn, fork alone; and a call that no kernel has here. */
#define _GNU_SOURCE
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/wait.h>
#include <unistd.h>

static char *const child[] = { "busybox", "echo", "from another program", 0 };
static char *const environment[] = { 0 };

static void ended(const char *how, pid_t pid)
{
    int status = 0;
    waitpid(pid, &status, 0);
    printf("%s: %d\n", how, WEXITSTATUS(status));
}

int main(int argc, char **argv)
{
    pid_t pid;

    setvbuf(stdout, 0, _IONBF, 0);
    if (argc > 1) {
        int result = inotify_init1(0);
        printf("inotify_init1: %d %s\n", result, strerror(errno));
        return 0;
    }
    pid = vfork();
    if (!pid) {
        execve("/bin/busybox", child, environment);
        _exit(9);
    }
    ended("vfork", pid);
    if (posix_spawn(&pid, "/bin/busybox", 0, 0, child, environment))
        return 1;
    ended("posix_spawn", pid);
    int mine = 1;
    pid = fork();
    if (!pid) {
        mine = 7;
        _exit(mine);
    }
    ended("fork", pid);
    printf("mine is still %d\n", mine);
    return 0;
}
