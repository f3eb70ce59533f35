// SPDX-License-Identifier: MIT
#include "checkpoint/tensor_source.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "base/files.h"
#include "base/json.h"
#include "base/strings.h"

namespace medaug {
namespace fs = std::filesystem;
namespace {

using Json = nlohmann::json;

constexpr std::int64_t kMaxIndexBytes = 64 << 20;
constexpr std::size_t kMaxIndexKeys = 100'000;
constexpr std::size_t kMaxFiles = 500;  // each keeps a descriptor
constexpr std::string_view kFileEnd = ".safetensors";
constexpr std::string_view kIndexEnd = ".safetensors.index.json";
constexpr std::array<std::string_view, 2> kUsualNames{"model", "diffusion_pytorch_model"};

std::string shown(const fs::path& path) { return printable(path.string(), 1000); }

[[noreturn]] void refuse(const std::string& where, const std::string& what,
                         const std::string& hint = {}) {
  throw Error(ErrorCode::kCheckpoint, where, what, hint);
}

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    names.push_back(at->path().filename().string());
  }
  if (error) {
    refuse(shown(folder), "cannot be listed: " + error.message());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string list_of(std::vector<std::string> names) {
  constexpr std::size_t kShown = 4;
  if (names.size() > kShown) {
    names.resize(kShown);
    names.emplace_back("...");
  }
  return printable(join(names, ", "), 400);
}

[[noreturn]] void refuse_folder(const fs::path& folder, const std::vector<std::string>& names) {
  std::vector<std::string> weights, others;
  for (const auto& name : names) {
    const auto end = fs::path(name).extension();
    if (end == ".bin" || end == ".pth" || end == ".pt" || end == ".ckpt" || end == ".gguf" ||
        end == ".h5" || end == ".msgpack") {
      others.push_back(name);
    } else if (end == kFileEnd) {
      weights.push_back(name);
    }
  }
  if (!weights.empty()) {
    refuse(
        shown(folder),
        "has several safetensors files and no index that says which to read: " + list_of(weights),
        "give the file itself, or add its *.safetensors.index.json");
  }
  if (!others.empty()) {
    refuse(
        shown(folder), "has no safetensors file, only " + list_of(others),
        "only safetensors is read: download the model's safetensors files, or convert these where "
        "they are trusted");
  }
  refuse(shown(folder), "has no safetensors file",
         "give the folder with model.safetensors or model.safetensors.index.json");
}

std::vector<std::string> ending_in(const std::vector<std::string>& names, std::string_view end) {
  std::vector<std::string> out;
  std::copy_if(names.begin(), names.end(), std::back_inserter(out),
               [&](const auto& name) { return name.ends_with(end) && !name.starts_with('.'); });
  return out;
}

/// The file or index that is meant by a folder.
fs::path chosen_in(const fs::path& folder) {
  for (const auto stem : kUsualNames) {
    for (const auto end : {kFileEnd, kIndexEnd}) {
      const auto path = folder / std::string(stem).append(end);
      if (is_there(path)) {
        return path;
      }
    }
  }
  const auto names = names_in(folder);
  for (const auto end : {kIndexEnd, kFileEnd}) {
    const auto found = ending_in(names, end);
    if (found.size() == 1) {
      return folder / found.front();
    }
  }
  refuse_folder(folder, names);
}

/// The Hub's cache keeps a model as links from snapshots/REVISION to blobs.
bool is_hub_blob(const fs::path& folder, const fs::path& target) {
  return folder.parent_path().filename() == "snapshots" &&
         target.parent_path() == folder.parent_path().parent_path() / "blobs";
}

/// The path of a file that an index names; it must not lead out of the index's folder.
fs::path file_beside(const fs::path& index, const std::string& file) {
  const auto named = "names the file '" + printable(file) + "'";
  if (file.empty() || file == "." || file == ".." || file.find('/') != std::string::npos ||
      file.find('\0') != std::string::npos) {
    refuse(shown(index), named + ", which is not a file name of its own folder",
           "the files of an index lie beside it: do not use this model, or download it again");
  }
  const auto path = index.parent_path() / file;
  if (!is_there(path)) {
    refuse(shown(index), named + ", which is not there",
           "download it into the same folder: all files of the index are needed");
  }
  std::error_code error;
  const auto folder = fs::canonical(index.has_parent_path() ? index.parent_path() : ".", error);
  const auto target = error ? fs::path() : fs::canonical(path, error);
  if (error) {
    refuse(shown(path), "cannot be opened: " + error.message());
  }
  if (target.parent_path() != folder && !is_hub_blob(folder, target)) {
    refuse(shown(index), named + ", a link that leads out of the folder, to " + shown(target),
           "put the file itself into the folder");
  }
  return path;
}

/// Tensor to file name.
std::map<std::string, std::string> read_index(const fs::path& index) {
  const auto text = read_file(index, kMaxIndexBytes, ErrorCode::kCheckpoint);
  const auto foreign = foreign_format(std::string_view(text).substr(0, 64));
  if (!foreign.name.empty()) {
    refuse(shown(index), "is " + foreign.name, foreign.hint);
  }
  const auto json = parse_sorted_json(
      text, shown(index),
      {.code = ErrorCode::kCheckpoint, .max_depth = 8, .max_keys = kMaxIndexKeys});
  const auto map = json.is_object() ? json.find("weight_map") : json.end();
  if (map == json.end() || !map->is_object() || map->empty()) {
    refuse(shown(index), "has no 'weight_map' of tensors to files",
           "an index is written beside the files of a model that was saved in several");
  }
  std::map<std::string, std::string> files;
  for (const auto& [name, file] : map->items()) {
    if (!file.is_string()) {
      refuse(shown(index) + ": tensor '" + printable(name) + "'", "its file is not text");
    }
    files.emplace(name, file.get<std::string>());
  }
  return files;
}

}  // namespace

TensorSource TensorSource::open(const fs::path& path) {
  std::error_code ignored;
  const auto chosen = fs::is_directory(path, ignored) ? chosen_in(path) : path;
  TensorSource source;
  source.path_ = path;
  if (chosen.extension() == ".json") {
    source.open_index(chosen);
  } else {
    source.add_file(chosen);
  }
  return source;
}

std::size_t TensorSource::add_file(const fs::path& path) {
  const auto number = files_.size();
  files_.push_back(std::make_shared<const SafetensorsReader>(path));
  for (const auto& entry : files_.back()->header().entries) {
    if (!entries_.emplace(entry.name, entry).second) {
      refuse(shown(path) + ": tensor '" + entry.name + "'",
             "is in " + shown(file_of(entry.name).path().filename()) + " too",
             "each tensor belongs in one file: download the model again");
    }
    file_of_.emplace(entry.name, number);
  }
  return number;
}

void TensorSource::open_index(const fs::path& index) {
  const auto wanted = read_index(index);
  std::map<std::string, std::size_t> numbers;
  for (const auto& [name, file] : wanted) {
    numbers.emplace(file, 0);
  }
  if (numbers.size() > kMaxFiles) {
    refuse(shown(index), "names " + std::to_string(numbers.size()) + " files",
           "at most " + std::to_string(kMaxFiles) + " are read");
  }
  for (auto& [file, number] : numbers) {
    number = add_file(file_beside(index, file));
  }
  for (const auto& [name, file] : wanted) {
    const auto tensor = shown(index) + ": tensor '" + printable(name) + "'";
    const auto found = file_of_.find(name);
    if (found == file_of_.end()) {
      refuse(tensor, "is not in " + printable(file) + ", where the index puts it",
             "index and files are of different models: download all of them again");
    }
    if (found->second != numbers.at(file)) {
      refuse(tensor,
             "is in " + shown(file_of(name).path().filename()) + ", the index puts it in " +
                 printable(file),
             "index and files are of different models: download all of them again");
    }
  }
  for (const auto& [name, number] : file_of_) {
    if (!wanted.contains(name)) {
      refuse(where(name), "is not in the index " + shown(index.filename()),
             "index and files are of different models: download all of them again");
    }
  }
}

const SafetensorsReader& TensorSource::file_of(const std::string& name) const {
  return *files_[file_of_.at(name)];
}

const TensorEntry& TensorSource::entry(const std::string& name) const {
  const auto found = entries_.find(name);
  if (found != entries_.end()) {
    return found->second;
  }
  std::vector<std::string> names;
  for (const auto& known : entries_) {
    names.push_back(known.first);
  }
  throw no_such_tensor(path_, name, names);
}

at::Tensor TensorSource::read(const std::string& name) const {
  const auto& wanted = entry(name);
  return file_of(name).read(wanted);
}

std::vector<fs::path> TensorSource::files() const {
  std::vector<fs::path> paths;
  for (const auto& file : files_) {
    paths.push_back(file->path());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

Metadata TensorSource::metadata() const {
  Metadata all;
  for (const auto& file : files_) {
    all.insert(file->header().metadata.begin(), file->header().metadata.end());
  }
  return all;
}

std::string TensorSource::where(const std::string& name) const {
  const auto found = file_of_.find(name);
  const auto& path = found == file_of_.end() ? path_ : files_[found->second]->path();
  return shown(path) + ": tensor '" + printable(name) + "'";
}

}  // namespace medaug
