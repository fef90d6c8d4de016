/* Signals: delivery, masks, an alternate stack, a fault that the program survives, EINTR, timers, SIGPIPE. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t count;
static sigjmp_buf back;
static char stack[65536];

static void seen(int number) { count += number; }
static void survived(int number, siginfo_t *info, void *context) {
    char here;
    int on_stack = &here >= stack && &here < stack + sizeof stack;
    printf("fault %d at %p, alternate stack %d\n", number, info->si_addr, on_stack);
    siglongjmp(back, 1);
}
static void *sleeper(void *unused) {
    struct timespec long_time = {1000, 0};
    printf("sleep %d %s\n", nanosleep(&long_time, 0), strerror(errno));
    return unused;
}

int main(void) {
    struct sigaction action = {.sa_handler = seen};
    sigset_t set, old;
    sigaction(SIGUSR1, &action, 0);
    raise(SIGUSR1);
    printf("raised %d\n", (int)count);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, &old);
    kill(getpid(), SIGUSR1);
    printf("blocked %d\n", (int)count);
    sigprocmask(SIG_SETMASK, &old, 0);
    printf("unblocked %d\n", (int)count);
    double kept = 1.5;
    pthread_t thread;
    pthread_create(&thread, 0, sleeper, 0);
    usleep(1000);
    pthread_kill(thread, SIGUSR1);
    pthread_join(thread, 0);
    printf("kept %g\n", kept * count);
    struct itimerval timer = {{0, 0}, {0, 20000}};
    sigaction(SIGALRM, &action, 0);
    setitimer(ITIMER_REAL, &timer, 0);
    printf("pause %d %d\n", pause(), errno == EINTR);
    stack_t alternate = {stack, 0, sizeof stack};
    sigaltstack(&alternate, 0);
    struct sigaction fault = {.sa_sigaction = survived, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigaction(SIGSEGV, &fault, 0);
    if (!sigsetjmp(back, 1)) *(volatile int *)16 = 1;
    int ends[2], status;
    pipe(ends);
    close(ends[0]);
    signal(SIGPIPE, SIG_IGN);
    printf("pipe %d %d\n", (int)write(ends[1], "x", 1), errno == EPIPE);
    fflush(stdout);
    if (!vfork()) _exit(7);
    wait(&status);
    printf("child %d\n", WEXITSTATUS(status));
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    sigprocmask(SIG_BLOCK, &set, 0);
    kill(getpid(), SIGUSR2);
    int got;
    printf("sigwait %d %d\n", sigwait(&set, &got), got == SIGUSR2);
    signal(SIGTERM, SIG_DFL);
    fflush(stdout);
    raise(SIGTERM);
    return 0;
}
