// SPDX-License-Identifier: MIT
#include "config/yaml.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <optional>
#include <sstream>
#include <unordered_map>
#include <utility>

#include "base/error.h"
#include "base/strings.h"
#include "config/yaml_text.h"

namespace medaug {
namespace {

/// Builds the tree from the parser's events. yaml-cpp's own node tree drops duplicate keys and
/// follows aliases.
class TreeBuilder final : public YAML::EventHandler {
 public:
  TreeBuilder(std::string_view text, std::shared_ptr<const std::string> source,
              const YamlLimits& limits)
      : text_(text), source_(std::move(source)), limits_(limits) {}

  ConfigNode take_root() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ > 1) {
      fail(mark, "a second document starts here",
           "keep one document per file; remove the line '---'");
    }
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    // yaml-cpp does not say which tag an empty value had.
    const auto offset = static_cast<std::size_t>(mark.pos);
    const bool tagged = offset < text_.size() && text_[offset] == '!';
    refuse(mark, tagged ? std::string(text_.substr(offset, 8)) : "", anchor);
    add(node_at(mark, ConfigNode::Kind::kNull));
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    fail(mark, "aliases (*name) are not read",
         "write the value out; quote text that starts with *");
  }

  void OnAnchor(const YAML::Mark& mark, const std::string& name) override {
    fail(mark, "anchors (&" + printable(name, 40) + ") are not read",
         "write the value out; quote text that starts with &");
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    refuse(mark, tag, anchor);
    if (!quote_is_closed(static_cast<std::size_t>(mark.pos))) {
      fail(mark, "this quote is not closed on its line", "close it, or write a quote in it twice");
    }
    auto node = node_at(mark, ConfigNode::Kind::kScalar);
    node.text = value;
    node.quoted = tag == "!";
    add(std::move(node));
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    refuse(mark, tag, anchor);
    open(mark, ConfigNode::Kind::kList);
  }
  void OnSequenceEnd() override { close(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    refuse(mark, tag, anchor);
    open(mark, ConfigNode::Kind::kMap);
  }
  void OnMapEnd() override { close(); }

 private:
  struct Frame {
    ConfigNode node;
    std::optional<std::pair<std::string, ConfigPlace>> pending_key;
    std::unordered_map<std::string, ConfigPlace> seen;
  };

  ConfigPlace place(const YAML::Mark& mark) const {
    return {source_, mark.line + 1, mark.column + 1};
  }

  [[noreturn]] void fail(const YAML::Mark& mark, std::string_view message,
                         std::string_view hint) const {
    throw Error(ErrorCode::kConfig, place(mark).str(), message, hint);
  }

  // "?" marks a plain scalar and "!" a quoted one; every other tag was written by the user.
  void refuse(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) const {
    if (anchor != YAML::NullAnchor) {
      fail(mark, "anchors (&name) are not read", "write the value out");
    }
    if (!tag.empty() && tag != "?" && tag != "!") {
      fail(mark, "tags (" + printable(tag, 60) + ") are not read",
           "remove the tag; quote text that starts with !");
    }
  }

  // yaml-cpp takes the end of the file for a closing quote.
  bool quote_is_closed(std::size_t offset) const {
    const char quote = offset < text_.size() ? text_[offset] : ' ';
    if (quote != '"' && quote != '\'') {
      return true;
    }
    for (std::size_t i = offset + 1; i < text_.size() && text_[i] != '\n'; ++i) {
      const bool doubled = quote == '\'' && text_.substr(i, 2) == "''";
      const bool escape = quote == '"' && text_[i] == '\\';
      if (doubled || escape) {
        ++i;
      } else if (text_[i] == quote) {
        return true;
      }
    }
    return false;
  }

  ConfigNode node_at(const YAML::Mark& mark, ConfigNode::Kind kind) {
    if (++nodes_ > limits_.max_nodes) {
      fail(mark, "more than " + std::to_string(limits_.max_nodes) + " values",
           "a config is small; is this another file?");
    }
    ConfigNode node;
    node.kind = kind;
    node.place = place(mark);
    return node;
  }

  void open(const YAML::Mark& mark, ConfigNode::Kind kind) {
    if (static_cast<int>(frames_.size()) >= limits_.max_depth) {
      fail(mark, "nested deeper than " + std::to_string(limits_.max_depth) + " levels",
           "a config has two levels: section and key");
    }
    if (awaits_key()) {
      fail(mark, "a bracket stands where a key should",
           "a key is one word; is a bracket [ or { never closed?");
    }
    frames_.push_back({node_at(mark, kind), std::nullopt, {}});
  }

  void close() {
    auto node = std::move(frames_.back().node);
    frames_.pop_back();
    add(std::move(node));
  }

  bool awaits_key() const {
    return !frames_.empty() && frames_.back().node.kind == ConfigNode::Kind::kMap &&
           !frames_.back().pending_key;
  }

  void add(ConfigNode node) {
    if (frames_.empty()) {
      root_ = std::move(node);
      return;
    }
    if (awaits_key()) {
      add_key(node);
      return;
    }
    auto& frame = frames_.back();
    if (frame.node.kind == ConfigNode::Kind::kList) {
      frame.node.items.push_back(std::move(node));
      return;
    }
    frame.node.entries.push_back({std::move(frame.pending_key->first),
                                  std::move(frame.pending_key->second), std::move(node)});
    frame.pending_key.reset();
  }

  void add_key(const ConfigNode& node) {
    if (node.kind != ConfigNode::Kind::kScalar) {
      throw Error(ErrorCode::kConfig, node.place.str(), "a key is missing before ':'",
                  "write 'key: value'");
    }
    auto& frame = frames_.back();
    const auto [first, added] = frame.seen.emplace(node.text, node.place);
    if (!added) {
      throw Error(
          ErrorCode::kConfig, node.place.str(),
          "key '" + printable(node.text, 60) + "' is given twice, first at " + first->second.str(),
          "keep one of the two");
    }
    frame.pending_key = {node.text, node.place};
  }

  std::string_view text_;
  std::shared_ptr<const std::string> source_;
  YamlLimits limits_;
  ConfigNode root_;
  std::vector<Frame> frames_;
  int documents_ = 0;
  int nodes_ = 0;
};

std::string_view hint_for(std::string_view message) {
  if (message.find("flow") != std::string_view::npos) {
    return "a bracket [ or { is opened and never closed, or a comma is missing";
  }
  if (message.find("map") != std::string_view::npos) {
    return "write 'key: value' and indent all keys of a section alike, with spaces";
  }
  return "quote text that holds one of  : { } [ ] , & * # ? | - < > = ! % @ \\";
}

}  // namespace

ConfigNode parse_yaml(std::string_view text, const std::string& source, const YamlLimits& limits) {
  if (text.size() > limits.max_bytes) {
    throw Error(ErrorCode::kConfig, source,
                "has " + std::to_string(text.size()) + " bytes; a config has at most " +
                    std::to_string(limits.max_bytes),
                "is this another file?");
  }
  const auto checked = checked_yaml_text(text, source);
  std::istringstream stream(checked);
  const auto shared_source = std::make_shared<const std::string>(source);
  TreeBuilder builder(checked, shared_source, limits);
  try {
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const YAML::Exception& e) {
    const ConfigPlace place{shared_source, e.mark.line + 1, e.mark.column + 1};
    throw Error(ErrorCode::kConfig, place.str(), "not valid YAML: " + printable(e.msg, 120),
                hint_for(e.msg));
  }
  auto root = builder.take_root();
  if (!root.place.source) {
    root.place.source = shared_source;
  }
  return root;
}

}  // namespace medaug
