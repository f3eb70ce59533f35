// SPDX-License-Identifier: MIT
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <optional>

#include "base/fields.h"
#include "image/image.h"

namespace medaug::python {

namespace py = pybind11;

/// Levels of a mask, (H, W) whole numbers or (H, W, 3) colours, as `read_mask_levels` gives them.
at::Tensor levels_of(const py::array& array);
/// (H, W) or (H, W, 3), uint8 or uint16.
py::array array_of(const Image& image);
/// (H, W) or (H, W, 3) of uint8 or uint16, as read from a file.
Image image_of(const py::array& array);
py::object object_of(const Json& json);

/// Makes `Error` raise the matching class of medaug.errors.
void register_errors(py::module_& module);

}  // namespace medaug::python
