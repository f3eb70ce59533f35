// SPDX-License-Identifier: MIT
#include "convert.h"

#include <ATen/ATen.h>

#include <cstring>

#include "base/error.h"

namespace medaug::python {
namespace {

[[noreturn]] void refuse(const std::string& message, const std::string& hint = "") {
  throw Error(ErrorCode::kInvalidArgument, "array", message, hint);
}

}  // namespace

at::Tensor levels_of(const py::array& array) {
  const auto kind = array.dtype().kind();
  if (kind != 'b' && kind != 'u' && kind != 'i') {
    refuse("a mask holds whole numbers, not " + py::str(array.dtype()).cast<std::string>(),
           "labels of classes as integers, or colours as uint8");
  }
  const auto whole =
      py::array_t<std::int32_t, py::array::c_style | py::array::forcecast>::ensure(array);
  const auto* const data = whole.data();
  if (whole.ndim() == 2) {
    return at::from_blob(const_cast<std::int32_t*>(data), {1, whole.shape(0), whole.shape(1)},
                         at::kInt)
        .clone();
  }
  if (whole.ndim() == 3 && whole.shape(2) == 3) {
    return at::from_blob(const_cast<std::int32_t*>(data),
                         {whole.shape(0), whole.shape(1), 3}, at::kInt)
        .permute({2, 0, 1})
        .to(at::kByte)
        .contiguous();
  }
  refuse("a mask is (height, width) or (height, width, 3)");
}

py::array array_of(const Image& image) {
  const auto pixels = image.pixels.permute({1, 2, 0}).contiguous();  // (H, W, C)
  std::vector<py::ssize_t> shape{image.height(), image.width()};
  if (image.channels() > 1) {
    shape.push_back(image.channels());
  }
  if (image.bit_depth == 16) {
    const auto wide = pixels.to(at::kInt);
    py::array_t<std::uint16_t> out(shape);
    auto* const to = out.mutable_data();
    const auto* const from = wide.const_data_ptr<std::int32_t>();
    std::transform(from, from + wide.numel(), to,
                   [](std::int32_t v) { return static_cast<std::uint16_t>(v); });
    return out;
  }
  py::array_t<std::uint8_t> out(shape);
  std::memcpy(out.mutable_data(), pixels.const_data_ptr<std::uint8_t>(),
              static_cast<std::size_t>(pixels.numel()));
  return out;
}

Image image_of(const py::array& array) {
  const bool deep = array.dtype().kind() == 'u' && array.itemsize() == 2;
  if (array.dtype().kind() != 'u' || array.itemsize() > 2) {
    refuse("an image is uint8 or uint16");
  }
  const auto levels = levels_of(array);
  return deep ? Image{levels.to(at::kInt), 16} : Image{levels.to(at::kByte), 8};
}

py::object object_of(const Json& json) {
  switch (json.type()) {
    case Json::value_t::null:
      return py::none();
    case Json::value_t::boolean:
      return py::bool_(json.get<bool>());
    case Json::value_t::number_integer:
    case Json::value_t::number_unsigned:
      return py::int_(json.get<std::int64_t>());
    case Json::value_t::number_float:
      return py::float_(json.get<double>());
    case Json::value_t::string:
      return py::reinterpret_steal<py::object>(PyUnicode_DecodeUTF8(
          json.get_ref<const std::string&>().data(),
          static_cast<py::ssize_t>(json.get_ref<const std::string&>().size()), "replace"));
    case Json::value_t::array: {
      py::list list;
      for (const auto& item : json) {
        list.append(object_of(item));
      }
      return list;
    }
    default: {
      py::dict dict;
      for (const auto& [key, value] : json.items()) {
        dict[py::str(key)] = object_of(value);
      }
      return dict;
    }
  }
}

void register_errors(py::module_& module) {
  static PyObject* raise = nullptr;  // a function of medaug.errors, kept for good
  raise = py::object(module.import("medaug.errors").attr("make")).release().ptr();
  py::register_exception_translator([](std::exception_ptr thrown) {
    try {
      if (thrown) {
        std::rethrow_exception(thrown);
      }
    } catch (const Error& e) {
      const py::object made = py::reinterpret_borrow<py::object>(raise)(
          std::string(name_of(e.code())), e.where(), e.message(), e.hint());
      PyErr_SetObject(py::type::of(made).ptr(), made.ptr());
    } catch (const c10::Error& e) {
      PyErr_SetString(PyExc_RuntimeError, e.what_without_backtrace());
    }
  });
}

}  // namespace medaug::python
