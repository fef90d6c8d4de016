/* The substitution boxes of AES and of SM4. */
#ifndef CVMDBG_CRYPTO_BOXES_H
#define CVMDBG_CRYPTO_BOXES_H

#include <stdint.h>

extern const uint8_t aes_box[256], aes_inverse_box[256], sm4_box[256];

#endif
