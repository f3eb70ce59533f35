// SPDX-License-Identifier: MIT
#define MEDAUG_ISA isa_avx2
#include "nn/cpu/kernels_impl.h"
