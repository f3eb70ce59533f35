// SPDX-License-Identifier: MIT
#include <pybind11/functional.h>
#include <pybind11/stl.h>
#include <pybind11/stl/filesystem.h>

#include <mutex>

#include "convert.h"
#include "inference/batch_maker.h"
#include "inference/image_generator.h"
#include "text/caption.h"
#include "training/setup.h"

namespace medaug::python {
namespace {

/// step, steps
using Progress = std::function<void(std::int64_t, std::int64_t)>;

/// `ImageGenerator` with arrays instead of tensors. One call at a time; other Python threads go on
/// meanwhile.
class Generator {
 public:
  Generator(const std::filesystem::path& checkpoint, const std::string& device,
            const std::string& precision)
      : generator_(checkpoint, options_of(device, precision)) {}

  /// One array for each caption. @param masks  None or (H, W[, 3]) arrays, one for each caption
  std::vector<py::array> generate(const std::vector<std::string>& captions,
                                  const std::vector<py::object>& masks,
                                  const std::vector<std::int64_t>& seeds, const py::dict& settings,
                                  const std::optional<Progress>& on_step) {
    const auto wanted = settings_of(settings);
    const auto preprocess = preprocess_for(generator_.info(), wanted);
    std::vector<GenerateRequest> requests;
    for (std::size_t i = 0; i < captions.size(); ++i) {
      GenerateRequest request{
          normalize_caption(captions[i], "caption", ErrorCode::kInvalidArgument), {}, seeds[i]};
      if (!masks[i].is_none()) {
        check_takes_masks();
        request.mask = preprocess_mask(levels_of(masks[i].cast<py::array>()), preprocess, "mask");
      }
      requests.push_back(std::move(request));
    }
    std::vector<Image> images;
    {
      const py::gil_scoped_release others_go_on;
      const std::lock_guard one_call(mutex_);
      for (const auto& pixels : generator_.generate(requests, wanted, watch_of(on_step))) {
        images.push_back(from_unit_range(pixels, generator_.bit_depth()));
      }
    }
    std::vector<py::array> arrays;
    for (const auto& image : images) {
      arrays.push_back(array_of(image));
    }
    return arrays;
  }

  py::object info() const {
    const auto& info = generator_.info();
    Json json = to_json(info.preprocess);
    json["channels"] = info.preprocess.channels;
    json["training"] = info.training;
    json["example_captions"] = info.example_captions;
    json["sha256"] = generator_.checkpoint_sha256();
    json["steps"] = info.sampler.steps;
    json["guidance_scale"] = info.guidance.text;
    json["mask_guidance_scale"] = info.guidance.mask;
    json["solver"] = std::string(enum_name(info.sampler.solver));
    return object_of(json);
  }

 private:
  static ImageGenerator::Options options_of(const std::string& device,
                                            const std::string& precision) {
    const auto choice = enum_from_name<DeviceChoice>(device);
    if (!choice) {
      throw Error(ErrorCode::kInvalidArgument, "device", "'" + device + "' is unknown",
                  "auto, cpu or cuda");
    }
    if (precision != "bfloat16" && precision != "float32") {
      throw Error(ErrorCode::kInvalidArgument, "precision", "'" + precision + "' is unknown",
                  "bfloat16 or float32");
    }
    ImageGenerator::Options options;
    options.device = pick_device(*choice, "device");
    options.dtype = precision == "float32" ? at::kFloat : at::kBFloat16;
    return options;
  }

  void check_takes_masks() const {
    if (generator_.info().preprocess.mask_classes == 0) {
      throw Error(ErrorCode::kInvalidArgument, "mask", "this model was trained without masks",
                  "leave the mask out");
    }
  }

  GenerateSettings settings_of(const py::dict& given) const {
    auto settings = generator_.defaults();
    const auto take = [&](const char* name, auto& value) {
      if (given.contains(name) && !given[name].is_none()) {
        value = given[name].cast<std::decay_t<decltype(value)>>();
      }
    };
    std::string solver;
    take("height", settings.image_size);
    take("width", settings.image_width);
    take("steps", settings.sampler.steps);
    take("guidance", settings.guidance.text);
    take("mask_guidance", settings.guidance.mask);
    take("negative", settings.negative_caption);
    take("solver", solver);
    if (!solver.empty()) {
      const auto known = enum_from_name<Solver>(solver);
      if (!known) {
        throw Error(ErrorCode::kInvalidArgument, "solver", "'" + solver + "' is unknown",
                    "one of " + join(enum_choices<Solver>(), ", "));
      }
      settings.sampler.solver = *known;
    }
    if (settings.sampler.steps < 1 || settings.sampler.steps > 10000) {
      throw Error(ErrorCode::kInvalidArgument, "num_inference_steps", "must be from 1 to 10000");
    }
    return settings;
  }

  static SamplingWatch watch_of(const std::optional<Progress>& on_step) {
    SamplingWatch watch;
    watch.on_step = [&on_step](std::int64_t step, std::int64_t steps, const at::Tensor&) {
      const py::gil_scoped_acquire python;
      if (PyErr_CheckSignals() != 0) {  // Ctrl+C
        throw py::error_already_set();
      }
      if (on_step) {
        (*on_step)(step, steps);
      }
      return true;
    };
    return watch;
  }

  ImageGenerator generator_;
  std::mutex mutex_;
};

}  // namespace

void bind_generator(py::module_& module) {
  py::class_<Generator>(module, "Generator")
      .def(py::init<const std::filesystem::path&, const std::string&, const std::string&>(),
           py::arg("checkpoint"), py::arg("device"), py::arg("precision"))
      .def("generate", &Generator::generate, py::arg("captions"), py::arg("masks"),
           py::arg("seeds"), py::arg("settings"), py::arg("on_step") = py::none())
      .def("info", &Generator::info);
}

}  // namespace medaug::python
