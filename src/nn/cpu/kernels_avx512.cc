// SPDX-License-Identifier: MIT
#define MEDAUG_ISA isa_avx512
#include "nn/cpu/kernels_impl.h"
