/* Locks that know their owner: FUTEX_LOCK_PI by itself and under a pthread mutex that inherits priority. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t mutex;
static unsigned word;
static long counter;

static long futex(int operation, struct timespec *time)
{
    long result = syscall(SYS_futex, &word, operation | FUTEX_PRIVATE_FLAG, 0, time, 0, 0);
    return result < 0 ? -errno : result;
}

static void *count(void *argument)
{
    for (int i = 0; i < 2000; i++) {
        pthread_mutex_lock(&mutex);
        counter++;
        pthread_mutex_unlock(&mutex);
    }
    return 0;
}

static void *other(void *argument)
{
    struct timespec past = { 1, 0 };
    printf("held: try %ld, unlock %ld, late %ld\n", futex(FUTEX_TRYLOCK_PI, 0), futex(FUTEX_UNLOCK_PI, 0),
           futex(FUTEX_LOCK_PI, &past));
    printf("waits: %ld\n", futex(FUTEX_LOCK_PI, 0));
    printf("has it: %d\n", (word & FUTEX_TID_MASK) == (unsigned)syscall(SYS_gettid));
    printf("gives it back: %ld\n", futex(FUTEX_UNLOCK_PI, 0));
    return 0;
}

int main(void)
{
    pthread_t threads[2];
    pthread_mutexattr_t attributes;
    struct timespec pause = { 0, 20000000 };

    setvbuf(stdout, 0, _IONBF, 0);
    printf("free: %ld, mine: %ld\n", futex(FUTEX_LOCK_PI, 0), futex(FUTEX_LOCK_PI, 0));
    pthread_create(&threads[0], 0, other, 0);
    nanosleep(&pause, 0);
    printf("somebody waits: %d\n", !!(word & FUTEX_WAITERS));
    long unlocked = futex(FUTEX_UNLOCK_PI, 0);
    pthread_join(threads[0], 0);
    printf("unlock: %ld\n", unlocked);
    printf("free again: %u\n", word);

    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT);
    pthread_mutex_init(&mutex, &attributes);
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], 0, count, 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], 0);
    printf("counted %ld\n", counter);
    return 0;
}
