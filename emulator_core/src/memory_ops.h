/* The families of load and store ops, for ops_memory.inc and for lower_memory.c. */
#ifndef CVMDBG_MEMORY_OPS_H
#define CVMDBG_MEMORY_OPS_H

#define FOR_VIAS(M, ...) M(DDC, __VA_ARGS__) M(DDCSP, __VA_ARGS__) M(CAP, __VA_ARGS__) M(CAPSP, __VA_ARGS__)

/* M(VIA, name, host type, setter): signed loads extend to 64 bits (SETX) or to 32 (SETW). */
#define FOR_LOADS(M)                                                                                         \
    FOR_VIAS(M, ldrb, uint8_t, SETX)                                                                         \
    FOR_VIAS(M, ldrsb_x, int8_t, SETX)                                                                       \
    FOR_VIAS(M, ldrsb_w, int8_t, SETW)                                                                       \
    FOR_VIAS(M, ldrh, uint16_t, SETX)                                                                        \
    FOR_VIAS(M, ldrsh_x, int16_t, SETX)                                                                      \
    FOR_VIAS(M, ldrsh_w, int16_t, SETW)                                                                      \
    FOR_VIAS(M, ldr_w, uint32_t, SETX)                                                                       \
    FOR_VIAS(M, ldrsw, int32_t, SETX)                                                                        \
    FOR_VIAS(M, ldr_x, uint64_t, SETX)
#define FOR_STORES(M)                                                                                        \
    FOR_VIAS(M, strb, uint8_t)                                                                               \
    FOR_VIAS(M, strh, uint16_t)                                                                              \
    FOR_VIAS(M, str_w, uint32_t)                                                                             \
    FOR_VIAS(M, str_x, uint64_t)
#define FOR_LOAD_PAIRS(M)                                                                                    \
    FOR_VIAS(M, ldp_w, uint32_t)                                                                             \
    FOR_VIAS(M, ldpsw, int32_t)                                                                              \
    FOR_VIAS(M, ldp_x, uint64_t)
#define FOR_STORE_PAIRS(M)                                                                                   \
    FOR_VIAS(M, stp_w, uint32_t)                                                                             \
    FOR_VIAS(M, stp_x, uint64_t)

#endif
