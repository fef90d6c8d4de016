/* Vector floating point: order, pairs, across lanes. */
#include "simd_float.h"

LANE2(fadd, fp_add)
LANE2(maximum, fp_max)
LANE2(minimum, fp_min)
LANE2(fmaxnm, fp_max_num)
LANE2(fminnm, fp_min_num)

/* Only four singles make a vector to reduce. */
static struct shape across(uint32_t word) {
    struct shape s = fp(word);
    return s.elements == 4 ? s : (struct shape){0, 0, false};
}

EXEC(fmax_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_max_min_fp_1985) {
    return simd_binary(cpu, word, fp(word), maximum);
}
EXEC(fmax_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_max_min_fp16_1985) {
    return simd_binary(cpu, word, half(word), maximum);
}
EXEC(fmin_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_max_min_fp_1985) {
    return simd_binary(cpu, word, fp(word), minimum);
}
EXEC(fmin_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_max_min_fp16_1985) {
    return simd_binary(cpu, word, half(word), minimum);
}
EXEC(fmaxnm_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_max_min_fp_2008) {
    return simd_binary(cpu, word, fp(word), fmaxnm);
}
EXEC(fmaxnm_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_max_min_fp16_2008) {
    return simd_binary(cpu, word, half(word), fmaxnm);
}
EXEC(fminnm_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_max_min_fp_2008) {
    return simd_binary(cpu, word, fp(word), fminnm);
}
EXEC(fminnm_advsimd_aarch64_instrs_vector_arithmetic_binary_uniform_max_min_fp16_2008) {
    return simd_binary(cpu, word, half(word), fminnm);
}
EXEC(faddp_advsimd_vec_aarch64_instrs_vector_arithmetic_binary_uniform_add_fp) {
    return simd_pairwise(cpu, word, fp(word), fadd);
}
EXEC(faddp_advsimd_vec_aarch64_instrs_vector_arithmetic_binary_uniform_add_fp16) {
    return simd_pairwise(cpu, word, half(word), fadd);
}
EXEC(fmaxp_advsimd_vec_aarch64_instrs_vector_arithmetic_binary_uniform_max_min_fp_1985) {
    return simd_pairwise(cpu, word, fp(word), maximum);
}
EXEC(fmaxp_advsimd_vec_aarch64_instrs_vector_arithmetic_binary_uniform_max_min_fp16_1985) {
    return simd_pairwise(cpu, word, half(word), maximum);
}
EXEC(fminp_advsimd_vec_aarch64_instrs_vector_arithmetic_binary_uniform_max_min_fp_1985) {
    return simd_pairwise(cpu, word, fp(word), minimum);
}
EXEC(fminp_advsimd_vec_aarch64_instrs_vector_arithmetic_binary_uniform_max_min_fp16_1985) {
    return simd_pairwise(cpu, word, half(word), minimum);
}
EXEC(fmaxnmp_advsimd_vec_aarch64_instrs_vector_arithmetic_binary_uniform_max_min_fp_2008) {
    return simd_pairwise(cpu, word, fp(word), fmaxnm);
}
EXEC(fmaxnmp_advsimd_vec_aarch64_instrs_vector_arithmetic_binary_uniform_max_min_fp16_2008) {
    return simd_pairwise(cpu, word, half(word), fmaxnm);
}
EXEC(fminnmp_advsimd_vec_aarch64_instrs_vector_arithmetic_binary_uniform_max_min_fp_2008) {
    return simd_pairwise(cpu, word, fp(word), fminnm);
}
EXEC(fminnmp_advsimd_vec_aarch64_instrs_vector_arithmetic_binary_uniform_max_min_fp16_2008) {
    return simd_pairwise(cpu, word, half(word), fminnm);
}
EXEC(faddp_advsimd_pair_aarch64_instrs_vector_reduce_fp_add_sisd) {
    return simd_pair(cpu, word, scalar(word), fadd);
}
EXEC(faddp_advsimd_pair_aarch64_instrs_vector_reduce_fp16_add_sisd) {
    return simd_pair(cpu, word, scalar_half(word), fadd);
}
EXEC(fmaxp_advsimd_pair_aarch64_instrs_vector_reduce_fp_max_sisd) {
    return simd_pair(cpu, word, scalar(word), maximum);
}
EXEC(fmaxp_advsimd_pair_aarch64_instrs_vector_reduce_fp16_max_sisd) {
    return simd_pair(cpu, word, scalar_half(word), maximum);
}
EXEC(fminp_advsimd_pair_aarch64_instrs_vector_reduce_fp_max_sisd) {
    return simd_pair(cpu, word, scalar(word), minimum);
}
EXEC(fminp_advsimd_pair_aarch64_instrs_vector_reduce_fp16_max_sisd) {
    return simd_pair(cpu, word, scalar_half(word), minimum);
}
EXEC(fmaxnmp_advsimd_pair_aarch64_instrs_vector_reduce_fp_maxnm_sisd) {
    return simd_pair(cpu, word, scalar(word), fmaxnm);
}
EXEC(fmaxnmp_advsimd_pair_aarch64_instrs_vector_reduce_fp16_maxnm_sisd) {
    return simd_pair(cpu, word, scalar_half(word), fmaxnm);
}
EXEC(fminnmp_advsimd_pair_aarch64_instrs_vector_reduce_fp_maxnm_sisd) {
    return simd_pair(cpu, word, scalar(word), fminnm);
}
EXEC(fminnmp_advsimd_pair_aarch64_instrs_vector_reduce_fp16_maxnm_sisd) {
    return simd_pair(cpu, word, scalar_half(word), fminnm);
}
EXEC(fmaxv_advsimd_aarch64_instrs_vector_reduce_fp_max_simd) {
    return simd_reduce(cpu, word, across(word), maximum);
}
EXEC(fmaxv_advsimd_aarch64_instrs_vector_reduce_fp16_max_simd) {
    return simd_reduce(cpu, word, half(word), maximum);
}
EXEC(fminv_advsimd_aarch64_instrs_vector_reduce_fp_max_simd) {
    return simd_reduce(cpu, word, across(word), minimum);
}
EXEC(fminv_advsimd_aarch64_instrs_vector_reduce_fp16_max_simd) {
    return simd_reduce(cpu, word, half(word), minimum);
}
EXEC(fmaxnmv_advsimd_aarch64_instrs_vector_reduce_fp_maxnm_simd) {
    return simd_reduce(cpu, word, across(word), fmaxnm);
}
EXEC(fmaxnmv_advsimd_aarch64_instrs_vector_reduce_fp16_maxnm_simd) {
    return simd_reduce(cpu, word, half(word), fmaxnm);
}
EXEC(fminnmv_advsimd_aarch64_instrs_vector_reduce_fp_maxnm_simd) {
    return simd_reduce(cpu, word, across(word), fminnm);
}
EXEC(fminnmv_advsimd_aarch64_instrs_vector_reduce_fp16_maxnm_simd) {
    return simd_reduce(cpu, word, half(word), fminnm);
}
