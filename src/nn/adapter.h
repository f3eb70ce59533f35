// SPDX-License-Identifier: MIT
#pragma once

#include <initializer_list>

#include "nn/layers.h"

// Not for use outside nn/.

namespace medaug::nn {

/// y with the low-rank terms of several layers, which all read x, added to their columns. All
/// adapters have one scale.
/// @param y  (..., sum of out)  @param x  (..., in)
Tensor add_adapters(const Tensor& y, const Tensor& x, std::initializer_list<const Linear*> layers);

}  // namespace medaug::nn
