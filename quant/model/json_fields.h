// Typed, bounded reading of the members of one JSON object; the first problem is kept, so that a reader can list its
// fields in a row and ask once at the end.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "core/json.h"

namespace sub1quant {

class JsonFields {
 public:
  // `where` stands before a field's name in messages ("text_config."). `object` must outlive this.
  JsonFields(const Json& object, std::string where) : object_(object), where_(std::move(where)) {}

  // The member, or nullptr if it is absent or null.
  const Json* Find(const std::string& name) const;
  bool IsNull(const std::string& name) const { return object_.contains(name) && object_.at(name).is_null(); }

  // Overwrite `value` if the member is there. Null is refused by Integer and Number, and leaves the others as they are.
  void Integer(const std::string& name, int64_t low, int64_t high, int64_t& value);
  void Number(const std::string& name, double above, double up_to, double& value);
  void Boolean(const std::string& name, bool& value);
  void String(const std::string& name, std::string& value);
  void Strings(const std::string& name, std::vector<std::string>& value);

  // `reason` follows "FIELD VALUE: ".
  void Refuse(const std::string& name, const std::string& reason);
  const absl::Status& status() const { return status_; }

 private:
  const Json& object_;
  std::string where_;
  absl::Status status_;
};

}  // namespace sub1quant
