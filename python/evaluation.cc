// SPDX-License-Identifier: MIT
#include "evaluation/evaluate.h"

#include <pybind11/functional.h>
#include <pybind11/stl.h>
#include <pybind11/stl/filesystem.h>

#include "convert.h"
#include "evaluation/report.h"
#include "evaluation/summary_text.h"

namespace medaug::python {
namespace {

using Progress = std::function<void(const std::string&, std::int64_t, std::int64_t)>;

/// Found figures, kept as they were written so that a report can be made of them.
struct Evaluation {
  Json json;
};

Evaluation run(const EvaluateOptions& options, const std::optional<Progress>& on_progress) {
  const py::gil_scoped_release others_go_on;
  return {evaluate(options, [&](std::string_view part, std::int64_t done, std::int64_t total) {
    const py::gil_scoped_acquire python;
    if (PyErr_CheckSignals() != 0) {
      throw py::error_already_set();
    }
    if (on_progress) {
      (*on_progress)(std::string(part), done, total);
    }
  })};
}

}  // namespace

void bind_evaluation(py::module_& module) {
  py::class_<EvaluateOptions>(module, "EvaluateOptions")
      .def(py::init<>())
      .def_readwrite("generated", &EvaluateOptions::generated)
      .def_readwrite("reference", &EvaluateOptions::reference)
      .def_readwrite("masks", &EvaluateOptions::masks)
      .def_readwrite("training", &EvaluateOptions::training)
      .def_readwrite("split", &EvaluateOptions::split)
      .def_readwrite("unpaired", &EvaluateOptions::unpaired)
      .def_readwrite("resize_reference", &EvaluateOptions::resize_reference)
      .def_readwrite("structure", &EvaluateOptions::structure)
      .def_readwrite("segmenter", &EvaluateOptions::segmenter)
      .def_readwrite("distribution", &EvaluateOptions::distribution)
      .def_readwrite("copies", &EvaluateOptions::copies)
      .def_readwrite("seed", &EvaluateOptions::seed);
  py::class_<Evaluation>(module, "Evaluation")
      .def("as_dict", [](const Evaluation& self) { return object_of(self.json); })
      .def("summary",
           [](const Evaluation& self, const std::string& language) {
             return summary_text(self.json, language == "zh" ? Language::kChinese
                                                             : Language::kEnglish);
           })
      .def("write_report", [](const Evaluation& self, const std::filesystem::path& path) {
        const py::gil_scoped_release others_go_on;
        write_report(self.json, path);
      });
  module.def("evaluate", &run, py::arg("options"), py::arg("on_progress") = py::none());
}

}  // namespace medaug::python
