// SPDX-License-Identifier: MIT
#include "base/log.h"
#include "convert.h"

namespace medaug::python {

void bind_generator(py::module_& module);   // generator.cc
void bind_evaluation(py::module_& module);  // evaluation.cc

}  // namespace medaug::python

PYBIND11_MODULE(_native, module) {
  module.doc() = "The library of medaug. Use the package `medaug`, which wraps this.";
  module.attr("__version__") = MEDAUG_VERSION;
  medaug::set_log_level(medaug::LogLevel::kWarning);  // a library is silent about what is well
  medaug::python::register_errors(module);
  medaug::python::bind_generator(module);
  medaug::python::bind_evaluation(module);
}
