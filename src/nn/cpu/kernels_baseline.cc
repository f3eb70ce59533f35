// SPDX-License-Identifier: MIT
#define MEDAUG_ISA isa_baseline
#include "nn/cpu/kernels_impl.h"
