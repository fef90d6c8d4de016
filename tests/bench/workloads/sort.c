/* Quicksort of numbers and heap sort of records by their key. */
#include "work.h"

enum { NUMBERS = 2048, RECORDS = 512 };

struct record {
    uint32_t key, payload[3];
};
static uint32_t numbers[NUMBERS];
static struct record records[RECORDS];

static void insertion_sort(uint32_t *a, long size) {
    for (long i = 1; i < size; i++) {
        uint32_t value = a[i];
        long j = i;
        for (; j > 0 && a[j - 1] > value; j--) a[j] = a[j - 1];
        a[j] = value;
    }
}

static uint32_t median(uint32_t a, uint32_t b, uint32_t c) {
    if (a < b) return b < c ? b : a < c ? c : a;
    return a < c ? a : b < c ? c : b;
}

static void quicksort(uint32_t *a, long size) {
    while (size > 12) {
        uint32_t pivot = median(a[0], a[size / 2], a[size - 1]);
        long i = -1, j = size;
        for (;;) {
            do i++;
            while (a[i] < pivot);
            do j--;
            while (a[j] > pivot);
            if (i >= j) break;
            uint32_t swapped = a[i];
            a[i] = a[j];
            a[j] = swapped;
        }
        quicksort(a, j + 1);
        a += j + 1;
        size -= j + 1;
    }
    insertion_sort(a, size);
}

static void sink(struct record *r, long at, long size) {
    struct record moving = r[at];
    for (long child; (child = 2 * at + 1) < size; at = child) {
        if (child + 1 < size && r[child + 1].key > r[child].key) child++;
        if (r[child].key <= moving.key) break;
        r[at] = r[child];
    }
    r[at] = moving;
}

static void heap_sort(struct record *r, long size) {
    for (long i = size / 2; i-- > 0;) sink(r, i, size);
    for (long i = size; --i > 0;) {
        struct record largest = r[0];
        r[0] = r[i];
        r[i] = largest;
        sink(r, 0, i);
    }
}

uint64_t work(uint64_t rounds) {
    uint64_t seed = 2, total = 0;
    for (; rounds; rounds--) {
        for (int i = 0; i < NUMBERS; i++) numbers[i] = draw(&seed);
        for (int i = 0; i < RECORDS; i++) records[i] = (struct record){draw(&seed), {(uint32_t)i, 0, 0}};
        quicksort(numbers, NUMBERS);
        heap_sort(records, RECORDS);
        for (int i = 0; i < NUMBERS; i += 7) total = mix(total, numbers[i]);
        for (int i = 0; i < RECORDS; i += 3) total = mix(total, records[i].payload[0]);
    }
    return total;
}
