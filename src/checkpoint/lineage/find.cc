// SPDX-License-Identifier: MIT
#include "checkpoint/lineage/find.h"

#include <algorithm>
#include <string_view>
#include <system_error>
#include <vector>

#include "base/error.h"
#include "base/log.h"
#include "base/strings.h"

namespace medaug {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kRaw = "consolidated.00-of-01.safetensors";
constexpr std::string_view kEma = "consolidated_ema.00-of-01.safetensors";
constexpr std::string_view kShards = "diffusion_pytorch_model.safetensors.index.json";
constexpr std::string_view kWhole = "diffusion_pytorch_model.safetensors";
constexpr std::string_view kConverted = "model.safetensors";
constexpr std::string_view kEnd = ".safetensors";

std::string shown(const fs::path& path) { return printable(path.string(), 1000); }

[[noreturn]] void refuse(const fs::path& path, const std::string& what, const std::string& hint) {
  throw Error(ErrorCode::kCheckpoint, shown(path), what, hint);
}

bool is_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

bool is_pickle(const std::string& name) {
  return name.ends_with(".pth") || name.ends_with(".pt") || name.ends_with(".bin") ||
         name.ends_with(".ckpt");
}

/// The names in a folder, sorted.
class Names {
 public:
  explicit Names(const fs::path& folder) {
    std::error_code error;
    for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
      all_.push_back(it->path().filename().string());
    }
    std::sort(all_.begin(), all_.end());
  }
  bool has(std::string_view name) const {
    return std::find(all_.begin(), all_.end(), name) != all_.end();
  }
  template <class Wanted>
  std::vector<std::string> where(const Wanted& wanted) const {
    std::vector<std::string> found;
    std::copy_if(all_.begin(), all_.end(), std::back_inserter(found), wanted);
    return found;
  }
  std::vector<std::string> with(std::string_view begin, std::string_view end) const {
    return where([&](const auto& n) { return n.starts_with(begin) && n.ends_with(end); });
  }

 private:
  std::vector<std::string> all_;
};

bool has_diffusers(const Names& names) {
  return names.has(kShards) || !names.with("diffusion_pytorch_model", kEnd).empty();
}

bool has_lumina(const Names& names) { return !names.with("consolidated", kEnd).empty(); }

fs::path config_in(const fs::path& folder, const char* name) {
  return is_file(folder / name) ? folder / name : fs::path();
}

BackboneFiles lumina_in(const fs::path& folder, const Names& names, WeightsChoice choice) {
  const bool raw = names.has(kRaw), ema = names.has(kEma);
  if (!raw && !ema) {
    refuse(folder, "its weights are cut into parts for several devices",
           "only one part (00-of-01) is read: join them where they were trained");
  }
  if (choice == WeightsChoice::kEma && !ema) {
    refuse(folder, "has no EMA weights: " + std::string(kEma) + " is missing",
           "fetch that file, or take the weights as trained: --no-ema");
  }
  if (choice == WeightsChoice::kRaw && !raw) {
    refuse(folder, "has EMA weights only: " + std::string(kRaw) + " is missing",
           "fetch that file, or leave --no-ema out");
  }
  const bool take_ema = ema && choice != WeightsChoice::kRaw;
  if (choice == WeightsChoice::kEmaIfThere) {
    log_info(shown(folder) + (take_ema ? ": the EMA weights are taken (--no-ema for the others)"
                                       : ": there are no EMA weights; those as trained are taken"));
  }
  return {folder / (take_ema ? kEma : kRaw), config_in(folder, "model_args.json"), take_ema};
}

BackboneFiles diffusers_in(const fs::path& folder, const Names& names) {
  const auto config = config_in(folder, "config.json");
  if (config.empty()) {
    refuse(folder, "has no config.json", "fetch it from where the weights are from");
  }
  if (names.has(kShards)) {
    return {folder / kShards, config, false};
  }
  if (names.has(kWhole)) {
    return {folder / kWhole, config, false};
  }
  const auto others = names.with("diffusion_pytorch_model", kEnd);
  if (others.front().find("-of-") != std::string::npos) {
    refuse(folder, "has shards but not their index " + std::string(kShards), "fetch that file");
  }
  if (others.size() > 1) {
    refuse(folder, "has several sets of weights: " + join(others, ", "), "give one of the files");
  }
  return {folder / others.front(), config, false};
}

[[noreturn]] void refuse_folder(const fs::path& folder, const Names& names) {
  const auto pickles = names.where([](const auto& n) {
    return is_pickle(n) && n.find("model_args") == std::string::npos &&
           n.find("optimizer") == std::string::npos;
  });
  if (!pickles.empty()) {
    refuse(folder, "has its weights in pickles only (" + join(pickles, ", ") + ")",
           pickle_hint(folder / pickles.front()));
  }
  refuse(folder, "has no weights of a NextDiT",
         "give the folder with consolidated.00-of-01.safetensors (Lumina-Next, RetinaLogos) or "
         "with diffusion_pytorch_model.safetensors (diffusers)");
}

BackboneFiles find_in(const fs::path& folder, WeightsChoice choice) {
  const Names names(folder);
  if (has_lumina(names) && has_diffusers(names)) {
    refuse(folder, "has weights in the form of Lumina-Next and in that of diffusers",
           "give one of the files");
  }
  if (has_lumina(names)) {
    return lumina_in(folder, names, choice);
  }
  if (choice == WeightsChoice::kEma) {
    refuse(folder, "has no EMA weights", "leave --ema out");
  }
  if (has_diffusers(names)) {
    return diffusers_in(folder, names);
  }
  if (is_folder(folder / "transformer") && has_diffusers(Names(folder / "transformer"))) {
    log_info(shown(folder) + ": a pipeline of diffusers; its transformer is taken");
    return diffusers_in(folder / "transformer", Names(folder / "transformer"));
  }
  if (names.has(kConverted)) {
    return {folder / kConverted, {}, false};
  }
  refuse_folder(folder, names);
}

}  // namespace

std::string pickle_hint(const fs::path& pickle) {
  auto converted = pickle;
  converted.replace_extension(".safetensors");
  return "only safetensors is read, because a pickle can run programs; convert it where there is "
         "PyTorch: python -c \"import torch, safetensors.torch as s; s.save_file({k: "
         "v.contiguous() for k, v in torch.load('" +
         shown(pickle) + "', map_location='cpu', weights_only=True, mmap=True).items()}, '" +
         shown(converted) + "')\"";
}

bool looks_like_backbone(const fs::path& path) {
  const auto name = path.filename().string();
  if (!is_folder(path)) {
    return name.starts_with("consolidated") || name.starts_with("diffusion_pytorch_model");
  }
  const Names names(path);
  return has_lumina(names) || has_diffusers(names) || !names.with("consolidated", ".pth").empty() ||
         names.has(kConverted) || has_diffusers(Names(path / "transformer"));
}

BackboneFiles find_backbone(const fs::path& path, WeightsChoice choice) {
  std::error_code ignored;
  if (!fs::exists(path, ignored)) {
    refuse(path, "there is no such file or folder", "give the folder or file of the weights");
  }
  if (is_folder(path)) {
    return find_in(path, choice);
  }
  const auto name = path.filename().string();
  if (is_pickle(name)) {
    refuse(path, "is a pickle of PyTorch", pickle_hint(path));
  }
  const bool ema = name.find("_ema") != std::string::npos;
  if (choice == WeightsChoice::kEma && !ema) {
    refuse(path, "--ema: this one file is all that is read",
           "give the folder, or the file of the EMA");
  }
  const auto folder = path.parent_path();
  const bool diffusers = name.starts_with("diffusion_pytorch_model");
  return {path, config_in(folder, diffusers ? "config.json" : "model_args.json"), ema};
}

}  // namespace medaug
