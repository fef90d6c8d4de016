/* A library opened at run time, asked for what it has and for what it has not, and closed; and one that is nowhere. */
int printf(const char *, ...);
int fflush(void *);
void exit(int);
void *dlopen(const char *, int);
void *dlsym(void *, const char *);
int dlclose(void *);

__attribute__((used)) static void begin(long *stack) {
    void *library = dlopen("libplugin.so", 2);
    int (*answer)(void) = library ? (int (*)(void))dlsym(library, "plugin_answer") : 0;
    printf("answer %d\n", answer ? answer() : -1);
    printf("nothing %d\n", library && dlsym(library, "plugin_nothing") != 0);
    printf("close %d\n", dlclose(library));
    printf("nowhere %d\n", dlopen("libnowhere.so", 2) != 0);
    fflush(0);
    exit(0);
}

__asm__(".globl _start\n_start: mov x0, sp\nb begin\n");
