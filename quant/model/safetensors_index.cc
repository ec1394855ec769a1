#include "quant/model/safetensors_index.h"

#include <set>
#include <utility>

#include "quant/model/safetensors_parser.h"
#include "quant/model/strict_sax.h"

namespace sub1quant {
namespace {

constexpr int kMaxDepth = 16;

class IndexSax : public StrictSax {
 public:
  std::vector<std::pair<std::string, std::string>> entries;
  bool seen_weight_map = false;

  bool start_object(size_t) override { return Down(); }
  bool start_array(size_t) override {
    return depth_ == 0 || map_next_ || in_map_ ? Refuse("unexpected array") : Down();
  }
  bool end_object() override { return Up(); }
  bool end_array() override { return Up(); }

  bool key(string_t& name) override {
    if (in_map_) {
      if (!keys_.insert(name).second) return Refuse("weight_map: duplicate key " + QuotedKey(name));
      if (entries.size() == kMaxSafetensorsTensors)
        return Refuse("weight_map: more than " + std::to_string(kMaxSafetensorsTensors) + " tensors");
      entries.emplace_back(name, "");
      return true;
    }
    if (depth_ != 1) return true;
    if (name == "weight_map" && std::exchange(seen_weight_map, true)) return Refuse("duplicate key 'weight_map'");
    map_next_ = name == "weight_map";
    return true;
  }

  bool string(string_t& value) override {
    if (!in_map_) return Scalar();
    entries.back().second = std::move(value);
    return true;
  }
  bool null() override { return Scalar(); }
  bool boolean(bool) override { return Scalar(); }
  bool number_integer(number_integer_t) override { return Scalar(); }
  bool number_unsigned(number_unsigned_t) override { return Scalar(); }
  bool number_float(number_float_t, const string_t&) override { return Scalar(); }

 private:
  bool Down() {
    if (in_map_) return Refuse("weight_map: a file name is expected for " + QuotedKey(entries.back().first));
    if (++depth_ > kMaxDepth) return Refuse("nested deeper than " + std::to_string(kMaxDepth));
    in_map_ = std::exchange(map_next_, false);
    return true;
  }
  bool Up() {
    --depth_;
    in_map_ = false;
    return true;
  }
  bool Scalar() {
    if (in_map_) return Refuse("weight_map: a file name is expected for " + QuotedKey(entries.back().first));
    if (map_next_ || depth_ == 0) return Refuse("an object is expected");
    return true;
  }

  std::set<std::string> keys_;
  int depth_ = 0;
  bool map_next_ = false, in_map_ = false;
};

}  // namespace

absl::StatusOr<std::vector<std::pair<std::string, std::string>>> ParseSafetensorsIndex(const std::string& json_text) {
  IndexSax sax;
  if (absl::Status status = sax.Run(json_text.data(), json_text.size()); !status.ok()) return status;
  if (!sax.seen_weight_map) return absl::InvalidArgumentError("weight_map is missing");
  return std::move(sax.entries);
}

}  // namespace sub1quant
