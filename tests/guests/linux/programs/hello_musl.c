/* The same without a C library's startup files, so that any libc will do. */
int printf(const char *, ...);
int fflush(void *);
void exit(int);

__attribute__((used)) static void begin(long *stack) {
    for (long i = 0; i < stack[0]; i++) printf("%ld %s\n", i, (char *)stack[i + 1]);
    fflush(0);
    exit((int)stack[0]);
}

__asm__(".globl _start\n_start: mov x0, sp\nb begin\n");
