/* Two threads take two mutexes in opposite orders; with an argument, a wake-up comes before anybody waits. */
#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

static pthread_mutex_t first = PTHREAD_MUTEX_INITIALIZER, second = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t both;
static int flag;

static void *other(void *unused) {
    pthread_mutex_lock(&second);
    pthread_barrier_wait(&both);
    pthread_mutex_lock(&first);
    return unused;
}

int main(int argc, char **argv) {
    pthread_t thread;
    if (argc > 1) {
        syscall(SYS_futex, &flag, FUTEX_WAKE, 1, 0, 0, 0);
        syscall(SYS_futex, &flag, FUTEX_WAIT, 0, 0, 0, 0);
        return 1;
    }
    pthread_barrier_init(&both, 0, 2);
    pthread_create(&thread, 0, other, 0);
    pthread_mutex_lock(&first);
    pthread_barrier_wait(&both);
    pthread_mutex_lock(&second);
    return 0;
}
