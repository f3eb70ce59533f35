// SPDX-License-Identifier: MIT
#define MEDAUG_ISA isa_avx512bf16
#include "nn/cpu/kernels_impl.h"
