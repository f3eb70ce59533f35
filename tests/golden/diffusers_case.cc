// SPDX-License-Identifier: MIT
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/stack.h>
#include <c10/core/GradMode.h>

#include <cstdlib>
#include <regex>
#include <utility>

#include "analytic.h"
#include "base/error.h"
#include "base/files.h"
#include "cases.h"
#include "checkpoint/lineage/export.h"
#include "checkpoint/lineage/key_map.h"
#include "diffusers_sigmas.h"
#include "flow/sampler.h"
#include "nextdit_golden.h"

namespace medaug::golden {
namespace {

namespace fs = std::filesystem;

/// Every weight and every result of a layer is rounded to 8 bits (up to 2^-9 each), which adds up
/// to 1.2 to 1.6 % in the networks of the case. The least mistake that it can tell, another scale
/// of the rotary embedding, moves the output by 7 % to 33 %: the bound lies between.
constexpr double kBfloat16Rms = 0.03;

class TemporaryFolder {
 public:
  TemporaryFolder() {
    auto pattern = (fs::temp_directory_path() / "medaug-golden-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) {
      throw Error(ErrorCode::kResource, pattern, "cannot make a folder");
    }
    path_ = pattern;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

/// The folder as diffusers saves it: weights and config.json.
fs::path diffusers_folder(const CaseFolder& folder, const std::string& name, const Json& config,
                          const fs::path& where) {
  fs::create_directories(where);
  fs::copy_file(folder.folder() / (name + ".weights.safetensors"),
                where / "diffusion_pytorch_model.safetensors");
  Json json = config;
  json["_class_name"] = "LuminaNextDiT2DModel";
  write_file_atomically(where / "config.json", json.dump(2));
  return where;
}

void compare_options(CaseFolder& folder, const std::string& name, const NextDiTOptions& got,
                     const NextDiTOptions& want) {
  const auto compare = [&](const char* what, std::int64_t a, std::int64_t b) {
    folder.compare_counts("case.json", name + "." + what, a, b);
  };
  compare("dim", got.dim, want.dim);
  compare("layers", got.layers, want.layers);
  compare("heads", got.heads, want.heads);
  compare("kv_heads", got.kv_heads, want.kv_heads == want.heads ? 0 : want.kv_heads);
  compare("in_channels", got.in_channels, want.in_channels);
  compare("out_channels", got.out_channels, want.out_channels);
  compare("patch_size", got.patch_size, want.patch_size);
  compare("caption_dim", got.caption_dim, want.caption_dim);
  compare("ffn_hidden", ffn_hidden(got), ffn_hidden(want));
  compare("qk_norm", got.qk_norm == QkNorm::kLayer, want.qk_norm == QkNorm::kLayer);
  compare("learn_sigma", got.learn_sigma, want.learn_sigma);
}

/// The converted weights against those that the reference's own network has: in this case where it
/// stores them, otherwise in the case beside it that the network was taken from.
void compare_originals(CaseFolder& folder, const std::string& name, const SafetensorsFile& got) {
  const auto own = name + ".weights_original_keys.safetensors";
  const auto beside = folder.folder() / ".." / "nextdit_lumina" / (name + ".weights.safetensors");
  if (fs::exists(folder.folder() / own)) {
    for (const auto& [key, tensor] : got.tensors) {
      folder.compare(own, key, tensor);
    }
    return;
  }
  if (!fs::exists(beside)) {
    folder.leave_out(name + ".weights.safetensors", "(original names)",
                     "nextdit_lumina is not beside this case");
    return;
  }
  const auto want = read_safetensors(beside);
  std::int64_t equal = 0;
  for (const auto& [key, tensor] : want.tensors) {
    const auto found = got.tensors.find(key);
    equal += found != got.tensors.end() && found->second.equal(tensor) ? 1 : 0;
  }
  const auto count = static_cast<std::int64_t>(want.tensors.size());
  folder.compare_counts(name + ".weights.safetensors", "tensors of nextdit_lumina", equal, count);
  folder.compare_counts(name + ".weights.safetensors", "tensors",
                        static_cast<std::int64_t>(got.tensors.size()), count);
}

/// diffusers to Lumina to diffusers, through files.
void compare_conversion(CaseFolder& folder, const std::string& name, const fs::path& source) {
  const TemporaryFolder temporary;
  const auto lumina = temporary.path() / "lumina", back = temporary.path() / "back";
  export_backbone(open_backbone(source), lumina, {.layout = BackboneLayout::kLumina});
  compare_originals(folder, name,
                    read_safetensors(export_files(BackboneLayout::kLumina, lumina).front()));
  export_backbone(open_backbone(lumina), back, {.layout = BackboneLayout::kDiffusers});
  const auto returned = read_safetensors(export_files(BackboneLayout::kDiffusers, back).front());
  for (const auto& [key, tensor] : returned.tensors) {
    folder.compare(name + ".weights.safetensors", key, tensor);
  }
}

/// The network with all channels of its last layer as output, as diffusers' returns them.
std::unique_ptr<NextDiT> full_network(const ImportedBackbone& backbone) {
  auto options = backbone.options();
  options.out_channels *= options.learn_sigma ? 2 : 1;
  options.learn_sigma = false;
  auto network = std::make_unique<NextDiT>(options);
  for (const auto& entry : network->named_parameters()) {
    Tensor(entry.value()).copy_(backbone.read(entry.key()));
  }
  return network;
}

/// "linear_prop (linear factor 1.3, base 16); ntk_prop (...)" in the description of the file.
NextDiTCall call_named(CaseFolder& folder, const std::string& file, const std::string& setting) {
  NextDiTCall call;
  const auto what = folder.json().at("files").at(file).at("what").get<std::string>();
  const std::regex pattern(setting + R"( \((linear|ntk) factor ([\d.]+), base (\d+)\))");
  std::smatch found;
  if (std::regex_search(what, found, pattern)) {
    call.scale_factor = std::stod(found[2]);
    call.scale_watershed = found[1] == "linear" ? 2.0 : -1.0;  // times are in [0, 1]
    call.proportional_base = std::stoll(found[3]);
  } else if (setting != "plain") {
    throw Error(ErrorCode::kData, file, "unknown setting '" + setting + "'");
  }
  return call;
}

void compare_bfloat16(CaseFolder& folder, const std::string& file, const std::string& tensor,
                      const Tensor& got) {
  const auto want = folder.stored(file, tensor).to(at::kDouble);
  const double rms = ((got.to(at::kDouble) - want).norm() / want.norm()).item<double>();
  folder.compare_numbers("case.json", "bfloat16 " + file + " " + tensor, {rms}, {0.0});
}

void compare_forwards(CaseFolder& folder, const std::string& name,
                      const ImportedBackbone& backbone) {
  const auto file = name + ".forward.safetensors";
  const auto network = full_network(backbone), rounded = full_network(backbone);
  rounded->to(at::kBFloat16);
  const std::regex pattern(R"((\w+)\.(\w+)\.out\d+)");
  for (const auto& tensor : folder.tensors(file)) {
    std::smatch found;
    if (!std::regex_match(tensor, found, pattern)) {
      continue;
    }
    const auto prefix = found[1].str() + ".";
    const auto call = call_named(folder, file, found[2]);
    auto in = captions_of(folder, file, prefix);
    in.x = folder.input(file, prefix + "x");
    in.time = folder.input(file, prefix + "t");
    folder.compare(file, tensor, network->forward(in, call));
    compare_bfloat16(folder, file, tensor, rounded->forward(in, call));
  }
}

/// One run of LuminaPipeline: its time runs from 1 to 0 and its network's sign is turned, which
/// together is Euler's method for our field.
void compare_pipeline_run(CaseFolder& folder, const std::string& file, const std::string& tag,
                          const NextDiT& network) {
  const auto& config = folder.json().at("config").at("pipeline");
  const double shift = std::stod(tag.substr(tag.find_first_of("0123456789")));
  const auto grid = euler_sigmas(config.at("num_inference_steps"), Json{{"shift", shift}}, 0.0);
  folder.compare(file, tag + ".sigmas", float64_tensor(grid.sigmas));
  folder.compare(file, tag + ".timesteps", float64_tensor(grid.timesteps));
  NextDiTCall call;
  call.scale_factor = config.at("scale_factor");
  call.scale_watershed = config.at("scaling_watershed");
  call.proportional_base = config.at("proportional_attn").get<bool>()
                               ? config.at("base_sequence_length").get<std::int64_t>()
                               : 0;
  const double guidance = config.at("guidance_scale");
  const auto field = [&](const Tensor& z, double time) {
    auto in = captions_of(folder, file, "");
    in.x = at::cat({z, z});
    in.time = at::full({in.x.size(0)}, time);
    return guided(network, in, guidance, call).chunk(2)[0];
  };
  std::vector<double> times;
  for (const double sigma : grid.sigmas) {
    times.push_back(1.0 - sigma);
  }
  const auto z = folder.input(file, "z");
  std::vector<Tensor> states{z};
  integrate(field, z, times, {.solver = Solver::kEuler},
            [&](std::int64_t, std::int64_t, const Tensor& state) {
              states.push_back(state);
              return true;
            });
  folder.compare(file, tag + ".states", at::cat(states));
}

void compare_pipeline(CaseFolder& folder, const std::string& name, const NextDiT& network) {
  const auto file = name + ".pipeline.safetensors";
  if (!folder.json().at("files").contains(file)) {
    return;
  }
  const std::regex pattern(R"((shift[\d.]+)\.states)");
  for (const auto& tensor : folder.tensors(file)) {
    std::smatch found;
    if (std::regex_match(tensor, found, pattern)) {
      compare_pipeline_run(folder, file, found[1], network);
    }
  }
}

/// Both directions of the key map against the one of the case.
void compare_key_map(CaseFolder& folder, const std::string& file) {
  std::int64_t right = 0, count = 0;
  const auto map = folder.read_json(file);
  for (const auto& [lumina, diffusers] : map.items()) {
    const auto names = diffusers.get<std::vector<std::string>>();
    right += diffusers_keys(lumina) == names ? 1 : 0;
    ++count;
    for (const auto& name : names) {
      right += lumina_key(name) == lumina ? 1 : 0;
      ++count;
    }
  }
  folder.compare_counts(file, "names", right, count);
}

/// The layout of the real network.
void compare_layout(CaseFolder& folder, const std::string& file) {
  const auto layout = folder.read_json(file);
  const NextDiT network(nextdit_preset("2b-gqa"), std::nullopt, at::kMeta);
  std::int64_t tensors = 0, parameters = 0;
  for (const auto& entry : network.named_parameters()) {
    for (const auto& key : diffusers_keys(entry.key())) {
      ++tensors;
      parameters += entry.value().numel();
      if (layout.at("shapes").value(key, std::vector<std::int64_t>{-1}) !=
          entry.value().sizes().vec()) {
        folder.fail(file, key, "has another shape, or is not listed");
      }
    }
  }
  folder.compare_counts(file, "tensors", tensors, layout.at("tensors"));
  folder.compare_counts(file, "parameters", parameters, layout.at("parameters"));
}

void run_network(CaseFolder& folder, const std::string& name, const Json& config) {
  const TemporaryFolder temporary;
  const auto source =
      diffusers_folder(folder, name, config.at("diffusers"), temporary.path() / "diffusers");
  const auto backbone = open_backbone(source);
  compare_options(folder, name, backbone.options(), lumina_options(config.at("original")));
  compare_conversion(folder, name, source);
  compare_forwards(folder, name, backbone);
  compare_pipeline(folder, name, *load_backbone(backbone, at::kFloat));
}

}  // namespace

void run_nextdit_diffusers(CaseFolder& folder) {
  const at::NoGradGuard no_grad;
  folder.allow("bfloat16 .*", kBfloat16Rms, 0.0);
  for (const auto& entry : folder.json().at("files").items()) {
    if (entry.key().starts_with("keymap")) {
      compare_key_map(folder, entry.key());
    } else if (entry.key().starts_with("layout")) {
      compare_layout(folder, entry.key());
    }
  }
  for (const auto& [name, config] : folder.json().at("config").items()) {
    if (config.contains("diffusers")) {
      run_network(folder, name, config);
    }
  }
}

}  // namespace medaug::golden
