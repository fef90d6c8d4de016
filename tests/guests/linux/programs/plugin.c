/* A library that needs nobody. */
static int answer;

__attribute__((constructor)) static void begin(void) { answer = 42; }

int plugin_answer(void) { return answer; }
