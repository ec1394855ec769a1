// Base of the SAX readers for JSON too large for core/json.h: every event is refused unless the reader overrides it,
// and the first refusal is kept as a sentence. Linear in the text.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "nlohmann/json.hpp"

namespace sub1quant {

class StrictSax : public nlohmann::json_sax<nlohmann::json> {
 public:
  bool null() override { return Refuse("unexpected null"); }
  bool boolean(bool) override { return Refuse("unexpected boolean"); }
  bool number_integer(number_integer_t value) override { return Refuse("unexpected number " + std::to_string(value)); }
  bool number_unsigned(number_unsigned_t value) override {
    return Refuse("unexpected number " + std::to_string(value));
  }
  bool number_float(number_float_t, const string_t&) override {
    return Refuse("a number that is not an integer of 64 bits");
  }
  bool string(string_t&) override { return Refuse("unexpected string"); }
  bool binary(binary_t&) override { return Refuse("unexpected binary"); }
  bool start_object(size_t) override { return Refuse("unexpected object"); }
  bool key(string_t&) override { return Refuse("unexpected key"); }
  bool end_object() override { return Refuse("unexpected end of an object"); }
  bool start_array(size_t) override { return Refuse("unexpected array"); }
  bool end_array() override { return Refuse("unexpected end of an array"); }
  bool parse_error(size_t position, const std::string&, const nlohmann::detail::exception&) override {
    // The library's own message quotes the input, which may be megabytes of invalid UTF-8.
    return Refuse("not JSON at byte " + std::to_string(position));
  }

  // Feeds `size` bytes at `text` through the reader.
  absl::Status Run(const char* text, size_t size);

 protected:
  // Always false; the first reason is kept.
  bool Refuse(const std::string& reason) {
    if (problem_.empty()) problem_ = reason;
    return false;
  }

 private:
  std::string problem_;
};

// A key of hostile text as part of a message: quoted, and shortened to what a line can hold.
std::string QuotedKey(const std::string& key);

}  // namespace sub1quant
