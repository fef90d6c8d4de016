/* What else the monitor does for a cVM: disks, taps, functions called on new threads, buffers and streams by name. */
#include "../net/hostcalls.h"

enum { READ_BLOCKS = 0, WRITE_BLOCKS = 1, FLUSH_BLOCKS = 4 };
struct block_request { unsigned type, priority; u64 sector, buffers; int count; };

void call_entry(long argument);
void stream_entry(long number);

static long ready, last_argument;
static char shared[64] = "a buffer that both cVMs know";
static char block[512];

static void tell(const char *what, long result)
{
    say(what);
    say(result < 0 ? ": -" : ": ");
    say_dec(result < 0 ? -result : result);
    say_end();
}

static long blocks(unsigned type, u64 sector, void *where, u64 size)
{
    struct iovec part = { (u64)where, size };
    struct block_request request = { type, 0, sector, (u64)&part, 1 };
    return hostcall(HC_BLK_REQUEST, 0, &request);
}

static void disks(void)
{
    u64 capacity = 0;
    tell("blk_capacity", hostcall(HC_BLK_CAPACITY, 0, &capacity));
    tell("bytes of the disk", capacity);
    tell("read of its first block", blocks(READ_BLOCKS, 0, block, sizeof block));
    block[27] = 0;
    say_line(block);
    tell("write of its second", blocks(WRITE_BLOCKS, 1, shared, 29));
    tell("read of its second", blocks(READ_BLOCKS, 1, block, 28));
    block[28] = 0;
    say_line(block);
    tell("read behind its end", blocks(READ_BLOCKS, 9, block, 1));
    tell("a request that is none", blocks(7, 0, block, 1));
    tell("flush", blocks(FLUSH_BLOCKS, 0, block, 0));
}

static void small_ones(void)
{
    char word[16];
    tell("open_tap of its net", hostcall(HC_OPEN_TAP, "tap0"));
    tell("open_tap of another", hostcall(HC_OPEN_TAP, "tap7"));
    tell("inspect", hostcall(HC_INSPECT));
    tell("save_snapshot", hostcall(HC_SAVE_SNAPSHOT));
    hostcall(HC_GET_ARG, word, sizeof word);
    say("get_arg: ");
    say_line(word);
    tell("run_yaml without libvirt", hostcall(HC_RUN_YAML, "x", 1));
    tell("get_sc_caps", hostcall(HC_SC_CAPS, 0, 0, 0));
}

/* Hostcall 403 starts it on a thread of its own and waits for its end. */
void called(long argument) { last_argument = argument; }

/* Hostcall 411 of another cVM starts it here, with the number of the stream. */
void streamed(long number)
{
    u64 size = 0, device = 0;
    static __attribute__((aligned(16))) u8 capability[16];
    hostcall(HC_FETCH_CAP_CALL, number, capability, &size);
    hostcall(HC_FINISH_CAP_CALL, number, &device);
    tell("provider: the caller's buffer has bytes", size);
    tell("provider: the device", device);
    hostcall(HC_CAP_WAKE, number);
    hostcall(HC_SEM_UP, ready);
}

static void provide(void)
{
    ready = hostcall(HC_SEM_ALLOC, 0);
    disks();
    small_ones();
    hostcall(HC_MAKE_CALL, call_entry, 42);
    tell("make_call ran with", last_argument);
    tell("cap_file_adv", hostcall(HC_FILE_ADV, shared, sizeof shared, "shared"));
    tell("cap_stream_adv", hostcall(HC_STREAM_ADV, stream_entry, 7, "stream"));
    hostcall(HC_SEM_DOWN, ready);
}

static void use(void)
{
    static __attribute__((aligned(16))) u8 capability[16];
    u64 size = 0;
    tell("user: cap_file_prb", hostcall(HC_FILE_PRB, "shared", capability, &size));
    tell("user: its size", size);
    long stream = hostcall(HC_STREAM_PRB, "stream");
    tell("user: cap_stream_prb", stream);
    hostcall(HC_MAKE_CAP_CALL, stream, block, 100);
    hostcall(HC_CAP_WAIT, stream);
    say_line("services: all done");
}

void cvm_main(long *sp)
{
    if (((const char *)sp[2])[0] == 'p')
        provide();
    else
        use();
}
