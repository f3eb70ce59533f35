// SPDX-License-Identifier: MIT
#define MEDAUG_ISA isa_avx512bf16
#include "nn/cpu/kernels_bf16_attention_impl.h"
#include "nn/cpu/kernels_impl.h"

namespace medaug::nn::cpu::isa_avx512bf16 {

extern const AttentionKernels kAttentionKernels;
const AttentionKernels kAttentionKernels{attention_forward, attention_backward};

}  // namespace medaug::nn::cpu::isa_avx512bf16
