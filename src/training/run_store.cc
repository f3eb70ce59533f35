// SPDX-License-Identifier: MIT
#include "training/run_store.h"

#include "base/error.h"
#include "base/log.h"

namespace medaug {
namespace {

constexpr const char* kStateFile = "state.safetensors";
constexpr int kMostFailures = 5;

std::string first_difference(const Json& stored, const Json& wanted) {
  for (const auto& [section, fields] : wanted.items()) {
    if (!stored.contains(section) || stored[section] == fields) {
      continue;
    }
    if (!fields.is_object()) {
      return section + " is " + fields.dump() + ", was " + stored[section].dump();
    }
    for (const auto& [key, value] : fields.items()) {
      if (stored[section].contains(key) && stored[section][key] != value) {
        return section + "." + key + " is " + value.dump() + ", was " + stored[section][key].dump();
      }
    }
  }
  return "another layout";
}

}  // namespace

Json run_identity(const RunConfig& config, const Dataset& data, const std::string& base_sha256) {
  Json out = Json::object();
  out["model"] = to_json(config.model);
  out["text"] = to_json(config.text);
  out["preprocess"] = to_json(config.preprocess);
  out["flow"] = to_json(config.flow);
  out["augment"] = to_json(config.augment);
  out["seed"] = config.training.seed;
  out["batch_size"] = config.training.batch_size;
  out["accumulation"] = config.training.accumulation;
  out["optimizer"] = std::string(enum_name(config.training.optimizer));
  out["ema_half_life"] = config.training.ema_half_life;
  out["ema_decay"] = config.training.ema_decay;
  out["distill_from"] = config.teacher.empty() ? "" : config.teacher.filename().string();
  if (!base_sha256.empty()) {
    out["init_from"] = base_sha256;
    out["lora"] = to_json(config.lora);
  }
  out["training_data"] = std::to_string(data.content_hash());
  return out;
}

RunStore::RunStore(const std::filesystem::path& folder, std::int64_t keep_last)
    : paths_(make_run_folder(folder)), lock_(folder), keep_last_(static_cast<int>(keep_last)) {}

bool RunStore::has_checkpoint() const { return !list_checkpoints(paths_).empty(); }

void RunStore::require(const std::filesystem::path& folder, bool resume) {
  const bool has_one = !list_checkpoints(RunPaths(folder)).empty();
  if (resume && !has_one) {
    throw Error(ErrorCode::kCheckpoint, folder.string(), "has no checkpoint to go on from",
                "start it without --resume, or give the folder of another run");
  }
  if (!resume && has_one) {
    throw Error(ErrorCode::kConfig, folder.string(), "this run folder already has checkpoints",
                "add --resume to go on with it, or choose another folder with --output");
  }
}

StoredStep RunStore::newest(const Json& identity) const {
  const auto found = find_checkpoint(paths_.run);
  StoredStep stored;
  stored.tensors = read_safetensors(found.folder / kStateFile);
  const auto where = stored.tensors.path.string();
  try {
    const auto saved = Json::parse(stored.tensors.metadata.at("identity"));
    if (saved != identity) {
      throw Error(ErrorCode::kCheckpoint, where,
                  "belongs to another run: " + first_difference(saved, identity),
                  "use the config and data it was started with, or start a new run with --output");
    }
    stored.state = from_json<RunState>(Json::parse(stored.tensors.metadata.at("state")), where);
  } catch (const nlohmann::json::exception& e) {
    throw Error(ErrorCode::kCheckpoint, where, std::string("its metadata is damaged: ") + e.what());
  } catch (const std::out_of_range&) {
    throw Error(ErrorCode::kCheckpoint, where, "has no training state in its metadata");
  }
  const auto& bytes = stored.tensors.at(kTokenizerTensor);
  stored.tokenizer.assign(static_cast<const char*>(bytes.const_data_ptr()),
                          static_cast<std::size_t>(bytes.numel()));
  return stored;
}

void RunStore::begin(const Json& identity, const std::string& config_yaml) {
  identity_ = identity;
  write_file_atomically(paths_.config, config_yaml);
}

bool RunStore::save(const RunState& state, const NamedTensors& tensors_in,
                    const std::string& tokenizer, const CheckpointFile& inference) {
  auto tensors = tensors_in;
  for (auto& [name, tensor] : tensors) {
    tensor = tensor.cpu();
  }
  tensors.emplace_back(kTokenizerTensor, bytes_tensor(tokenizer));
  const Metadata metadata{{"format", "medaug-state-1"},
                          {"state", to_json(state).dump()},
                          {"identity", identity_.dump()}};
  const std::vector<CheckpointFile> files{
      {kStateFile,
       [&](const std::filesystem::path& path) { write_safetensors(path, tensors, metadata); }},
      inference};
  std::int64_t bytes = 0;
  for (const auto& [name, tensor] : tensors) {
    bytes += tensor.numel() * static_cast<std::int64_t>(tensor.element_size());
  }
  try {
    save_step(paths_, state.step, files,
              {.keep_last = keep_last_,
               .expected_bytes = bytes + bytes / 3,
               .best = state.best_step == state.step});
    failures_ = 0;
    return true;
  } catch (const Error& e) {
    if (e.code() != ErrorCode::kResource || ++failures_ >= kMostFailures) {
      throw;
    }
    log_warning(std::string("checkpoint not saved, training goes on: ") + e.what());
    return false;
  }
}

}  // namespace medaug
