/* A child that is stopped and goes on, as its parent sees it: wait4, waitid, SIGCHLD. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile int last;

static void on_child(int signal, siginfo_t *info, void *context)
{
    last = info->si_code;
}

int main(int argc, char **argv)
{
    int ends[2], go[2], status;
    char letter = 0;
    siginfo_t info = { 0 };
    struct sigaction action = { .sa_sigaction = on_child, .sa_flags = SA_SIGINFO | SA_RESTART };

    setvbuf(stdout, 0, _IONBF, 0);
    if (argc > 1)                                   /* nobody is left to wake it */
        raise(SIGSTOP);
    sigaction(SIGCHLD, &action, 0);
    pipe(ends);
    pipe(go);
    pid_t child = fork();
    if (!child) {
        setpgid(0, 0);                              /* a group that is not orphaned: SIGTSTP stops it */
        for (int i = 0; i < 2; i++) {
            raise(i ? SIGTSTP : SIGSTOP);
            write(ends[1], i ? "2" : "1", 1);
            read(go[0], &letter, 1);                /* the parent has seen that it goes on */
        }
        pause();
        _exit(3);
    }
    for (int i = 0; i < 2; i++) {
        int found = waitpid(child, &status, WUNTRACED) == child;
        printf("%d stopped %d by %d\n", found, WIFSTOPPED(status), WSTOPSIG(status));
        printf("%d nothing more to tell\n", waitpid(child, &status, WUNTRACED | WNOHANG));
        kill(child, SIGCONT);
        waitid(P_PID, child, &info, WCONTINUED);
        printf("continued: code %d status %d\n", info.si_code, info.si_status);
        read(ends[0], &letter, 1);
        printf("it said %c\n", letter);
        if (!i)
            write(go[1], "g", 1);
    }
    kill(child, SIGSTOP);
    waitid(P_PID, child, &info, WSTOPPED | WNOWAIT);
    printf("stopped again: code %d status %d\n", info.si_code, info.si_status);
    kill(child, SIGTERM);
    printf("%d while it is stopped\n", waitpid(child, &status, WNOHANG));
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    printf("killed %d by %d\n", WIFSIGNALED(status), WTERMSIG(status));
    printf("SIGCHLD told of the last: %d\n", last);
    return 0;
}
