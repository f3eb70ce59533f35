// SPDX-License-Identifier: MIT
#pragma once

#include <cstdlib>  // defines __GLIBC__ where it is one

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace medaug {

/// Gives freed memory back to the machine. glibc keeps freed blocks of up to 32 MiB, among them
/// most weights, for the next who asks. To be called where gigabytes were freed and others follow.
inline void give_back_freed_memory() {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

}  // namespace medaug
