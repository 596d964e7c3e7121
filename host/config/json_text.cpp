#include "host/config/json_text.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <vector>

#include "host/config/schema.hpp"
#include "host/core/error.hpp"

namespace gamlp {
namespace {

using nlohmann::json;

constexpr std::size_t max_reason = 200;  // bytes of the parser's reason in a message

// Feeds the parser and remembers how far it has read, which its events do not say.
class TrackedIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  TrackedIterator(const char* at, const char** furthest) : at_(at), furthest_(furthest) {}
  reference operator*() const { return *at_; }
  TrackedIterator& operator++() {
    *furthest_ = ++at_;
    return *this;
  }
  TrackedIterator operator++(int) {
    TrackedIterator old = *this;
    ++*this;
    return old;
  }
  bool operator==(const TrackedIterator& other) const { return at_ == other.at_; }
  bool operator!=(const TrackedIterator& other) const { return at_ != other.at_; }

 private:
  const char* at_;
  const char** furthest_;
};

// "line:column", both from 1, of the byte at `offset`.
std::string position(std::string_view text, std::size_t offset) {
  const std::string_view before = text.substr(0, std::min(offset, text.size()));
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const std::size_t newline = before.rfind('\n');
  const std::size_t column = newline == std::string_view::npos ? before.size() + 1 : before.size() - newline;
  return std::to_string(line) + ":" + std::to_string(column);
}

// Builds the value event by event. A container that is open is never moved: only the innermost one grows.
class Builder : public nlohmann::json_sax<json> {
 public:
  Builder(std::string_view text, const char* const* furthest, const std::string& source)
      : text_(text), furthest_(furthest), source_(source) {}

  json take() { return std::move(root_); }

  bool null() override { return put(nullptr); }
  bool boolean(bool v) override { return put(v); }
  bool number_integer(number_integer_t v) override { return put(v); }
  bool number_unsigned(number_unsigned_t v) override { return put(v); }
  bool number_float(number_float_t v, const string_t&) override { return put(v); }
  bool string(string_t& v) override { return put(std::move(v)); }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return open(json::object()); }
  bool start_array(std::size_t) override { return open(json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(string_t& name) override {
    Frame& frame = frames_.back();
    if (name.size() > config_max_key) fail("a key is longer than " + std::to_string(config_max_key) + " bytes");
    frame.key = std::move(name);
    if (frame.container->contains(frame.key)) fail("the key `" + path() + "` is given twice");
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception& error) override {
    throw ConfigError(source_ + ":" + describe(error.what()));
  }

 private:
  struct Frame {
    json* container;
    std::string key;  // the member being read, if an object
  };

  // "[json.exception…] parse error at line 1, column 2: syntax error while …; last read: '…'; expected …" with our
  // position in place of theirs, and without the text last read, which may be all of the file.
  std::string describe(std::string what) const {
    for (const char* prefix : {"syntax error", "number overflow"}) {
      if (const auto at = what.find(prefix); at != std::string::npos) {
        what.erase(0, at);
        break;
      }
    }
    if (const auto from = what.find("; last read: '"); from != std::string::npos) {
      const auto to = what.rfind("'; expected ");
      what.erase(from, to == std::string::npos || to < from ? std::string::npos : to + 1 - from);
    }
    if (what.size() > max_reason) what.resize(max_reason);

    const auto says = [&](const char* words) { return what.find(words) != std::string::npos; };
    std::size_t behind = 1;  // the character last read
    if (says("unexpected end of input")) behind = 0;
    if (says("unexpected number literal") || says("number overflow")) behind = 2;  // one more ended the number
    const std::size_t at = offset() - std::min(offset(), behind);
    const bool closes = says("unexpected '}'") || says("unexpected ']'");
    const auto last = text_.substr(0, at).find_last_not_of(" \t\r\n");
    if (closes && last != std::string_view::npos && text_[last] == ',') what += " (remove the comma before it)";
    return position(text_, at) + ": not valid JSON: " + what;
  }

  std::size_t offset() const { return static_cast<std::size_t>(*furthest_ - text_.data()); }

  std::string path() const {
    JsonPath out;
    for (const Frame& frame : frames_) {
      out.push_back(frame.container->is_object() ? frame.key : std::to_string(frame.container->size() - 1));
    }
    return join_path(out);
  }

  [[noreturn]] void fail(const std::string& what) const {
    const std::size_t at = offset();
    throw ConfigError(source_ + ":" + position(text_, at - std::min<std::size_t>(at, 1)) + ": " + what);
  }

  json* place(json value) {
    if (++values_ > config_max_values) fail("holds more than " + std::to_string(config_max_values) + " values");
    if (frames_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    Frame& frame = frames_.back();
    if (frame.container->is_object()) return &(*frame.container->emplace(frame.key, std::move(value)).first);
    return &frame.container->emplace_back(std::move(value));
  }
  bool put(json value) {
    place(std::move(value));
    return true;
  }
  bool open(json container) {
    if (frames_.size() >= config_max_depth) {
      fail("is nested deeper than " + std::to_string(config_max_depth) + " levels");
    }
    frames_.push_back({place(std::move(container)), {}});
    return true;
  }
  bool close() {
    frames_.pop_back();
    return true;
  }

  std::string_view text_;
  const char* const* furthest_;
  const std::string& source_;
  json root_;
  std::vector<Frame> frames_;
  std::size_t values_ = 0;
};

class Canonical {
 public:
  explicit Canonical(const std::string& source) : source_(source) {}

  json operator()(const json& value, JsonPath& path) {
    if (path.size() > config_max_depth) {
      fail(path, "is nested deeper than " + std::to_string(config_max_depth) + " levels");
    }
    if (++values_ > config_max_values) fail({}, "holds more than " + std::to_string(config_max_values) + " values");
    switch (value.type()) {
      case json::value_t::object:
        return object(value, path);
      case json::value_t::array:
        return array(value, path);
      case json::value_t::number_float:
        return number(value.get<double>(), path);
      case json::value_t::number_integer:
        if (std::abs(static_cast<double>(value.get<std::int64_t>())) > exact) return value.get<double>();
        return value;
      case json::value_t::number_unsigned:
        if (static_cast<double>(value.get<std::uint64_t>()) > exact) return value.get<double>();
        return value;
      case json::value_t::string:
        if (value.get_ref<const std::string&>().size() > config_max_string) {
          fail(path, "is a string longer than " + std::to_string(config_max_string) + " bytes");
        }
        return value;
      case json::value_t::binary:
      case json::value_t::discarded:
        fail(path, "is not a JSON value");
      default:
        return value;
    }
  }

 private:
  static constexpr double exact = 9007199254740992.0;  // 2^53: beyond it doubles skip integers

  [[noreturn]] void fail(const JsonPath& path, const std::string& what) const {
    throw ConfigError(source_ + ": " + (path.empty() ? "the config" : "`" + join_path(path) + "`") + " " + what);
  }
  json object(const json& value, JsonPath& path) {
    json out = json::object();
    for (const auto& [key, child] : value.items()) {
      if (key.size() > config_max_key) fail(path, "has a key longer than " + std::to_string(config_max_key) + " bytes");
      path.push_back(key);
      out[key] = (*this)(child, path);
      path.pop_back();
    }
    return out;
  }
  json array(const json& value, JsonPath& path) {
    json out = json::array();
    for (const auto& child : value) {
      path.push_back(std::to_string(out.size()));
      out.push_back((*this)(child, path));
      path.pop_back();
    }
    return out;
  }
  json number(double value, const JsonPath& path) const {
    if (!std::isfinite(value)) fail(path, "is not a finite number");
    const bool negative_zero = value == 0.0 && std::signbit(value);
    if (value == std::floor(value) && std::abs(value) <= exact && !negative_zero) {
      return static_cast<std::int64_t>(value);
    }
    return value;
  }

  const std::string& source_;
  std::size_t values_ = 0;
};

}  // namespace

json parse_json_text(std::string_view text, const std::string& source) {
  if (text.size() > config_max_bytes) {
    throw ConfigError(source + ": holds " + std::to_string(text.size()) + " bytes, at most " +
                      std::to_string(config_max_bytes) + " are expected of a config");
  }
  const char* furthest = text.data();
  Builder builder(text, &furthest, source);
  json::sax_parse(TrackedIterator(text.data(), &furthest), TrackedIterator(text.data() + text.size(), &furthest),
                  &builder, json::input_format_t::json, /*strict=*/true, /*ignore_comments=*/true);
  return builder.take();
}

void update_form(json& document) {
  const auto partition = document.is_object() ? document.find("partition") : document.end();
  if (partition == document.end() || partition->is_object()) return;
  if (partition->is_array() || partition->is_null()) *partition = {{"layers", *partition}};
}

json canonical_json(const json& value, const std::string& source) {
  JsonPath path;
  return Canonical(source)(value, path);
}

}  // namespace gamlp
