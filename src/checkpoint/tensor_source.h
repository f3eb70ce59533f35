// SPDX-License-Identifier: MIT
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "checkpoint/safetensors_reader.h"

namespace medaug {

/// The tensors of one safetensors file, or of several with an index, read one at a time: at no time
/// is more in memory than the tensor that is asked for. The files stay open, so that all of it is
/// read from the files that were checked. Reading is thread-safe; copies share the files.
class TensorSource {
 public:
  /// @param path  a safetensors file; an index (`*.safetensors.index.json`); or a folder. Of a
  ///              folder: `model` or `diffusion_pytorch_model`, as one `.safetensors` file or else
  ///              with its index; or the only index or safetensors file in it.
  /// Strict: the index and the headers of its files must name the same tensors in the same files,
  /// each once, and the files must lie in the index's folder (or be the symbolic links of a Hugging
  /// Face cache).
  /// @throws Error kCheckpoint naming file and tensor
  static TensorSource open(const std::filesystem::path& path);

  /// By name. Offsets are those in the tensor's file.
  const std::map<std::string, TensorEntry>& entries() const { return entries_; }
  bool contains(const std::string& name) const { return entries_.contains(name); }
  /// @throws Error kCheckpoint naming the nearest name there is
  const TensorEntry& entry(const std::string& name) const;
  /// @return on the CPU, as it is stored  @throws Error kCheckpoint
  at::Tensor read(const std::string& name) const;

  const std::filesystem::path& path() const { return path_; }  ///< as given
  /// The files with tensors in them, sorted by name.
  std::vector<std::filesystem::path> files() const;
  /// The metadata of all files; of two that say different things the first file's counts.
  Metadata metadata() const;
  /// "file: tensor 'name'", for errors.
  std::string where(const std::string& name) const;

 private:
  std::size_t add_file(const std::filesystem::path& path);
  void open_index(const std::filesystem::path& index);
  const SafetensorsReader& file_of(const std::string& name) const;

  std::filesystem::path path_;
  std::vector<std::shared_ptr<const SafetensorsReader>> files_;
  std::map<std::string, TensorEntry> entries_;
  std::map<std::string, std::size_t> file_of_;
};

}  // namespace medaug
